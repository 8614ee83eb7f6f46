"""For how long the robot has been about a place: looking on there rarely tells more."""

from __future__ import annotations

import math

import numpy as np

from latentworld.types import WorldState, seconds

ABOUT = 0.6  # metres within which it is about a place, and within which a place that moves stays the same
GAP = 1.0  # seconds between two states that count at most


class Patience:
    """Counts the seconds spent about one place. What is likeliest may come and go; another place starts anew."""

    def __init__(self, limit: float):
        """limit: seconds until it is used up."""
        self.limit = limit
        self.reset()

    def reset(self) -> None:
        self._place: np.ndarray | None = None
        self._spent, self._stamp = 0.0, 0

    def used(self, state: WorldState, place: np.ndarray) -> float:
        """Share, 0 to 1, used up on ``place`` (x, y in odom) so far."""
        if self._place is None or math.dist(place[:2], self._place) > ABOUT:
            self._place, self._spent = np.array(place[:2]), 0.0
        elif math.dist(state.pose[:2], place[:2]) <= ABOUT:
            self._spent += min(max(seconds(state.stamp - self._stamp), 0.0), GAP)
        self._stamp = state.stamp
        return min(1.0, self._spent / self.limit)
