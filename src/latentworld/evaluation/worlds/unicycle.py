"""A base that moves by its kinematics alone: command latency, limits, accelerations, and odometry that drifts."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from latentworld.robot import Base

TIMESTEP = 0.01  # s
TRACK = 0.65  # distance between the wheels, as a share of the body's width


class Unicycle:
    """pose: (3,) where it really is. odometry: (3,) where its wheels say that it is, both x, y, yaw.

    linear, angular: m/s, rad/s by the wheels, over the last call of ``drive``.
    """

    def __init__(self, base: Base, rng: np.random.Generator, pose: np.ndarray | None = None) -> None:
        self.base, self._rng = base, rng
        self._wheels = 1 + base.drift * rng.standard_normal(2)  # how wrong the radius of each is
        self.pose = np.zeros(3) if pose is None else np.array(pose, float)
        self.odometry = self.pose.copy()
        self.linear = self.angular = 0.0
        self._velocity = np.zeros(2)
        self._waiting = [np.zeros(2)] * round(base.latency / TIMESTEP)

    def drive(self, linear: float, angular: float, period: float, free: Callable[[np.ndarray], bool]) -> bool:
        """Carry out a command (m/s, rad/s) for ``period`` seconds. free: whether the base may stand at a pose (3,).

        A move to where it may not stand is not made: the wheels stall, and it can still turn. Returns whether that
        happened: a contact.
        """
        base, touched = self.base, False
        most = np.array([base.acceleration, base.angular_acceleration]) * TIMESTEP
        follow = 1.0 if base.time_constant <= 0 else 1 - math.exp(-TIMESTEP / base.time_constant)
        limits = np.array([base.max_linear, base.max_angular])
        asked = np.clip([linear, angular], [-max(base.max_linear, base.max_reverse), -base.max_angular], limits)
        way, turned = 0.0, 0.0
        for _ in range(max(round(period / TIMESTEP), 1)):
            self._waiting.append(asked)
            wanted = self._waiting.pop(0)
            self._velocity = self._velocity + np.clip(follow * (wanted - self._velocity), -most, most)
            forward, turn = self._velocity * TIMESTEP
            there = _moved(self.pose, forward, turn)
            if not free(there):
                touched = True
                self._velocity[0] = 0.0
                forward, there = 0.0, _moved(self.pose, 0.0, turn)
                if not free(there):  # a corner of it is in the way
                    self._velocity[1] = 0.0
                    turn, there = 0.0, self.pose
            self.pose = there
            way, turned = way + forward, turned + turn
        self._dead_reckon(way, turned, period)
        return touched

    def _dead_reckon(self, way: float, turned: float, period: float) -> None:
        half = TRACK * self.base.half_width
        noise = self._wheels * (1 + self.base.slip * self._rng.standard_normal(2))
        left, right = np.array([way - half * turned, way + half * turned]) * noise
        way, turned = (left + right) / 2, (right - left) / (2 * half)
        self.odometry = _moved(self.odometry, way, turned)
        self.linear, self.angular = way / period, turned / period


def _moved(pose: np.ndarray, forward: float, turn: float) -> np.ndarray:
    middle, yaw = pose[2] + turn / 2, pose[2] + turn
    x, y = pose[0] + forward * math.cos(middle), pose[1] + forward * math.sin(middle)
    return np.array([x, y, math.atan2(math.sin(yaw), math.cos(yaw))])
