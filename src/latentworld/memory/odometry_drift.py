"""How uncertain a pose is that odometry has carried: the covariance of a keyframe where none is measured."""

from __future__ import annotations

import math

import numpy as np


class OdometryDrift:
    """Covariance of an odometry pose, grown along the path since the frame was laid.

    A random walk per metre driven and radian turned, carried on through the heading error it has already made (Thrun,
    Burgard, Fox, "Probabilistic Robotics", 2005, section 5.4, linearised as in its table 7.2).
    """

    def __init__(self, position: float, heading: float):
        """position: m per root metre. heading: rad per root radian, and per root metre driven."""
        self._position, self._heading = position, heading
        self.reset()

    def reset(self) -> None:
        """The frame was laid anew: here, by definition, the pose is certain."""
        self._pose: np.ndarray | None = None
        self.covariance = np.zeros((3, 3))

    def move(self, pose: np.ndarray) -> np.ndarray:
        """Carry on to a pose (3,); answers the covariance (3, 3) of x, y, yaw there."""
        pose = np.asarray(pose, np.float64)
        if self._pose is not None:
            dx, dy, turn = pose - self._pose
            distance, angle = math.hypot(dx, dy), abs(math.remainder(turn, math.tau))
            carry = np.array([[1.0, 0.0, -dy], [0.0, 1.0, dx], [0.0, 0.0, 1.0]])
            position, heading = self._position**2 * distance, self._heading**2 * (angle + distance)
            self.covariance = carry @ self.covariance @ carry.T + np.diag([position, position, heading])
        self._pose = pose
        return self.covariance
