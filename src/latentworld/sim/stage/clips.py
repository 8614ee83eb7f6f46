"""Clips of the stage by number: the same seed shows the same film."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..camera import Renderer
from .looks import SEEN, Style
from .properties import PROPERTIES
from .properties.play import play
from .stage import Stage

VISIBLE, PIXELS = 25, 4  # levels by which so many pixels must differ for people to see it
PLAY = 0.2  # share of possible clips that show no property in particular
OFTEN = {"through_wall": 3.0, "shape_change": 5.0, "colour_change": 2.0, "overhang": 2.0}  # what is hard to learn
KINDS = {kind: make for kinds in PROPERTIES.values() for kind, make in kinds.items()}
SHARES = np.array([OFTEN.get(kind, 1.0) for kind in KINDS])

_renderer: Renderer | None = None


class Clip(NamedTuple):
    """pixels (T, 64, 64, 3) uint8. position (T, 2): of the prop it is about, in picture coordinates [-1, 1], NaN where
    it is not there. hidden (T,) bool: is it behind a screen? event: first frame that is impossible, -1 for none.
    """

    pixels: np.ndarray
    position: np.ndarray
    hidden: np.ndarray
    event: int


def possible_clip(seed: int, style: Style = SEEN, lamp: np.ndarray | None = None) -> Clip:
    """A clip in which all is as it should be. lamp: how bright the light is in each frame, see ``Stage.draw``."""
    rng = np.random.default_rng([seed, 11])
    if rng.random() < PLAY:
        return _film(*play(rng, style), lamp)
    pair = KINDS[rng.choice(list(KINDS), p=SHARES / SHARES.sum())](rng, style)
    return _film(pair.stage, pair.possible, lamp)


def pair_of_clips(name: str, kind: str, seed: int, style: Style = SEEN) -> tuple[Clip, Clip]:
    """A possible and an impossible clip that are the same up to the event, and look different for a while after it."""
    number = list(PROPERTIES).index(name) * 100 + list(PROPERTIES[name]).index(kind)
    rng = np.random.default_rng([seed, number, 13])
    while True:
        pair = PROPERTIES[name][kind](rng, style)
        possible, impossible = (_film(pair.stage, motion) for motion in (pair.possible, pair.impossible))
        off = np.abs(possible.pixels.astype(np.int16) - impossible.pixels).max(-1)
        differs = (off > VISIBLE).sum((1, 2)) >= PIXELS
        if differs.sum() >= 3:
            return possible, impossible._replace(event=int(differs.argmax()))


def _film(stage: Stage, motion: np.ndarray, lamp: np.ndarray | None = None) -> Clip:
    global _renderer
    if _renderer is None:
        _renderer = Renderer()
    where = motion[:, 0]
    position = stage.looks.project(np.stack([where[:, 0], np.zeros(len(where)), where[:, 1]], -1))
    return Clip(stage.draw(motion, _renderer, lamp), position.astype(np.float32), stage.hidden(motion, 0), -1)
