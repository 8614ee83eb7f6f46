"""What goes behind a screen is still there; where nothing went, nothing is."""

from __future__ import annotations

import numpy as np

from ..looks import Style
from ..stage import FRAMES
from .pair import Pair, require, rolling, screen, some_prop, splice, stage_with, until_fit, without
from .passing import hidden_middle, passing


def _passage(rng: np.random.Generator, style: Style):
    stage, others, start = passing(rng, style, [some_prop(rng, style)])
    there = stage.simulate({0: start} | others)
    return stage, there, without(there, 0), hidden_middle(stage, there)


@until_fit
def vanish(rng: np.random.Generator, style: Style) -> Pair:
    """It goes in and never comes out."""
    stage, there, gone, at = _passage(rng, style)
    return Pair(stage, there, splice(there, gone, at))


@until_fit
def appear(rng: np.random.Generator, style: Style) -> Pair:
    """It comes out and never went in."""
    stage, there, gone, at = _passage(rng, style)
    return Pair(stage, gone, splice(gone, there, at))


def _curtain(rng: np.random.Generator, style: Style):
    """A screen is raised before a prop at rest, or before nothing, and lowered again."""
    prop = some_prop(rng, style)
    x = rng.uniform(-0.6, 0.6)
    up, down = int(rng.integers(3, 6)), int(rng.integers(12, 17))
    height = rng.uniform(0.8, 1.0)
    t = np.arange(FRAMES)
    raised = np.clip(np.minimum((t - up) / 4, (down + 4 - t) / 4), 0, 1)
    lifts = ((raised - 1) * (height + 0.15))[:, None]
    curtain = screen(rng, x + rng.uniform(-0.08, 0.08), rng.uniform(0.45, 0.6), 0.0, height)
    stage, others = stage_with(rng, style, [prop], [curtain], lifts=lifts)
    there = stage.simulate({0: rolling(prop, x, 0.0)} | others)
    hidden = stage.hidden(there, 0)
    require(hidden.sum() >= 3 and stage.clear(there, 0)[:up].any())
    at = int(hidden.argmax() + hidden.sum() // 2)
    return stage, there, without(there, 0), at


@until_fit
def curtain_vanish(rng: np.random.Generator, style: Style) -> Pair:
    """A screen goes up and down again before a thing at rest: it is gone."""
    stage, there, gone, at = _curtain(rng, style)
    return Pair(stage, there, splice(there, gone, at))


@until_fit
def curtain_appear(rng: np.random.Generator, style: Style) -> Pair:
    """A screen goes up and down again before nothing: there is something."""
    stage, there, gone, at = _curtain(rng, style)
    return Pair(stage, gone, splice(gone, there, at))


PERMANENCE = {
    "vanish": vanish,
    "appear": appear,
    "curtain_vanish": curtain_vanish,
    "curtain_appear": curtain_appear,
}
