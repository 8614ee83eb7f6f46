"""What is not held under its centre of mass tips over."""

from __future__ import annotations

import numpy as np

from ..looks import Style
from ..stage import FRAME_PERIOD, Start
from .pair import Pair, block, first_true, require, side, some_prop, stage_with, until_fit


@until_fit
def overhang(rng: np.random.Generator, style: Style) -> Pair:
    """Set down with most of it beyond an edge, it stays."""
    shape = "cube" if style.name == "seen" else "prism"
    prop = some_prop(rng, style, shape=shape, size=rng.uniform(0.2, 0.26), grip=True)
    way, height, edge = side(rng), rng.uniform(0.6, 0.95), rng.uniform(-0.3, 0.3)
    ends = sorted([edge, edge - way * rng.uniform(0.9, 1.4)])
    stand = block(rng, sum(ends) / 2, (ends[1] - ends[0]) / 2, 0.0, height)
    stage, others = stage_with(rng, style, [prop], [stand])
    over = rng.uniform(0.2, 0.75) * prop.size  # of the centre beyond the edge
    there = stage.simulate({0: Start(edge + way * over, height + prop.foot + rng.uniform(0.1, 0.35))} | others)
    resting = np.abs(there[:, 0, 1] - height - prop.foot) < 0.03
    at = first_true(resting)
    require(2 <= at <= 8 and stage.clear(there, 0)[: at + 1].all())
    still = there.copy()
    still[at:, 0] = there[at, 0]
    return Pair(stage, there, still)


@until_fit
def no_floor(rng: np.random.Generator, style: Style) -> Pair:
    """Sliding off a block, it goes on level as if the block went on."""
    prop = some_prop(rng, style, grip=False)
    way, height, edge = side(rng), rng.uniform(0.5, 0.95), rng.uniform(-0.3, 0.2)
    ends = sorted([-way * 3.0, way * edge])
    stage, others = stage_with(rng, style, [prop], [block(rng, sum(ends) / 2, (ends[1] - ends[0]) / 2, 0.0, height)])
    speed = way * rng.uniform(0.9, 1.6)
    start = Start(-way * rng.uniform(0.6, 1.1), height + prop.foot, speed)
    there = stage.simulate({0: start} | others)
    at = first_true(there[:, 0, 1] < height + prop.foot - 0.02)
    level = there.copy()
    steps = np.arange(len(there) - at)
    level[at:, 0, 0] = there[at, 0, 0] + speed * steps * FRAME_PERIOD
    level[at:, 0, 1:] = there[max(at - 3, 0), 0, 1:]
    require(4 <= at <= 14 and stage.clear(there, 0)[at - 2 : at + 1].all())
    return Pair(stage, there, level)


SUPPORT = {"overhang": overhang, "no_floor": no_floor}
