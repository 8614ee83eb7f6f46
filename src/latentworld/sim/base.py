"""The robot's body in the simulator: what it is made of, and how velocity commands move it.

A differential base has two driven wheels and casters on a free body. Other kinds slide on casters and are pushed by the
forces that their wheels would give: limited by grip, sideways too where the kind allows it.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from ..robot import Base, BaseKind
from .engine import mujoco

WHEEL_RADIUS = 0.05
CASTER = 0.025
CASTERS = 0.8  # how far out casters stand, as a share of the body
TRACK = 0.65  # distance between the wheels, as a share of the body's width
GRIP = 0.8  # coefficient of friction between wheels and floor
RESPONSE = 0.02  # s in which a pushed base takes on the speed that it is asked for

# Bumper: low, so that pushing does not tip the base, and blind to the floor. That of a round base is a sphere: upright
# things meet its equator, the rim of the chassis, exactly (a cylinder against a box's edge was 5 cm wrong).
BUMPER_HEIGHT = 0.08
BUMPER = (0.03, 0.13)  # bottom and top of that of any other base (m)


def track(base: Base) -> float:
    """Metres between the wheels of a differential base."""
    return TRACK * 2 * base.half_width


def base_xml(base: Base) -> str:
    """The body, MJCF."""
    if base.radius is not None:
        r, half = base.radius, (base.height - 0.03) / 2
        shapes = (
            f'type="cylinder" size="{r} {half}" pos="0 0 {half + 0.03}"',
            f'type="sphere" size="{r}" pos="0 0 {BUMPER_HEIGHT}"',
        )
        gyration = r
    else:
        shapes = ('type="mesh" mesh="chassis"', 'type="mesh" mesh="bumper"')
        gyration = float(np.sqrt(np.square(base.polygon).sum(-1).mean()))
    inertia = 0.3125 * base.mass * gyration**2
    low, high = CASTERS * base.polygon.min(0), CASTERS * base.polygon.max(0)
    driven = base.kind == BaseKind.DIFFERENTIAL
    if driven:
        places = {"front": (high[0], 0.0), "rear": (low[0], 0.0)}
        wheels = _wheel("left", track(base) / 2, base) + _wheel("right", -track(base) / 2, base)
    else:
        places = {
            f"caster{i}": (x, y)
            for i, (x, y) in enumerate((x, y) for x in (low[0], high[0]) for y in (low[1], high[1]))
        }
        wheels = ""
    casters = "".join(
        f'<geom name="robot:{name}" type="sphere" size="{CASTER}" pos="{x:.4f} {y:.4f} {CASTER + 0.0003}" condim="1"'
        ' priority="2" solref="0.01 1" group="3" contype="1" conaffinity="0"/>'
        for name, (x, y) in places.items()
    )
    return f"""
<body name="base"><freejoint/>
  <inertial pos="0 0 0.06" mass="{base.mass}" diaginertia="{inertia} {inertia} {1.6 * inertia}"/>
  <geom name="robot:chassis" {shapes[0]}
        friction="0.2" priority="1" group="3" rgba="0.93 0.93 0.95 1" contype="1" conaffinity="0"/>
  <geom name="robot:bumper" {shapes[1]} friction="0.2" priority="1"
        group="5" contype="4" conaffinity="0"/>
  {casters}
  <geom name="badge" type="box" size="{0.4 * gyration:.4f} 0.025 0.004" pos="{0.5 * gyration:.4f} 0 {base.height}"
        group="3"        rgba="0.9 0.1 0.1 1" contype="0" conaffinity="0"/>
  {wheels}
</body>"""


def _wheel(name: str, y: float, base: Base) -> str:
    return f"""
<body name="{name}" pos="0 {y} {WHEEL_RADIUS}">
  <joint name="{name}" axis="0 1 0" armature="0.001" damping="0.001"/>
  <geom name="robot:{name}" type="sphere" size="{WHEEL_RADIUS}" mass="{0.05 * base.mass}" friction="1.0" priority="2"
        solref="0.01 1" group="3" rgba="0.1 0.1 0.1 1" contype="1" conaffinity="0"/>
</body>"""


def mesh_xml(base: Base) -> str:
    """Chassis and bumper of a base that is not round: the footprint, drawn up."""
    if base.radius is not None:
        return ""
    prisms = {"chassis": (0.03, base.height), "bumper": BUMPER}
    out = ""
    for name, (low, high) in prisms.items():
        corners = " ".join(f"{x:.5f} {y:.5f} {z:.5f}" for z in (low, high) for x, y in base.polygon)
        out += f'<mesh name="{name}" vertex="{corners}"/>'
    return out


def drive_xml(base: Base) -> str:
    """The motors of a differential base, MJCF: strong enough for its acceleration and half as much again."""
    if base.kind != BaseKind.DIFFERENTIAL:
        return ""
    force, gain = base.mass * base.acceleration / 24, 0.15 * base.mass / 4
    motors = "".join(
        f'<velocity name="{name}" joint="{name}" kv="{gain}" forcerange="{-force} {force}"/>'
        for name in ("left", "right")
    )
    return f"<actuator>{motors}</actuator>"


class Drive(Protocol):
    """Turns velocity commands into motion."""

    def stop(self) -> None:
        """At rest, nothing asked for."""

    def push(self, model: mujoco.MjModel, data: mujoco.MjData, command: tuple[float, float, float]) -> None:
        """Ask for (linear m/s, angular rad/s, lateral m/s) during this step of physics."""


def make_drive(base: Base, timestep: float) -> Drive:
    return WheelDrive(base, timestep) if base.kind == BaseKind.DIFFERENTIAL else PushedDrive(base, timestep)


class _Delay:
    """What was asked for ``seconds`` ago, limited to what the base can do."""

    def __init__(self, base: Base, timestep: float) -> None:
        self.base, self.steps = base, round(base.latency / timestep)
        self.stop()

    def stop(self) -> None:
        self.waiting = [(0.0, 0.0, 0.0)] * self.steps

    def __call__(self, command: tuple[float, float, float]) -> tuple[float, float, float]:
        self.waiting.append(feasible(self.base, *command))
        return self.waiting.pop(0)


def feasible(base: Base, linear: float, angular: float, lateral: float = 0.0) -> tuple[float, float, float]:
    """The command that the base carries out where this one is asked for."""
    reverse = max(base.max_reverse, 0.0) if base.kind == BaseKind.ACKERMANN else max(base.max_linear, base.max_reverse)
    linear = min(max(linear, -reverse), base.max_linear)
    angular = min(max(angular, -base.max_angular), base.max_angular)
    if base.kind == BaseKind.ACKERMANN:
        most = abs(linear) / base.turning_radius
        angular = min(max(angular, -most), most)
    return linear, angular, min(max(lateral, -base.max_lateral), base.max_lateral)


class WheelDrive:
    """Two wheels: a pure delay, a lag, and bounded acceleration of each wheel."""

    def __init__(self, base: Base, timestep: float) -> None:
        self._change = base.acceleration / WHEEL_RADIUS * timestep
        self._follow = 1.0 if base.time_constant <= 0 else 1 - math.exp(-timestep / base.time_constant)
        self._half, self._delay = track(base) / 2, _Delay(base, timestep)
        self.stop()

    def stop(self) -> None:
        self._delay.stop()
        self._left = self._right = 0.0

    def push(self, model: mujoco.MjModel, data: mujoco.MjData, command: tuple[float, float, float]) -> None:
        linear, angular, _ = self._delay(command)
        half = angular * self._half
        left, right = (linear - half) / WHEEL_RADIUS, (linear + half) / WHEEL_RADIUS
        self._left += min(max(self._follow * (left - self._left), -self._change), self._change)
        self._right += min(max(self._follow * (right - self._right), -self._change), self._change)
        data.ctrl[0], data.ctrl[1] = self._left, self._right


class PushedDrive:
    """Forces on the body, as far as the wheels grip, towards the velocity asked for."""

    def __init__(self, base: Base, timestep: float) -> None:
        self.base, self._timestep, self._delay = base, timestep, _Delay(base, timestep)
        self._follow = 1.0 if base.time_constant <= 0 else 1 - math.exp(-timestep / base.time_constant)
        self.stop()

    def stop(self) -> None:
        self._delay.stop()
        self._velocity = np.zeros(3)  # linear, lateral, angular that are asked for now

    def push(self, model: mujoco.MjModel, data: mujoco.MjData, command: tuple[float, float, float]) -> None:
        base = self.base
        linear, angular, lateral = self._delay(command)
        change = np.array([base.acceleration, base.acceleration, base.angular_acceleration]) * self._timestep
        wanted = np.array([linear, lateral, angular])
        self._velocity += np.clip(self._follow * (wanted - self._velocity), -change, change)
        if base.kind == BaseKind.ACKERMANN:
            most = abs(self._velocity[0]) / base.turning_radius
            self._velocity[2] = min(max(self._velocity[2], -most), most)
        body = model.body("base").id
        start = int(model.jnt_dofadr[model.body_jntadr[body]])
        rotation = data.xmat[body].reshape(3, 3)
        force = data.xfrc_applied[body]
        force[:] = 0
        if data.xpos[body, 2] < -0.02 or rotation[2, 2] < 0.95:
            return  # its wheels are off the floor
        now = rotation.T @ data.qvel[start : start + 3]
        mass, grip = base.mass, GRIP * 9.81 * base.mass
        pull = mass / RESPONSE * (np.array([self._velocity[0], self._velocity[1], 0.0]) - [now[0], now[1], 0.0])
        pull *= min(1.0, grip / max(float(np.hypot(pull[0], pull[1])), 1e-9))
        inertia = float(model.body_inertia[body, 2])
        spin = inertia / RESPONSE * (self._velocity[2] - data.qvel[start + 5])
        most = grip * 0.5 * base.reach
        force[:3] = rotation @ pull
        force[5] = min(max(spin, -most), most)


class Odometer:
    """Dead reckoning from the turns of the wheels, with slip and slightly wrong wheel sizes.

    pose: (x, y, yaw) in ``odom``; linear, lateral m/s, angular rad/s: over the last update.
    """

    def __init__(self, base: Base, rng: np.random.Generator) -> None:
        self._base, self._rng = base, rng
        self._track = track(base)
        self._scale = 1 + base.drift * rng.standard_normal(2)
        self.restart(np.zeros(3))

    def restart(self, pose: np.ndarray, wheels: np.ndarray | None = None) -> None:
        self.pose = np.array(pose, dtype=float)
        self._wheels = np.zeros(2) if wheels is None else np.array(wheels, dtype=float)
        self.linear = self.angular = self.lateral = 0.0

    def update(self, wheels: np.ndarray, seconds: float) -> None:
        """wheels: (2,) angles of the left and right wheel (rad) of a differential base."""
        noise = self._scale * (1 + self._base.slip * self._rng.standard_normal(2))
        left, right = (wheels - self._wheels) * noise * WHEEL_RADIUS
        self._wheels = np.array(wheels, dtype=float)
        self._advance((left + right) / 2, 0.0, (right - left) / self._track, seconds)

    def moved(self, motion: np.ndarray, seconds: float) -> None:
        """motion: (3,) metres forward and to the left, radians, that another base really moved, in its own frame."""
        slip = 1 + self._base.slip * self._rng.standard_normal(2)
        forward, left = motion[:2] * self._scale[0] * slip[0]
        difference = (self._scale[1] - self._scale[0]) * motion[0] / max(self._track, 1e-3)
        self._advance(forward, left, motion[2] * slip[1] + difference, seconds)

    def _advance(self, forward: float, left: float, turned: float, seconds: float) -> None:
        middle, yaw = self.pose[2] + turned / 2, self.pose[2] + turned
        c, s = math.cos(middle), math.sin(middle)
        self.pose = np.array([
            self.pose[0] + forward * c - left * s,
            self.pose[1] + forward * s + left * c,
            math.atan2(math.sin(yaw), math.cos(yaw)),
        ])  # fmt: skip
        self.linear, self.lateral, self.angular = forward / seconds, left / seconds, turned / seconds
