"""Keyframes: the record of one, and the gate that decides which frames become one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from latentworld.memory.parameters import MemoryParameters
from latentworld.types import WorldState, seconds


@dataclass(frozen=True, slots=True)
class Keyframe:
    """One thing the memory kept; as the answer to a query it also says how far it is from what was asked.

    stamp: exposure (ns). pose: (3,) float64 x, y, yaw in frame ``frame_id`` at the stamp; covariance: (3, 3) of it.
    frame: number of the laying of that frame. surprise: p-value when it was kept. latent_distance: Euclidean, also to
    words; place_distance: metres; both NaN where not asked for. confidence: probability that it is what was asked for:
    of the place that the latent is of (beforehand as likely as not), and truly within the radius of the place that was
    asked for, as far as its own is known; NaN where neither was, or where that can't be told. thumbnail: JPEG, ``None``
    without. robot: whose it is, where several were asked.
    """

    id: int
    stamp: int
    frame: int
    frame_id: str
    pose: np.ndarray
    covariance: np.ndarray
    surprise: float
    model_id: str
    latent_distance: float = math.nan
    place_distance: float = math.nan
    confidence: float = math.nan
    thumbnail: bytes | None = None
    robot: str = ""


class KeyframeGate:
    """Keeps a frame when, since the last one kept, the base moved or turned or time passed; or on a surprise."""

    def __init__(self, parameters: MemoryParameters):
        self._parameters = parameters
        self._last: WorldState | None = None

    def reset(self) -> None:
        """Forget the last one kept: the next frame is kept whatever it is."""
        self._last = None

    def keep(self, state: WorldState) -> bool:
        """Whether the frame behind this belief is worth keeping; if so, it is what the next ones are compared with."""
        kept = self._last is None or self._new(state, self._last)
        if kept:
            self._last = state
        return kept

    def _new(self, state: WorldState, last: WorldState) -> bool:
        limits = self._parameters
        dx, dy, turn = np.asarray(state.pose, np.float64) - np.asarray(last.pose, np.float64)
        return (
            math.hypot(dx, dy) > limits.keep_distance
            or abs(math.remainder(turn, math.tau)) > limits.keep_angle
            or state.p_value < limits.keep_p_value
            or seconds(state.stamp - last.stamp) > limits.keep_interval
        )
