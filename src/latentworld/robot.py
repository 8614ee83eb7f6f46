"""One description of a robot: its base, its cameras and its other sensors. Everything that depends on the body reads
it.

``robot_file.py`` reads descriptions from YAML; ``latentworld robot describe`` makes one from the ROS graph. Units
are metres, radians, seconds; frames follow REP-103 and REP-105. ``base_link`` here is the point on the floor between
the wheels around which the robot turns (``base_footprint`` of REP-120), x forward, y left, z up.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import Any

import numpy as np

from latentworld.geometry import polygon_distance, rotation
from latentworld.types import LatentworldError


class BaseKind(str, Enum):
    """How a base can move."""

    DIFFERENTIAL = "differential"
    ACKERMANN = "ackermann"  # turns only while it drives, in circles of ``turning_radius`` or wider
    OMNIDIRECTIONAL = "omnidirectional"  # also sideways
    HEAD = "head"  # is carried by a person: it has odometry, and takes no commands


@dataclass(frozen=True)
class Base:
    """The body and how it moves.

    footprint: corners (x, y), counter-clockwise, of what touches things, or a radius. height: to the highest point.
    latency: from a command to the first motion. time_constant: of the speed controller. slip, drift: relative standard
    deviations of an increment of odometry and of a wheel's radius; the simulator draws from them.
    """

    kind: BaseKind = BaseKind.DIFFERENTIAL
    radius: float | None = None
    footprint: tuple[tuple[float, float], ...] = ()
    height: float = 0.3
    mass: float = 4.0
    max_linear: float = 0.5
    max_reverse: float = 0.15
    max_lateral: float = 0.0
    max_angular: float = 1.5
    acceleration: float = 1.5
    angular_acceleration: float = 8.0
    turning_radius: float = 0.0
    wheelbase: float = 0.0
    latency: float = 0.05
    time_constant: float = 0.0
    slip: float = 0.015
    drift: float = 0.0015

    @cached_property
    def polygon(self) -> np.ndarray:
        """(N, 2) corners of the footprint; of a round one, 24 points on its rim."""
        if self.radius is None:
            return np.array(self.footprint, dtype=float)
        angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        return self.radius * np.stack([np.cos(angle), np.sin(angle)], -1)

    @cached_property
    def reach(self) -> float:
        """Radius of the circle about ``base_link`` that holds the footprint."""
        return self.radius if self.radius is not None else float(np.hypot(*self.polygon.T).max())

    @cached_property
    def half_width(self) -> float:
        """Half of what the body takes up across its way."""
        return self.radius if self.radius is not None else float(np.abs(self.polygon[:, 1]).max())

    @property
    def axes(self) -> tuple[str, ...]:
        """What a command to it says, in the order of ``ActionSequence.values``; the names of geometry_msgs/Twist."""
        two = ("linear.x", "angular.z")
        return (*two, "linear.y") if self.kind == BaseKind.OMNIDIRECTIONAL else two

    @cached_property
    def narrowest(self) -> float:
        """Radius of the circle that fits through every gap that the body fits through, however it turns in it."""
        return float(self.discs[:, 2].max())

    @cached_property
    def discs(self) -> np.ndarray:
        """(P, 3) x, y, radius of circles along the body that together cover the footprint: what a planner keeps clear
        of things. A round footprint is one of them, a longish one has more.
        """
        if self.radius is not None:
            return np.array([[0.0, 0.0, self.radius]])
        low, high = self.polygon.min(0), self.polygon.max(0)
        (length, width), middle = high - low, (low + high) / 2
        along = 0 if length >= width else 1
        long, short = max(length, width), min(length, width)
        count = max(1, min(4, round(long / max(short, 1e-3) * 2)))
        ends = (np.arange(count) + 0.5) / count - 0.5
        centres = np.tile(middle, (count, 1))
        centres[:, along] += ends * long
        grid = np.stack(np.meshgrid(*(np.linspace(a, b, 60) for a, b in zip(low, high, strict=True))), -1).reshape(
            -1, 2
        )
        grid = np.concatenate([grid[polygon_distance(self.polygon, grid) <= 0], self.polygon])
        distance = np.hypot(*(grid[:, None] - centres[None]).transpose(2, 0, 1))
        nearest = distance.argmin(1)
        radii = [distance[nearest == i, i].max(initial=short / 2) for i in range(count)]
        return np.column_stack([centres, radii])


@dataclass(frozen=True)
class Mount:
    """Where a sensor sits on the base: its body frame, x forward (not the optical frame). Positive pitch looks down."""

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    roll: float = 0.0
    pitch: float = 0.0
    yaw: float = 0.0

    @cached_property
    def position(self) -> np.ndarray:
        return np.array([self.x, self.y, self.z])

    @cached_property
    def rotation(self) -> np.ndarray:
        """(3, 3): columns are the sensor's axes, forward, left, up."""
        return rotation(self.roll, self.pitch, self.yaw)


@dataclass(frozen=True)
class Intrinsics:
    """A camera's picture, as ``sensor_msgs/CameraInfo`` says it: the middle of the first pixel is at (0, 0).

    distortion_model: plumb_bob, rational_polynomial, thin_prism (OpenCV's 12 coefficients) or equidistant. distortion:
    its coefficients; none: no distortion.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion_model: str = "plumb_bob"
    distortion: tuple[float, ...] = ()

    @classmethod
    def from_field_of_view(cls, width: int, height: int, horizontal: float) -> Intrinsics:
        """A camera without distortion. horizontal: radians across the whole width."""
        focal = width / 2 / math.tan(horizontal / 2)
        return cls(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)

    def scaled(self, factor: float) -> Intrinsics:
        """The same camera with a smaller (or larger) picture."""
        width, height = max(round(self.width * factor), 1), max(round(self.height * factor), 1)
        across, down = width / self.width, height / self.height
        return replace(
            self, width=width, height=height,
            fx=self.fx * across, fy=self.fy * down,
            cx=(self.cx + 0.5) * across - 0.5, cy=(self.cy + 0.5) * down - 0.5,
        )  # fmt: skip

    @property
    def field_of_view(self) -> tuple[float, float]:
        """Horizontal and vertical, radians, of the undistorted picture."""
        if self.distortion_model == "equidistant":
            return self.width / self.fx, self.height / self.fy
        return 2 * math.atan(self.width / 2 / self.fx), 2 * math.atan(self.height / 2 / self.fy)


@dataclass(frozen=True)
class Depth:
    """A depth camera. least, most: metres that it measures; nearer and farther things give no value.

    registered: depth has the colour picture's pixels; else it has ``intrinsics`` and ``mount`` of its own. noise:
    relative standard deviation. holes: share of pixels without a value. The simulator draws from the last two.
    """

    least: float = 0.0
    most: float = 6.0
    noise: float = 0.0075
    holes: float = 0.0
    intrinsics: Intrinsics | None = None
    mount: Mount | None = None

    @property
    def registered(self) -> bool:
        return self.intrinsics is None


@dataclass(frozen=True)
class Camera:
    """A colour camera, with depth or without. rate: pictures a second. latency: s from exposure to its arrival."""

    intrinsics: Intrinsics
    mount: Mount
    depth: Depth | None = None
    name: str = "camera"
    rate: float = 10.0
    latency: float = 0.0


@dataclass(frozen=True)
class Lidar:
    """A planar laser scanner. first, last: bearings of its first and last beam."""

    mount: Mount
    first: float = -math.pi
    last: float = math.pi
    beams: int = 360
    least: float = 0.1
    most: float = 10.0
    rate: float = 10.0
    name: str = "scan"


@dataclass(frozen=True)
class Robot:
    """name: for people. assumed: what stands here only because nothing was said about it."""

    name: str
    base: Base
    cameras: tuple[Camera, ...] = ()
    lidars: tuple[Lidar, ...] = ()
    bumper: bool = False
    assumed: tuple[str, ...] = field(default=())

    @property
    def camera(self) -> Camera:
        """The first camera."""
        if not self.cameras:
            raise LatentworldError(f"robot {self.name}: expected a camera, got none")
        return self.cameras[0]

    def camera_named(self, name: str) -> Camera:
        for camera in self.cameras:
            if camera.name == name:
                return camera
        raise LatentworldError(
            f"robot {self.name}: expected a camera of {', '.join(c.name for c in self.cameras) or 'none'}, got {name}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and dicts, which ``robot_file.from_dict`` reads again."""
        return json.loads(json.dumps(asdict(self)))


@dataclass(frozen=True)
class View:
    """The camera that every model of this project sees through: all others are turned into it (``perception/``).

    side: pixels of its square picture. focal: pixels. pitch: looks down. height, forward: of the camera on the base.
    far: metres from which on all is equally far.
    """

    side: int = 64
    focal: float = 32.0
    pitch: float = math.radians(12.0)
    height: float = 0.28
    forward: float = 0.12
    far: float = 6.0

    @cached_property
    def intrinsics(self) -> Intrinsics:
        middle = (self.side - 1) / 2
        return Intrinsics(self.side, self.side, self.focal, self.focal, middle, middle)

    @cached_property
    def mount(self) -> Mount:
        return Mount(x=self.forward, z=self.height, pitch=self.pitch)


VIEW = View()
