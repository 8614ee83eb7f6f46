"""For how long the robot has been about a place: looking on there rarely tells more."""

from __future__ import annotations

import math

import numpy as np

from latentworld.types import WorldState, seconds

ABOUT = 0.6  # metres within which it is about a place, and within which a place that moves stays the same
GAP = 1.0  # seconds between two states that count at most
UNLIKE, SHORT = -1.5, 0.45  # nats, none of what was seen there having said more, at which this share of it is all


class Patience:
    """Counts the seconds spent about one place. What is likeliest may come and go; another place starts anew."""

    def __init__(self, limit: float):
        """limit: seconds until it is used up."""
        self.limit = limit
        self.reset()

    def reset(self) -> None:
        self._place: np.ndarray | None = None
        self._spent, self._stamp, self._best = 0.0, 0, -math.inf

    def used(self, state: WorldState, place: np.ndarray, same: float) -> float:
        """Share, 0 to 1, used up on ``place`` (x, y in odom) so far. same: nats that what it sees is what it wants."""
        if self._place is None or math.dist(place[:2], self._place) > ABOUT:
            self._place, self._spent, self._best = np.array(place[:2]), 0.0, -math.inf
        elif math.dist(state.pose[:2], place[:2]) <= ABOUT:
            self._spent += min(max(seconds(state.stamp - self._stamp), 0.0), GAP)
            self._best = max(self._best, same)
        self._stamp = state.stamp
        return min(1.0, self._spent / self.limit)

    @property
    def lost(self) -> bool:
        """Whether to look for another place: all is used up, or enough where nothing was ever like what it wants."""
        return self._spent >= self.limit * (SHORT if self._best < UNLIKE else 1.0)
