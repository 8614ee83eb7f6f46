"""Things do not pass through one another. What happens where they would is hidden, or frames would tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..looks import Style
from ..stage import TABLE, Start
from .pair import Pair, block, first_true, require, rolling, screen, side, some_prop, splice, stage_with, until_fit


def _behind(stage, solid: np.ndarray, through: np.ndarray) -> int:
    """A frame in which the prop is hidden either way."""
    both = stage.hidden(solid, 0) & stage.hidden(through, 0)
    at = first_true(both)
    require(stage.clear(solid, 0)[:at].sum() >= 3 and stage.visible(through, 0)[at:].sum() >= 3)
    return at


@until_fit
def through_floor(rng: np.random.Generator, style: Style) -> Pair:
    """Falls behind a low screen on the table, and comes out below the table."""
    prop = some_prop(rng, style, size=rng.uniform(0.17, 0.22), grip=False)
    x = rng.uniform(-0.7, 0.7)
    low = screen(rng, x, rng.uniform(0.35, 0.55), -TABLE - rng.uniform(0.02, 0.1), rng.uniform(0.5, 0.65))
    stage, others = stage_with(rng, style, [prop], [low])
    start = {
        0: Start(x + rng.uniform(-0.1, 0.1), rng.uniform(1.6, 2.3), rng.uniform(-0.1, 0.1), rng.uniform(-1.0, 0.5))
    }
    there = stage.simulate(start | others)
    fallen = replace(stage, table=(8.0, 9.0)).simulate(start | others)
    require(stage.hidden(there, 0).any())
    at = _behind(stage, there, fallen)
    return Pair(stage, there, splice(there, fallen, at))


@until_fit
def through_wall(rng: np.random.Generator, style: Style) -> Pair:
    """Goes behind a screen over which a wall is seen, and comes out on the far side."""
    prop = some_prop(rng, style, size=rng.uniform(0.18, 0.23))
    way, x, half = side(rng), rng.uniform(-0.2, 0.2), rng.uniform(0.5, 0.6)
    top = rng.uniform(0.65, 0.8)
    wall = block(rng, x + way * rng.uniform(0.1, 0.25), 0.05, 0.0, top + rng.uniform(0.25, 0.5))
    stage, others = stage_with(rng, style, [prop], [screen(rng, x, half, 0.0, top), wall])
    start = {0: rolling(prop, -way * rng.uniform(1.15, 1.4), way * rng.uniform(2.0, 2.8))}
    there = stage.simulate(start | others)
    passed = replace(stage, blocks=stage.blocks[:1]).simulate(start | others)
    at = _behind(stage, there, passed)
    require(stage.visible(there, 0)[at:].sum() >= 3)
    return Pair(stage, there, splice(there, passed, at))


@until_fit
def through_shelf(rng: np.random.Generator, style: Style) -> Pair:
    """Falls behind a screen that hides the middle of a shelf, and comes out below it."""
    prop = some_prop(rng, style, size=rng.uniform(0.16, 0.2), grip=False)
    x, height = rng.uniform(-0.5, 0.5), rng.uniform(0.7, 0.9)
    shelf = block(rng, x, rng.uniform(0.75, 0.95), height - 0.08, height)
    cover = screen(rng, x, rng.uniform(0.35, 0.45), height - 0.25, height + rng.uniform(0.45, 0.6))
    stage, others = stage_with(rng, style, [prop], [cover, shelf])
    start = {
        0: Start(x + rng.uniform(-0.1, 0.1), rng.uniform(1.8, 2.4), rng.uniform(-0.1, 0.1), rng.uniform(-1.0, 0.5))
    }
    there = stage.simulate(start | others)
    fallen = replace(stage, blocks=stage.blocks[:1]).simulate(start | others)
    at = _behind(stage, there, fallen)
    return Pair(stage, there, splice(there, fallen, at))


SOLIDITY = {"through_floor": through_floor, "through_wall": through_wall, "through_shelf": through_shelf}
