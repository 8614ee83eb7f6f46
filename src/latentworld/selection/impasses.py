"""Where the robot got nowhere on its way: for a while, other ways are preferred.

A way over the believed free space may lead through a gap that the imagined futures never dare to take. Without a
memory of it, a robot that backed off would come back to the same gap for ever.
"""

from __future__ import annotations

import math

import numpy as np

from latentworld.selection.way import WayToGoal
from latentworld.types import WorldState, seconds

AHEAD, STEP = 0.6, 0.1  # metres along the way that are blamed, and between the points of it
REACH = 0.35  # metres about each of them
TOLL = 24.0  # metres that a metre there counts for, more, each time that the robot got nowhere
LASTS = 60.0  # s
ABOUT, HESITATES = 0.3, 3.0  # metres that it has not left for so many seconds: it turns to and fro before a gap
NEAR = 0.6  # metres from the goal, within which that is no hesitation


class Impasses:
    """Places in odom at which the robot got stuck."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Another goal, or another place."""
        self._found: list[tuple[int, np.ndarray]] = []  # stamp, (N, 2)
        self._since: tuple[int, np.ndarray] | None = None  # stamp and place, when it last got somewhere

    def note(self, state: WorldState, way: WayToGoal) -> None:
        """The robot got nowhere on this way."""
        self._found.append((state.stamp, ahead(way, np.asarray(state.pose[:2], float))))

    def watch(self, state: WorldState, way: WayToGoal) -> None:
        """Note the way where the robot has hesitated on it for too long."""
        here = np.asarray(state.pose[:2], float)
        gone = self._since is None or math.dist(here, self._since[1]) > ABOUT or state.stamp < self._since[0]
        if gone or math.dist(here, way.goal) < NEAR:
            self._since = state.stamp, here
        elif seconds(state.stamp - self._since[0]) > HESITATES:
            self._since = state.stamp, here
            self.note(state, way)

    def toll(self, points: np.ndarray, stamp: int) -> np.ndarray | float:
        """points: (..., 2) in odom -> (...,) what a metre there counts for, more."""
        self._found = [one for one in self._found if 0 <= seconds(stamp - one[0]) < LASTS]
        total: np.ndarray | float = 0.0
        for _, places in self._found:
            off = np.linalg.norm(points[..., None, :] - places, axis=-1).min(-1)
            total = total + TOLL * np.clip(2 * (1 - off / REACH), 0, 1)
        return total


def ahead(way: WayToGoal, start: np.ndarray) -> np.ndarray:
    """(N, 2) points of the way from ``start`` (2,) on, down its distances."""
    around = np.linspace(0, 2 * math.pi, 16, endpoint=False)
    ring = STEP * np.stack([np.cos(around), np.sin(around)], -1)
    points = [start]
    for _ in range(round(AHEAD / STEP)):
        near = points[-1] + ring
        points.append(near[int(np.argmin(way(near)))])
    return np.array(points[2:])  # where it stands now is not to blame
