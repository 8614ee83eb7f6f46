"""The differential-drive base: two driven wheels and two casters on a free body, command latency, odometry."""

from __future__ import annotations

import math

import numpy as np

MAX_LINEAR = 0.5  # m/s
MAX_ANGULAR = 1.5  # rad/s
RADIUS = 0.2
HEIGHT = 0.3
WHEEL_RADIUS = 0.05
TRACK = 0.26  # distance between the wheels (m)
LATENCY = 0.05  # s from a command to the first motion
ACCELERATION = 1.5  # m/s^2 at the rim of a wheel
CASTER = 0.025

# Bumper: a sphere as wide as the chassis, low so that pushing does not tip the base, and blind to the floor. Upright
# things meet its equator, the rim of the chassis, exactly (a cylinder against a box's edge was 5 cm wrong).
BUMPER_HEIGHT = 0.08

_WHEEL = f"""
<body name="{{name}}" pos="0 {{y}} {WHEEL_RADIUS}">
  <joint name="{{name}}" axis="0 1 0" armature="0.001" damping="0.001"/>
  <geom name="robot:{{name}}" type="sphere" size="{WHEEL_RADIUS}" mass="0.2" friction="1.0" priority="2"
        solref="0.01 1" group="3" rgba="0.1 0.1 0.1 1" contype="1" conaffinity="0"/>
</body>"""

BASE_XML = f"""
<body name="base"><freejoint/>
  <inertial pos="0 0 0.06" mass="4" diaginertia="0.05 0.05 0.08"/>
  <geom name="robot:chassis" type="cylinder" size="{RADIUS} {(HEIGHT - 0.03) / 2}" pos="0 0 {(HEIGHT + 0.03) / 2}"
        friction="0.2" priority="1" group="3" rgba="0.93 0.93 0.95 1" contype="1" conaffinity="0"/>
  <geom name="robot:bumper" type="sphere" size="{RADIUS}" pos="0 0 {BUMPER_HEIGHT}" friction="0.2" priority="1"
        group="5" contype="4" conaffinity="0"/>
  <geom name="robot:front" type="sphere" size="{CASTER}" pos="0.16 0 {CASTER + 0.0003}" condim="1" priority="2"
        solref="0.01 1" group="3" contype="1" conaffinity="0"/>
  <geom name="robot:rear" type="sphere" size="{CASTER}" pos="-0.16 0 {CASTER + 0.0003}" condim="1" priority="2"
        solref="0.01 1" group="3" contype="1" conaffinity="0"/>
  <geom name="badge" type="box" size="0.08 0.025 0.004" pos="0.1 0 {HEIGHT}" group="3" rgba="0.9 0.1 0.1 1"
        contype="0" conaffinity="0"/>
  {_WHEEL.format(name="left", y=TRACK / 2)}{_WHEEL.format(name="right", y=-TRACK / 2)}
</body>"""

DRIVE_XML = """
<actuator>
  <velocity name="left" joint="left" kv="0.15" forcerange="-0.25 0.25"/>
  <velocity name="right" joint="right" kv="0.15" forcerange="-0.25 0.25"/>
</actuator>"""


class Drive:
    """Turns velocity commands into wheel speeds: limits, a pure delay, and bounded acceleration of each wheel."""

    def __init__(self, timestep: float) -> None:
        self._change = ACCELERATION / WHEEL_RADIUS * timestep
        self._delay = round(LATENCY / timestep)
        self.stop()

    def stop(self) -> None:
        self._waiting = [(0.0, 0.0)] * self._delay
        self._left = self._right = 0.0

    def wheel_speeds(self, linear: float, angular: float) -> tuple[float, float]:
        """Speeds (rad/s) to ask of the left and right wheel in this physics step."""
        linear = min(max(linear, -MAX_LINEAR), MAX_LINEAR)
        angular = min(max(angular, -MAX_ANGULAR), MAX_ANGULAR)
        half = angular * TRACK / 2
        self._waiting.append(((linear - half) / WHEEL_RADIUS, (linear + half) / WHEEL_RADIUS))
        left, right = self._waiting.pop(0)
        self._left += min(max(left - self._left, -self._change), self._change)
        self._right += min(max(right - self._right, -self._change), self._change)
        return self._left, self._right


class WheelOdometry:
    """Dead reckoning from the turns of the wheels, with slip and slightly wrong wheel sizes.

    pose: (x, y, yaw) in ``odom``; linear m/s, angular rad/s: over the last update.
    """

    SLIP = 0.015  # standard deviation of an increment, relative
    SIZE = 0.0015  # standard deviation of a wheel's radius, relative: a small drift in yaw

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._scale = 1 + self.SIZE * rng.standard_normal(2)
        self.restart(np.zeros(3), np.zeros(2))

    def restart(self, pose: np.ndarray, wheels: np.ndarray) -> None:
        self.pose, self._wheels = np.array(pose, dtype=float), np.array(wheels, dtype=float)
        self.linear = self.angular = 0.0

    def update(self, wheels: np.ndarray, seconds: float) -> None:
        """wheels: (2,) angles of the left and right wheel (rad)."""
        noise = self._scale * (1 + self.SLIP * self._rng.standard_normal(2))
        left, right = (wheels - self._wheels) * noise * WHEEL_RADIUS
        self._wheels = np.array(wheels, dtype=float)
        forward, turn = (left + right) / 2, (right - left) / TRACK
        middle = self.pose[2] + turn / 2
        yaw = self.pose[2] + turn
        self.pose = np.array([
            self.pose[0] + forward * math.cos(middle),
            self.pose[1] + forward * math.sin(middle),
            math.atan2(math.sin(yaw), math.cos(yaw)),
        ])  # fmt: skip
        self.linear, self.angular = forward / seconds, turn / seconds
