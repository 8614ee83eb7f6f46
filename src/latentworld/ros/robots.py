"""The robot that a node is for: its description, refused in one line where the model cannot drive it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rclpy.node import Node

from latentworld import robot_file, robot_fit
from latentworld.robot import BaseKind, Camera, Lidar, Robot
from latentworld.types import LatentworldError

PARAMETER = "robot's description: name of one that ships, or a YAML file"
SCAN = "scan"  # topic of the lidar of a robot that drives by it
_FIRST = "camera"  # folder of the topics of the first camera


def described(name: str) -> Robot:
    """The robot of this name or file. Raises LatentworldError where it cannot be driven by the model."""
    robot = robot_file.load(name)
    refused = robot_fit.refusals(robot)
    if refused:
        raise LatentworldError(f"robot {name}: {'; '.join(refused)}")
    return robot


def announce(node: Node, robot: Robot) -> None:
    """Say in the log what the robot is, what will work badly, and what was assumed for want of a description."""
    logger = node.get_logger()
    logger.info(f"robot: {robot.name}")
    for line in robot_fit.warnings(robot):
        logger.warning(f"robot {robot.name}: {line}")
    for line in robot.assumed:
        logger.info(f"robot {robot.name}: assumed: {line}")


def located(name: str) -> str:
    """``name``, or the absolute path of the file that it is: other processes may run elsewhere."""
    path = Path(name).expanduser()
    return str(path.absolute()) if path.suffix in (".yaml", ".yml") else name


def takes_commands(name: str) -> bool:
    """Whether the robot of this name or file needs a command_gate: what a person carries takes no commands."""
    return robot_file.load(name).base.kind != BaseKind.HEAD


@dataclass(frozen=True)
class Feed:
    """The topics of one camera, relative names: all lie in ``folder``."""

    camera: Camera
    folder: str

    @property
    def image(self) -> str:
        return f"{self.folder}/image_raw"

    @property
    def depth(self) -> str:
        return f"{self.folder}/depth/image_raw"

    @property
    def info(self) -> str:
        return f"{self.folder}/camera_info"

    @property
    def depth_info(self) -> str:
        return f"{self.folder}/depth/camera_info"


def feeds(robot: Robot) -> list[Feed]:
    """The topics of all cameras. Those of the first that looks ahead lie in ``camera``, others' in a folder of the
    camera's name.

    Raises LatentworldError where two cameras would share a folder.
    """
    first = next(iter(ahead(robot) or robot.cameras), None)
    out: dict[str, Feed] = {}
    for camera in robot.cameras:
        folder = _FIRST if camera is first else re.sub(r"^(?!\w)|^(?=\d)|\W", "_", camera.name, flags=re.ASCII)
        if folder in out:
            raise LatentworldError(
                f"robot {robot.name}: expected names of cameras that make topics of their own, got "
                f"{out[folder].camera.name} and {camera.name}, both {folder}/image_raw"
            )
        out[folder] = Feed(camera, folder)
    return list(out.values())


def ahead(robot: Robot) -> list[Camera]:
    """The cameras that look ahead: others show nothing of what the model sees."""
    return [camera for camera in robot.cameras if camera.mount.rotation[0, 0] > 0]


def seen_by(robot: Robot) -> tuple[list[Feed], Lidar | None]:
    """What a robot drives by: the cameras that look ahead; where it has none, its first lidar."""
    looking = ahead(robot)
    chosen = [feed for feed in feeds(robot) if feed.camera in looking]
    return chosen, robot.lidars[0] if robot.lidars and not chosen else None
