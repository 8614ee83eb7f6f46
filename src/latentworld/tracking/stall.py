"""What a base meets without having seen it: it is told to move, and does not."""

from __future__ import annotations

import numpy as np

from latentworld.types import seconds

LONG = 0.8  # seconds, more than any base needs to start
LEAST = 0.1  # metres a second that are asked of it, at least
SHARE = 0.2  # of what is asked of it, below which it does not move


class Stall:
    """Notices that a base is held up."""

    def __init__(self) -> None:
        self._since: int | None = None  # stamp from which on it has been told to move one way, and has not
        self._way = np.zeros(2)

    def direction(self, stamp: int, velocity: np.ndarray, command: np.ndarray) -> np.ndarray | None:
        """velocity, command: (3,) m/s forward, rad/s, m/s to the left. Returns the direction (2,), a unit vector in the
        robot's frame, in which something holds it up; None where nothing does. To be asked at each frame, in order.
        """
        asked, moves = np.array([command[0], command[2]]), np.array([velocity[0], velocity[2]])
        speed = float(np.hypot(*asked))
        if speed < LEAST or moves @ asked / speed > SHARE * speed:
            self._since = None
            return None
        way = asked / speed
        if self._since is None or way @ self._way < 0.5 or stamp < self._since:
            self._since, self._way = stamp, way
        return way if seconds(stamp - self._since) >= LONG else None
