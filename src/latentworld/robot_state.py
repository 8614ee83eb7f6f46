"""Where what was learned about one robot is kept: beside its logs, not beside its description."""

from __future__ import annotations

import os
import re
from pathlib import Path

from latentworld.robot import Robot


def kept_with(robot: Robot, kind: str) -> Path:
    """``latentworld/robot_state/<robot's name>.<kind>`` in ``$ROS_HOME``, or in ``~/.ros`` without it.

    kind: such as ``calibration.safetensors``.
    """
    home = Path(os.environ.get("ROS_HOME") or "~/.ros").expanduser()
    name = re.sub(r"[^\w.-]+", "_", robot.name)
    return home / "latentworld" / "robot_state" / f"{name}.{kind}"
