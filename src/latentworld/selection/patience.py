"""For how long the robot has been about a place, or on its way in vain: going on there rarely tells more."""

from __future__ import annotations

import math

import numpy as np

from latentworld.types import WorldState, seconds

ABOUT = 0.6  # metres within which it is about a place, and within which a place that moves stays the same
NEARER, STALLED = 0.1, 10.0  # metres nearer that count as getting there; seconds without, after which it can't
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
        self._closest, self._stalled = math.inf, 0.0

    def used(self, state: WorldState, place: np.ndarray, same: float = 0.0) -> float:
        """Share, 0 to 1, used up on ``place`` (x, y in odom) so far. same: nats that what it sees is what it wants."""
        away, elapsed = math.dist(state.pose[:2], place[:2]), min(max(seconds(state.stamp - self._stamp), 0.0), GAP)
        if self._place is None or math.dist(place[:2], self._place) > ABOUT:
            self.reset()
            self._place = np.array(place[:2])
        elif away <= ABOUT:
            self._spent += elapsed
            self._best = max(self._best, same)
        else:
            self._stalled += elapsed
        if away < self._closest - NEARER:
            self._closest, self._stalled = away, 0.0
        self._stamp = state.stamp
        return min(1.0, self._spent / self.limit)

    @property
    def lost(self) -> bool:
        """Whether to look for another place: all is used up, or enough where nothing was ever like what it wants, or it
        can't get there.
        """
        return self._stalled >= STALLED or self._spent >= self.limit * (SHORT if self._best < UNLIKE else 1.0)
