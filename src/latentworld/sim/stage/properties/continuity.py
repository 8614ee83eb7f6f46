"""Things move along a path without gaps."""

from __future__ import annotations

import numpy as np

from ..looks import Style
from ..stage import Prop
from .pair import (
    Pair,
    first_true,
    require,
    rolling,
    screen,
    side,
    some_prop,
    splice,
    stage_with,
    until_fit,
    without,
)  # fmt: skip


@until_fit
def gap(rng: np.random.Generator, style: Style) -> Pair:
    """It goes behind one screen and comes out from behind another, unseen in between."""
    shape = [shape for shape in style.shapes if Prop(shape, 1.0, np.zeros(3)).reach < 1.12][rng.integers(2)]
    prop = some_prop(rng, style, shape=shape, size=rng.uniform(0.17, 0.21))
    way, half, apart = side(rng), rng.uniform(0.3, 0.34), rng.uniform(0.58, 0.66)
    middle = rng.uniform(-0.1, 0.1)
    screens = [screen(rng, middle + i * apart, half, 0.0, rng.uniform(0.6, 0.9)) for i in (-1, 1)]
    stage, others = stage_with(rng, style, [prop], screens)
    there = stage.simulate({0: rolling(prop, -way * rng.uniform(1.25, 1.5), way * rng.uniform(1.7, 2.1))} | others)
    hidden, visible = stage.hidden(there, 0), stage.visible(there, 0)
    into = first_true(hidden)
    between = into + first_true(~hidden[into:])
    again = between + first_true(hidden[between:])
    require(visible[:into].sum() >= 2 and visible[again:].sum() >= 2 and again - between >= 2)
    missing = there.copy()
    missing[between:again] = without(there, 0)[between:again]
    return Pair(stage, there, missing)


@until_fit
def jump(rng: np.random.Generator, style: Style) -> Pair:
    """In plain view it is suddenly elsewhere, and moves on from there."""
    prop = some_prop(rng, style)
    way, speed = side(rng), rng.uniform(0.8, 1.6)
    stage, others = stage_with(rng, style, [prop], [])
    there = stage.simulate({0: rolling(prop, -way * rng.uniform(0.9, 1.3), way * speed)} | others)
    at = int(rng.integers(8, 15))
    ahead = there.copy()
    ahead[:, 0, 0] += way * rng.uniform(0.4, 0.7) * (1 if rng.random() < 0.7 else -1)
    require(stage.clear(there, 0)[at - 4 : at + 1].all() and stage.clear(ahead, 0)[at : at + 3].all())
    return Pair(stage, there, splice(there, ahead, at))


CONTINUITY = {"gap": gap, "jump": jump}
