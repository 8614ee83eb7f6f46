"""The last way out when the robot is stuck: back along the way it came, which was free a moment ago."""

from __future__ import annotations

from collections import deque

import numpy as np

from latentworld.selection.parameters import SelectionParameters
from latentworld.types import WorldState, seconds, turn

SPACING = 0.05  # metres or quarters of a radian from one kept pose to the next
LENGTH = 60  # poses kept
PROGRESS = (0.1, 0.35)  # metres, radians: less than that in ``stuck_time`` is no progress


class Retreat:
    """Remembers where the robot was, and notices when it gets nowhere."""

    def __init__(self, parameters: SelectionParameters):
        self.parameters = parameters
        self.reset()

    def reset(self) -> None:
        """Another goal, or another place: no time was lost on it yet, and no way is known to have led here."""
        self.trail: deque[np.ndarray] = deque(maxlen=LENGTH)
        self._anchor: tuple[np.ndarray, int] | None = None
        self._until = 0
        self.just_stuck = False  # found by the last call of ``stuck``

    def stuck(self, state: WorldState) -> bool:
        """Take note of where it is; whether it has got nowhere for ``stuck_time``, or is still backing off for it."""
        pose, p = np.asarray(state.pose, float), self.parameters
        self.just_stuck = False
        if not self.trail or _apart(self.trail[-1], pose) > SPACING:
            self.trail.append(pose)
        if self._anchor is None or state.stamp < self._anchor[1] or _moved(self._anchor[0], pose):
            self._anchor = pose, state.stamp
        if state.stamp < self._until:
            return True
        if seconds(state.stamp - self._anchor[1]) < p.stuck_time:
            return False
        self._anchor, self.just_stuck = None, True
        self._until = state.stamp + round(1e9 * p.retreat_time)
        return True

    def plan(self, state: WorldState) -> np.ndarray:
        """(H, 2): backwards along the trail, turning towards where it came from no faster than the base may."""
        p = self.parameters
        values = np.zeros((p.horizon, 2), np.float32)
        pose, way = np.asarray(state.pose, float).copy(), [q for q in self.trail if _apart(q, state.pose) > SPACING]
        for step in range(p.horizon):
            while way and np.hypot(*(way[-1][:2] - pose[:2])) < SPACING:
                way.pop()
            if not way:
                break
            aim = way[-1]
            # Driving backwards, the tail must point at where it came from.
            bearing = turn(np.arctan2(*(aim[:2] - pose[:2])[::-1]) + np.pi - pose[2])
            angular = float(np.clip(bearing / p.dt, -p.max_angular, p.max_angular))
            linear = -p.max_reverse * max(0.0, float(np.cos(bearing)))
            values[step] = linear, angular
            pose[2] += angular * p.dt
            pose[:2] += linear * p.dt * np.array([np.cos(pose[2]), np.sin(pose[2])])
        return values


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.hypot(*(one[:2] - other[:2])) + 0.25 * abs(turn(one[2] - other[2])))


def _moved(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.hypot(*(one[:2] - other[:2])) > PROGRESS[0] or abs(turn(one[2] - other[2])) > PROGRESS[1])
