"""Furniture and people as they are, for cameras that are as high as a person's eyes.

What the shipped robot drives among (``furniture.py``) is low enough for its camera and its body.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from latentworld.sim.furniture import Part, Shape, any_obstacle, legs


def things_on(rng: np.random.Generator, a: float, b: float, height: float) -> list[Part]:
    """Up to five small things on a top of these half sizes: cups, boxes, bowls, screens."""
    parts = []
    for _ in range(rng.integers(6)):
        tall, wide, deep = rng.uniform(0.03, 0.3), *rng.uniform(0.03, 0.16, 2)
        x, y = rng.uniform(-1, 1) * max(a - wide, 0.0), rng.uniform(-1, 1) * max(b - deep, 0.0)
        shape = ("box", "cylinder", "ellipsoid")[rng.integers(3)]
        size = (wide, tall / 2) if shape == "cylinder" else (wide, deep, tall / 2)
        parts.append(Part(shape, size, (x, y, height + tall / 2), accent=bool(rng.random() < 0.7)))
    return parts


def desk(rng: np.random.Generator) -> Shape:
    """As high as people need it."""
    a, b, height = rng.uniform(0.3, 0.45), rng.uniform(0.45, 0.9), rng.uniform(0.66, 0.78)
    top = Part("box", (a, b, 0.015), (0, 0, height - 0.015))
    things = things_on(rng, a, b, height)
    if rng.random() < 0.5:
        return Shape("desk", (top, *things, *legs(a - 0.02, b - 0.02, height - 0.03)), (a, b), against_wall=0.5)
    sides = [Part("box", (a, 0.02, height / 2), (0, s * (b - 0.04), height / 2), accent=True) for s in (-1, 1)]
    return Shape("desk", (top, *things, *sides), (a, b), against_wall=0.5)


def dining_table(rng: np.random.Generator) -> Shape:
    """Of a kitchen or a meeting room, with what is left on it."""
    a, b, height = rng.uniform(0.35, 0.55), rng.uniform(0.5, 1.4), rng.uniform(0.7, 0.78)
    parts = [Part("box", (a, b, 0.02), (0, 0, height - 0.02)), *things_on(rng, a, b, height)]
    return Shape("dining_table", (*parts, *legs(a - 0.05, b - 0.05, height - 0.04)), (a, b))


def counter(rng: np.random.Generator) -> Shape:
    """Of a kitchen: its top reaches over its body."""
    a, b, height = rng.uniform(0.27, 0.36), rng.uniform(0.4, 1.3), rng.uniform(0.84, 1.08)
    body = Part("box", (a - 0.02, b, height / 2 - 0.02), (-0.02, 0, height / 2 - 0.02), accent=True)
    top = Part("box", (a, b, 0.02), (0, 0, height - 0.02))
    return Shape("counter", (body, top, *things_on(rng, a, b, height)), (a, b), against_wall=0.8)


def couch(rng: np.random.Generator) -> Shape:
    """For one to three people."""
    a, b, seat, back = rng.uniform(0.38, 0.5), rng.uniform(0.4, 1.1), rng.uniform(0.38, 0.48), rng.uniform(0.68, 0.95)
    thick, arm = rng.uniform(0.1, 0.16), rng.uniform(seat + 0.1, 0.68)
    cushions = bool(rng.random() < 0.5)  # the seat in the colour of the rest, or in another
    parts = [
        Part("box", (a, b, seat / 2), (0, 0, seat / 2), accent=cushions),
        Part("box", (thick, b, back / 2), (thick - a, 0, back / 2)),
    ]
    parts += [Part("box", (a, thick, arm / 2), (0, s * (b - thick), arm / 2)) for s in (-1, 1)]
    if rng.random() < 0.4:
        bag = rng.uniform(0.1, 0.2)
        place = (0.0, rng.uniform(-0.5, 0.5) * b, seat + bag)
        parts.append(Part("ellipsoid", (0.8 * bag, bag, bag), place, accent=True))
    return Shape("couch", tuple(parts), (a, b), against_wall=0.6)


def tall_plant(rng: np.random.Generator) -> Shape:
    radius, pot, crown = rng.uniform(0.16, 0.26), rng.uniform(0.3, 0.5), rng.uniform(0.3, 0.6)
    leaves = [
        Part("ellipsoid", (0.16, 0.05, 0.12), (*rng.uniform(-0.8, 0.8, 2) * radius, pot + rng.uniform(0.2, 2) * crown))
        for _ in range(6)
    ]
    parts = (
        Part("cylinder", (radius, pot / 2), (0, 0, pot / 2), accent=True),
        Part("ellipsoid", (0.6 * radius, 0.6 * radius, crown), (0, 0, pot + crown)),
        *leaves,
    )
    return Shape("tall_plant", parts, radius=radius)


def office_chair(rng: np.random.Generator) -> Shape:
    a, seat, back = rng.uniform(0.22, 0.28), rng.uniform(0.4, 0.52), rng.uniform(0.8, 1.1)
    foot = [
        Part("box", (a, 0.025, 0.03), (0, 0, 0.05), accent=True),
        Part("box", (0.025, a, 0.03), (0, 0, 0.05), accent=True),
        Part("cylinder", (0.03, seat / 2), (0, 0, seat / 2), accent=True),
    ]
    rest = (back - seat - 0.1) / 2
    parts = (
        *foot, Part("box", (a, a, 0.04), (0, 0, seat - 0.04)), Part("box", (0.03, a, rest), (0.03 - a, 0, back - rest)),
    )  # fmt: skip
    return Shape("office_chair", parts, (a, a))


def cupboard(rng: np.random.Generator) -> Shape:
    a, b, height = rng.uniform(0.18, 0.32), rng.uniform(0.3, 0.7), rng.uniform(1.0, 2.1)
    body = Part("box", (a, b, height / 2), (0, 0, height / 2))
    split = Part("box", (0.005, 0.01, height / 2 - 0.05), (a, 0, height / 2), accent=True)
    return Shape("cupboard", (body, split), (a, b), against_wall=0.8)


def post(rng: np.random.Generator) -> Shape:
    radius, height = rng.uniform(0.03, 0.09), rng.uniform(0.8, 2.2)
    return Shape("post", (Part("cylinder", (radius, height / 2), (0, 0, height / 2)),), radius=radius)


def person(rng: np.random.Generator) -> Shape:
    """Who stands still."""
    height, apart = rng.uniform(1.5, 1.9), rng.uniform(0.07, 0.16)
    legs, trunk, head = 0.47 * height, 0.2 * height, 0.07 * height
    parts = (
        *(Part("cylinder", (0.065, legs / 2), (0, s * apart, legs / 2), accent=True) for s in (-1, 1)),
        Part("ellipsoid", (0.14, 0.22, trunk), (0, 0, legs + trunk * 0.9)),
        Part("ellipsoid", (head, head, head * 1.3), (0, 0, height - head), accent=True),
    )
    return Shape("person", parts, radius=0.25)


LIFE_SIZED: tuple[Callable[[np.random.Generator], Shape], ...] = (
    desk, dining_table, counter, couch, office_chair, cupboard, tall_plant, post, person,
)  # fmt: skip


def any_furniture(rng: np.random.Generator) -> Shape:
    """Half of it as the shipped robot knows it, half as people live with it."""
    return any_obstacle(rng) if rng.random() < 0.5 else LIFE_SIZED[rng.integers(len(LIFE_SIZED))](rng)
