"""Latent, belief, picture and depth of one exposure, found by their stamps, in whatever order they come."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from latentworld.types import NANOSECONDS, Latent, WorldState, seconds

MOST = 8  # of each that wait for the others
LASTING = NANOSECONDS  # ns since the last depth for which it is expected to come again
CARRIED = 0.5  # s that a belief may have been carried on past its exposure and still tell where that was


class Moment(NamedTuple):
    """All of one exposure; ``picture``, ``depth``: whatever was given as such, ``None`` where it did not come."""

    state: WorldState
    latent: Latent
    picture: Any = None
    depth: Any = None


class Moments:
    """Answers each moment once: when it is complete, or, without all of it, when the next one's belief has come.

    Depth belongs to it where any came of late. A belief that was carried on, as a late camera's are, counts as that of
    its exposure, once.
    """

    def __init__(self, depth_tolerance: int = 0) -> None:
        """depth_tolerance: ns between the stamps of latent and depth."""
        self._tolerance = depth_tolerance
        self._depths: dict[int, Any] = {}
        self._states: dict[int, WorldState] = {}
        self._latents: dict[int, Latent] = {}
        self._pictures: dict[int, Any] = {}
        self._exposed: int | None = None  # of the newest belief

    def state(self, state: WorldState) -> list[Moment]:
        exposed, ahead = state.observation_stamp, seconds(state.stamp - state.observation_stamp)
        if ahead != 0 and (exposed == self._exposed or not 0 < ahead <= CARRIED):
            return []
        self._exposed = exposed
        return self._add(self._states, exposed, _taken_back(state, ahead) if ahead else state)

    def latent(self, latent: Latent) -> list[Moment]:
        return self._add(self._latents, latent.stamp, latent)

    def picture(self, stamp: int, picture: Any) -> list[Moment]:
        return self._add(self._pictures, stamp, picture)

    def depth(self, stamp: int, depth: Any) -> list[Moment]:
        return self._add(self._depths, stamp, depth)

    def _add(self, waiting: dict[int, Any], stamp: int, one: Any) -> list[Moment]:
        waiting[stamp] = one
        if len(waiting) > MOST:
            del waiting[next((old for old in waiting if not self._expected(waiting, old)), next(iter(waiting)))]
        known = [stamp for stamp in self._states if stamp in self._latents]
        ready = [stamp for stamp in known if self._complete(stamp) or stamp != known[-1]]
        return [
            Moment(self._states.pop(s), self._latents.pop(s), self._pictures.pop(s, None), self._depth_at(s))
            for s in ready
        ]

    def _expected(self, waiting: dict[int, Any], stamp: int) -> bool:
        """Whether it is the picture of a moment that waits for more."""
        return waiting is self._pictures and (stamp in self._states or stamp in self._latents)

    def _complete(self, stamp: int) -> bool:
        with_depth = any(stamp - other <= LASTING for other in self._depths)
        return stamp in self._pictures and (not with_depth or self._depth_at(stamp) is not None)

    def _depth_at(self, stamp: int) -> Any:
        """The nearest in time; one may be that of several pictures."""
        nearest = min(self._depths, key=lambda other: abs(other - stamp), default=None)
        near = nearest is not None and abs(nearest - stamp) <= self._tolerance
        return self._depths[nearest] if near else None


def _taken_back(state: WorldState, ahead: float) -> WorldState:
    """A belief that was carried on for so many seconds, at the pose of its exposure."""
    x, y, yaw = state.pose
    linear, angular, lateral = (float(v) * ahead for v in state.velocity)
    heading = yaw - angular / 2
    c, s = math.cos(heading), math.sin(heading)
    pose = np.array([x - linear * c + lateral * s, y - linear * s - lateral * c, yaw - angular])
    return replace(state, stamp=state.observation_stamp, pose=pose)
