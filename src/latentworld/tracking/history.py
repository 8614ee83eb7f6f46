"""What the wheels said and what was commanded, by stamp."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

import numpy as np

from latentworld.types import Action, Odometry, turn


class History:
    """A short memory of stamped things, oldest first; what comes out of order is put in its place."""

    def __init__(self, length: int = 256):
        self.items: deque = deque(maxlen=length)

    def __len__(self) -> int:
        return len(self.items)

    def add(self, item: Odometry | Action) -> None:
        if self.items and item.stamp < self.items[-1].stamp:
            self.items.insert(bisect_right(self.items, item.stamp, key=lambda i: i.stamp), item) if len(
                self.items
            ) < self.items.maxlen else None
            return
        self.items.append(item)

    def around(self, stamp: int):
        """The newest item at or before ``stamp`` and the one after it; ``None`` where there is none."""
        after = bisect_right(self.items, stamp, key=lambda i: i.stamp)
        before = self.items[after - 1] if after else None
        return before, self.items[after] if after < len(self.items) else None


def pose_at(history: History, stamp: int) -> tuple[np.ndarray, np.ndarray]:
    """Pose (3,) and velocity (3,) of linear m/s, angular rad/s, lateral m/s at ``stamp``: interpolated between
    odometry, extrapolated past the newest.
    """
    before, after = history.around(stamp)
    if before is None:
        return after.pose, _velocity(after)
    if after is None:
        dt = (stamp - before.stamp) / 1e9
        x, y, yaw = before.pose
        heading = yaw + before.angular * dt / 2
        c, s, ahead, left = np.cos(heading), np.sin(heading), before.linear * dt, before.lateral * dt
        pose = np.array([x + ahead * c - left * s, y + ahead * s + left * c, yaw + before.angular * dt])
        return pose, _velocity(before)
    share = (stamp - before.stamp) / max(1, after.stamp - before.stamp)
    step = after.pose - before.pose
    step[2] = turn(step[2])
    old, new = _velocity(before), _velocity(after)
    return before.pose + share * step, old + share * (new - old)


def _velocity(odometry: Odometry) -> np.ndarray:
    return np.array([odometry.linear, odometry.angular, odometry.lateral])
