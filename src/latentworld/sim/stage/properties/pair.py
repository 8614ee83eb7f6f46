"""What properties are made of: pairs, props and screens drawn at random, motions put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ...textures import colour
from ..looks import Looks, Style, prop_colour
from ..stage import GROUND, PROP_TEXTURES, Block, Prop, Stage, Start

ATTEMPTS = 400


class Pair(NamedTuple):
    """possible, impossible: motions (T, P, 3) on the same stage; prop 0 is the one they are about."""

    stage: Stage
    possible: np.ndarray
    impossible: np.ndarray


class Unfit(Exception):
    """This draw shows not what it should; the next one may."""


def until_fit(draw: Callable[[np.random.Generator, Style], Pair]) -> Callable[[np.random.Generator, Style], Pair]:
    """Draws again until what must be seen is seen."""

    def fitting(rng: np.random.Generator, style: Style) -> Pair:
        for _ in range(ATTEMPTS):
            try:
                return draw(rng, style)
            except Unfit:
                continue
        raise RuntimeError(f"{draw.__module__}.{draw.__name__}: no fit in {ATTEMPTS} draws")

    fitting.__name__ = draw.__name__
    return fitting


def require(condition: bool) -> None:
    if not condition:
        raise Unfit


def side(rng: np.random.Generator) -> int:
    return 1 if rng.random() < 0.5 else -1


def some_prop(rng: np.random.Generator, style: Style, **fixed) -> Prop:
    shape = fixed.pop("shape", None) or style.shapes[rng.integers(len(style.shapes))]
    given = {
        "size": rng.uniform(0.2, 0.27),
        "colour": prop_colour(rng, style),
        "texture": int(rng.integers(PROP_TEXTURES)),
        "grip": shape in ("ball", "egg"),
    }
    return Prop(shape, **(given | fixed))


def screen(rng: np.random.Generator, x: float, half: float, low: float, high: float) -> Block:
    return Block((x, (low + high) / 2), (half, (high - low) / 2), colour(rng, (0.4, 1.0), 0.6), screen=True)


def block(rng: np.random.Generator, x: float, half: float, low: float, high: float) -> Block:
    return Block((x, (low + high) / 2), (half, (high - low) / 2), colour(rng, (0.3, 1.0), 0.5))


def bystander(rng: np.random.Generator, style: Style) -> tuple[list[Prop], dict[int, Start]]:
    """Now and then something that lies or moves on the ground, below it all: the prop, and its start under key 0."""
    if rng.random() < 0.6:
        return [], {}
    prop = some_prop(rng, style)
    speed = 0.0 if rng.random() < 0.5 else rng.uniform(-1.2, 1.2)
    return [prop], {0: rolling(prop, rng.uniform(-1.2, 1.2), speed, GROUND)}


def rolling(prop: Prop, x: float, speed: float, floor: float = 0.0) -> Start:
    """On a floor, at a speed; what grips rolls without slipping."""
    return Start(x, floor + prop.foot, speed, spin=speed / prop.foot if prop.grip else 0.0)


def stage_with(
    rng: np.random.Generator, style: Style, props: list[Prop], blocks: list[Block], **more
) -> tuple[Stage, dict[int, Start]]:
    """The stage, perhaps with a bystander added, and the start of that."""
    extra, start = bystander(rng, style)
    stage = Stage(Looks.draw(rng, style), (*props, *extra), tuple(blocks), **more)
    return stage, {len(props) + i: s for i, s in start.items()}


def splice(first: np.ndarray, then: np.ndarray, at: int) -> np.ndarray:
    """``first`` up to frame ``at``, from there on ``then``."""
    return np.concatenate([first[:at], then[at:]])


def first_true(flags: np.ndarray) -> int:
    """Index of the first; unfit when there is none."""
    require(flags.any())
    return int(flags.argmax())


def without(motion: np.ndarray, prop: int) -> np.ndarray:
    """The same, the prop not being there."""
    gone = motion.copy()
    gone[:, prop] = np.nan
    return gone
