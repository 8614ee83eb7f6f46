"""What nothing holds falls."""

from __future__ import annotations

import numpy as np

from ..looks import Style
from ..stage import Start
from .pair import Pair, block, first_true, require, rolling, side, some_prop, stage_with, until_fit


def _falling(rng: np.random.Generator, style: Style):
    """Off the end of a shelf, or from above the picture. Frame ``at`` is early in the fall."""
    prop = some_prop(rng, style)
    way = side(rng)
    if rng.random() < 0.5:
        height, edge = rng.uniform(0.9, 1.15), rng.uniform(-0.4, 0.1)
        ends = sorted([-way * 3.0, way * edge])
        stage, others = stage_with(
            rng, style, [prop], [block(rng, sum(ends) / 2, (ends[1] - ends[0]) / 2, height - 0.1, height)]
        )
        there = stage.simulate(
            {0: rolling(prop, -way * rng.uniform(0.8, 1.2), way * rng.uniform(1.0, 1.8), height)} | others
        )
        falling = there[:, 0, 1] < height + prop.foot - 0.04
    else:
        stage, others = stage_with(rng, style, [prop], [])
        start = Start(
            way * rng.uniform(0.2, 0.9), rng.uniform(1.9, 2.4), -way * rng.uniform(0.0, 0.7), rng.uniform(-0.5, 1.0)
        )
        there = stage.simulate({0: start} | others)
        falling = there[:, 0, 1] < rng.uniform(1.0, 1.4)
    at = first_true(falling)
    require(3 <= at <= 15 and stage.clear(there, 0)[at - 1 : at + 1].all() and there[at, 0, 1] > prop.foot + 0.25)
    return stage, there, at


@until_fit
def hover(rng: np.random.Generator, style: Style) -> Pair:
    """It stops in mid-air, or goes on level."""
    stage, there, at = _falling(rng, style)
    floating = there.copy()
    floating[at:, 0, 1:] = there[at, 0, 1:]
    if rng.random() < 0.5:
        floating[at:, 0, 0] = there[at, 0, 0]
    return Pair(stage, there, floating)


@until_fit
def fall_up(rng: np.random.Generator, style: Style) -> Pair:
    """It falls upwards."""
    stage, there, at = _falling(rng, style)
    rising = there.copy()
    landed = int(np.argmin(there[:, 0, 1]))
    drop = there[at, 0, 1] - there[at:, 0, 1]
    drop[max(landed - at, 1) :] = drop[: max(landed - at, 1)].max() + 0.3 * np.arange(
        1, len(drop) - max(landed - at, 1) + 1
    )
    rising[at:, 0, 1] = there[at, 0, 1] + drop
    return Pair(stage, there, rising)


GRAVITY = {"hover": hover, "fall_up": fall_up}
