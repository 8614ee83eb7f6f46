"""What goes behind a screen is still there; where nothing went, nothing is."""

from __future__ import annotations

import numpy as np

from ..looks import Style
from ..stage import FRAMES, Stage
from .pair import Pair, require, rolling, screen, some_prop, splice, stage_with, until_fit, without
from .passing import hidden_middle, passing


def _passage(rng: np.random.Generator, style: Style):
    stage, others, start = passing(rng, style, [some_prop(rng, style)])
    there = stage.simulate({0: start} | others)
    return stage, there, hidden_middle(stage, there)


def _gone(stage: Stage, there: np.ndarray, at: int) -> Pair:
    """From frame ``at`` on it is no more."""
    return Pair(stage, there, splice(there, without(there, 0), at))


def _come(stage: Stage, there: np.ndarray, at: int) -> Pair:
    """Until frame ``at`` it was not."""
    never = without(there, 0)
    return Pair(stage, never, splice(never, there, at))


@until_fit
def vanish(rng: np.random.Generator, style: Style) -> Pair:
    """It goes in and never comes out."""
    return _gone(*_passage(rng, style))


@until_fit
def appear(rng: np.random.Generator, style: Style) -> Pair:
    """It comes out and never went in."""
    return _come(*_passage(rng, style))


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
    return stage, there, at


@until_fit
def curtain_vanish(rng: np.random.Generator, style: Style) -> Pair:
    """A screen goes up and down again before a thing at rest: it is gone."""
    return _gone(*_curtain(rng, style))


@until_fit
def curtain_appear(rng: np.random.Generator, style: Style) -> Pair:
    """A screen goes up and down again before nothing: there is something."""
    return _come(*_curtain(rng, style))


PERMANENCE = {
    "vanish": vanish,
    "appear": appear,
    "curtain_vanish": curtain_vanish,
    "curtain_appear": curtain_appear,
}
