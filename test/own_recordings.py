"""Recordings as a robot makes them of its own driving: MCAP files, written from the simulator, and what was true."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rclpy.serialization import serialize_message
from std_msgs.msg import Bool

from latentworld.robot import Robot
from latentworld.ros.bag import BagWriter
from latentworld.ros.codecs import odometry_to_message, stamped_from_action
from latentworld.ros.images import to_image
from latentworld.sim.world import World
from latentworld.training.driving.drivers import PathFollower
from latentworld.types import Action

TYPES = {
    "/camera/image_raw": "sensor_msgs/msg/Image",
    "/camera/depth/image_raw": "sensor_msgs/msg/Image",
    "/odom": "nav_msgs/msg/Odometry",
    "/cmd_vel": "geometry_msgs/msg/TwistStamped",
    "/bumper": "std_msgs/msg/Bool",
}
START = 1_700_000_000_000_000_000  # ns since 1970


class Recorded(NamedTuple):
    """poses: (N, 3) where the robot truly was at each frame. world: its room; nothing in it moved."""

    path: Path
    poses: np.ndarray
    world: World


def record(
    path: Path, robot: Robot, seed: int, rows: int, stopped: range = range(0), pressed: range = range(0)
) -> Recorded:
    """A drive through room ``seed``, ended by a fall. stopped: rows without pictures. pressed: in which the bumper is
    pressed, whatever else it says.
    """
    world = World(seed, robot=robot, image_size=160)
    driver, poses = PathFollower(world, np.random.default_rng(seed)), []
    with BagWriter(path) as bag:
        for topic, kind in TYPES.items():
            bag.add_topic(topic, kind)
        for row in range(rows):
            frame, odometry, truth = world.frame(), world.odometry(), world.truth()
            poses.append(truth.pose)
            linear, angular = driver()
            stamp = START + frame.stamp
            pictures = {
                "/camera/image_raw": to_image(frame.rgb, stamp, "camera"),
                "/camera/depth/image_raw": to_image(frame.depth, stamp, "camera"),
            }
            messages = {"/bumper": Bool(data=bool(truth.contact) or row in pressed)} | (
                {} if row in stopped else pictures
            )
            messages["/odom"] = odometry_to_message(replace(odometry, stamp=stamp))
            messages["/cmd_vel"] = stamped_from_action(Action(stamp, float(linear), float(angular)))
            for topic, message in messages.items():
                bag.write(topic, serialize_message(message), stamp, stamp)
            world.step(linear, angular)
            if world.truth().dropped:
                break
    return Recorded(path, np.array(poses), world)
