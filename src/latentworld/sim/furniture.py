"""Things that stand in rooms: each a footprint in the plane and the solid parts that MuJoCo draws and collides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

LEG = 0.02  # half width of a leg (m)


@dataclass(frozen=True, slots=True)
class Part:
    """One solid of an obstacle, in the obstacle's frame (floor at z = 0). size: MuJoCo half sizes."""

    shape: str
    size: tuple[float, ...]
    position: tuple[float, float, float]
    accent: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """The footprint is a circle where ``radius`` is set, else a box of these half sizes (m)."""

    kind: str
    parts: tuple[Part, ...]
    half: tuple[float, float] = (0.0, 0.0)
    radius: float | None = None
    against_wall: float = 0.0  # probability that its back stands at a wall

    @property
    def reach(self) -> float:
        """Radius of the circle around the footprint (m)."""
        return self.radius if self.radius is not None else float(np.hypot(*self.half))


def _legs(a: float, b: float, height: float) -> list[Part]:
    return [
        Part("box", (LEG, LEG, height / 2), (sx * (a - LEG), sy * (b - LEG), height / 2), accent=True)
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]


def box(rng: np.random.Generator) -> Shape:
    a, b = rng.uniform(0.12, 0.35, 2)
    height = rng.uniform(0.2, 1.0)
    return Shape("box", (Part("box", (a, b, height / 2), (0, 0, height / 2)),), (a, b))


def cylinder(rng: np.random.Generator) -> Shape:
    radius, height = rng.uniform(0.1, 0.3), rng.uniform(0.25, 1.2)
    return Shape("cylinder", (Part("cylinder", (radius, height / 2), (0, 0, height / 2)),), radius=radius)


def plant(rng: np.random.Generator) -> Shape:
    radius, pot = rng.uniform(0.14, 0.22), rng.uniform(0.2, 0.35)
    crown = rng.uniform(0.15, 0.35)
    parts = (
        Part("cylinder", (radius, pot / 2), (0, 0, pot / 2), accent=True),
        Part("ellipsoid", (radius, radius, crown), (0, 0, pot + crown * 0.8)),
    )
    return Shape("plant", parts, radius=radius)


def table(rng: np.random.Generator) -> Shape:
    """Low enough that the base meets the top: the top is the footprint."""
    a, b, height = rng.uniform(0.3, 0.5), rng.uniform(0.22, 0.38), rng.uniform(0.24, 0.3)
    top = Part("box", (a, b, 0.015), (0, 0, height - 0.015))
    return Shape("table", (top, *_legs(a - 0.02, b - 0.02, height - 0.03)), (a, b))


def chair(rng: np.random.Generator) -> Shape:
    a, seat, back = rng.uniform(0.18, 0.24), rng.uniform(0.22, 0.28), rng.uniform(0.55, 0.8)
    parts = [
        Part("box", (a, a, 0.02), (0, 0, seat - 0.02)),
        Part("box", (0.02, a, (back - seat) / 2), (0.02 - a, 0, (back + seat) / 2)),
        *_legs(a, a, seat - 0.04),
    ]
    return Shape("chair", tuple(parts), (a, a))


def shelf(rng: np.random.Generator) -> Shape:
    a, b, height = rng.uniform(0.13, 0.2), rng.uniform(0.3, 0.5), rng.uniform(0.7, 1.4)
    boards = np.linspace(0.06, height - 0.015, int(height / 0.33) + 1)
    parts = [Part("box", (0.01, b, height / 2), (0.01 - a, 0, height / 2), accent=True)]
    parts += [Part("box", (a, 0.015, height / 2), (0, s * (b - 0.015), height / 2)) for s in (-1, 1)]
    parts += [Part("box", (a, b, 0.015), (0, 0, z)) for z in boards]
    return Shape("shelf", tuple(parts), (a, b), against_wall=0.7)


def sofa(rng: np.random.Generator) -> Shape:
    a, b, seat, back = rng.uniform(0.28, 0.38), rng.uniform(0.45, 0.7), rng.uniform(0.22, 0.3), rng.uniform(0.5, 0.7)
    parts = [
        Part("box", (a, b, seat / 2), (0, 0, seat / 2)),
        Part("box", (0.08, b, back / 2), (0.08 - a, 0, back / 2), accent=True),
    ]
    arm = (seat + 0.12) / 2
    parts += [Part("box", (a, 0.07, arm), (0, s * (b - 0.07), arm), accent=True) for s in (-1, 1)]
    return Shape("sofa", tuple(parts), (a, b), against_wall=0.6)


def crate(rng: np.random.Generator) -> Shape:
    """A light box to be pushed."""
    a, b, height = *rng.uniform(0.1, 0.17, 2), rng.uniform(0.24, 0.32)
    return Shape("crate", (Part("box", (a, b, height / 2), (0, 0, height / 2)),), (a, b))


FURNITURE: tuple[Callable[[np.random.Generator], Shape], ...] = (box, cylinder, plant, table, chair, shelf, sofa)
FREQUENCY = (0.27, 0.22, 0.1, 0.12, 0.12, 0.1, 0.07)


def desk(rng: np.random.Generator) -> Shape:
    """As high as people need it."""
    a, b, height = rng.uniform(0.3, 0.45), rng.uniform(0.45, 0.9), rng.uniform(0.66, 0.78)
    top = Part("box", (a, b, 0.015), (0, 0, height - 0.015))
    if rng.random() < 0.5:
        return Shape("desk", (top, *_legs(a - 0.02, b - 0.02, height - 0.03)), (a, b), against_wall=0.5)
    sides = [Part("box", (a, 0.02, height / 2), (0, s * (b - 0.04), height / 2), accent=True) for s in (-1, 1)]
    return Shape("desk", (top, *sides), (a, b), against_wall=0.5)


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


LIFE_SIZED: tuple[Callable[[np.random.Generator], Shape], ...] = (desk, office_chair, cupboard, post, person)


def any_furniture(rng: np.random.Generator) -> Shape:
    """Half of it as the shipped robot knows it, half as people live with it."""
    return any_obstacle(rng) if rng.random() < 0.5 else LIFE_SIZED[rng.integers(len(LIFE_SIZED))](rng)


def any_obstacle(rng: np.random.Generator) -> Shape:
    return FURNITURE[rng.choice(len(FURNITURE), p=FREQUENCY)](rng)
