"""What was heard of a robot on the ROS graph, as plain data. No ROS."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from latentworld.types import seconds

LATEST = 5.0  # s from stamp to arrival, from which on their clocks do not agree


@dataclass
class Timing:
    """stamps: ns of the headers. delays: s from stamp to arrival."""

    stamps: list[int] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float | None:
        """Hz, from the median distance of stamps, so that lost messages do not count; None for fewer than 3."""
        gaps = np.diff(np.unique(self.stamps))
        return None if len(gaps) < 2 else round(1 / seconds(float(np.median(gaps))), 2)

    @property
    def latency(self) -> float | None:
        """s, median; None where there is none, or clocks do not agree."""
        middle = float(np.median(self.delays)) if self.delays else math.inf
        return round(max(middle, 0.0), 3) if -0.02 < middle < LATEST else None


@dataclass
class Info:
    """A ``sensor_msgs/CameraInfo``. k, p: row by row. binning: across, down. roi: x, y, width, height."""

    frame: str
    width: int
    height: int
    model: str
    d: tuple[float, ...]
    k: tuple[float, ...]
    p: tuple[float, ...]
    binning: tuple[int, int] = (0, 0)
    roi: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass
class Picture:
    """What came on a topic of images. measured: of depth, shares of the pixels without value, and metres of the nearest
    and the farthest ones.
    """

    topic: str
    frame: str
    encoding: str
    width: int
    height: int
    timing: Timing = field(default_factory=Timing)
    measured: list[tuple[float, float, float]] = field(default_factory=list)


@dataclass
class Scan:
    """A ``sensor_msgs/LaserScan``: bearings of its first and last beam (rad), beams, range (m)."""

    frame: str
    first: float
    last: float
    beams: int
    least: float
    most: float
    timing: Timing = field(default_factory=Timing)


@dataclass
class Travel:
    """A topic of odometry. frame: child_frame_id."""

    frame: str
    timing: Timing = field(default_factory=Timing)


@dataclass
class Heard:
    """All that was heard; keys are topics. transforms: child -> parent, (4, 4) of the child in the parent.

    commands: types of each topic named cmd_vel. packed: topics of compressed pictures. said: trouble in listening.
    """

    urdf: str = ""
    transforms: dict[str, tuple[str, np.ndarray]] = field(default_factory=dict)
    pictures: dict[str, Picture] = field(default_factory=dict)
    infos: dict[str, Info] = field(default_factory=dict)
    scans: dict[str, Scan] = field(default_factory=dict)
    odometry: dict[str, Travel] = field(default_factory=dict)
    commands: dict[str, set[str]] = field(default_factory=dict)
    packed: set[str] = field(default_factory=set)
    bumpers: set[str] = field(default_factory=set)
    said: list[str] = field(default_factory=list)

    @property
    def nothing(self) -> bool:
        """Was there nothing at all that tells of a robot?"""
        return not any((
            self.urdf, self.transforms, self.pictures, self.infos, self.scans, self.odometry, self.commands,
        ))  # fmt: skip
