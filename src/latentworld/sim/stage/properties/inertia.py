"""What moves goes on as it did, until something acts on it."""

from __future__ import annotations

import numpy as np

from ..looks import Style
from ..stage import FRAMES
from .pair import Pair, require, rolling, side, some_prop, splice, stage_with, until_fit
from .passing import hidden_middle, passing


@until_fit
def hidden_turn(rng: np.random.Generator, style: Style) -> Pair:
    """Behind a screen, with nothing there, it turns round."""
    stage, others, start = passing(rng, style, [some_prop(rng, style)])
    there = stage.simulate({0: start} | others)
    at = hidden_middle(stage, there)
    turned = there.copy()
    back = 2 * at - np.arange(at, FRAMES)
    step = there[at, 0, 0] - there[at - 1, 0, 0]
    turned[at:, 0, 0] = there[at, 0, 0] - step * np.arange(FRAMES - at)
    turned[at:, 0, 2] = there[np.maximum(back, 0), 0, 2]
    require(stage.visible(turned, 0)[at:].sum() >= 3)
    return Pair(stage, there, turned)


def _open(rng: np.random.Generator, style: Style):
    way, speed = side(rng), rng.uniform(0.9, 1.8)
    prop = some_prop(rng, style)
    stage, others = stage_with(rng, style, [prop], [])
    there = stage.simulate({0: rolling(prop, -way * rng.uniform(0.9, 1.3), way * speed)} | others)
    at = int(rng.integers(8, 15))
    require(stage.clear(there, 0)[at - 4 : at + 3].all())
    return stage, there, at


@until_fit
def turn(rng: np.random.Generator, style: Style) -> Pair:
    """In plain view, with nothing there, it turns round."""
    stage, there, at = _open(rng, style)
    back = 2 * at - np.arange(at, FRAMES)
    step = there[at, 0] - there[at - 1, 0]
    turned = there.copy()
    turned[at:, 0] = there[at, 0] - step * np.arange(FRAMES - at)[:, None]
    turned[at:, 0][back >= 0] = there[back[back >= 0], 0]
    return Pair(stage, there, splice(there, turned, at))


@until_fit
def halt(rng: np.random.Generator, style: Style) -> Pair:
    """In plain view, with nothing there, it stands still at once."""
    stage, there, at = _open(rng, style)
    still = there.copy()
    still[at:, 0] = there[at, 0]
    return Pair(stage, there, still)


INERTIA = {"hidden_turn": hidden_turn, "turn": turn, "halt": halt}
