"""What can be tuned about the visual memory."""

from __future__ import annotations

import math
from dataclasses import dataclass

from latentworld.parameters import check, parameter

DEFAULT_PATH = "~/.ros/latentworld/memory.sqlite"


@dataclass(frozen=True, slots=True)
class MemoryParameters:
    keep_distance: float = parameter(0.25, "metres moved since the last keyframe after which one is kept", 0.0, 100.0)
    keep_angle: float = parameter(
        math.radians(15), "radians turned since the last keyframe after which one is kept", 0.0, math.pi
    )
    keep_p_value: float = parameter(0.05, "p-value of the surprise below which a frame is kept", 0.0, 1.0)
    keep_interval: float = parameter(10.0, "seconds since the last keyframe after which one is kept", 0.0, 86400.0)
    commit_interval: float = parameter(1.0, "seconds that a kept frame waits at most to become durable", 0.0, 1.0)
    commit_rows: int = parameter(256, "kept frames waiting that are made durable at once", 1, 10_000)
    never_seen_distance: float = parameter(
        0.0, "latent distance beyond which nothing counts as the same; 0: calibrated", 0.0, 1e6
    )
    position_drift: float = parameter(
        0.02, "odometry's standard deviation of position, metres per root metre", 0.0, 10.0
    )
    heading_drift: float = parameter(
        0.02, "odometry's standard deviation of heading, radians per root radian or metre", 0.0, 3.2
    )
    jump_distance: float = parameter(
        0.5, "metres moved, beyond what speed explains, that mean odom was laid anew", 0.01, 1e6
    )
    disk_budget: float = parameter(
        16.0, "gigabytes that all files may take, beyond which old keyframes are thinned; 0: no limit", 0.0, 1e6
    )
    thumbnail_size: int = parameter(96, "pixels of a thumbnail's longer side", 16, 640)

    def __post_init__(self) -> None:
        check(self)
