"""Listens to a robot on the ROS graph for a while: what ``description/`` makes a description from."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import Transform
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions

from latentworld.description.cameras import DEPTH
from latentworld.description.heard import Heard, Info, Picture, Scan, Timing, Travel
from latentworld.robot_urdf import transform
from latentworld.ros import images
from latentworld.ros.codecs import from_time
from latentworld.ros.message_types import message_type
from latentworld.types import LatentworldError, seconds

LOOK = 0.2  # s between two looks for new topics
ENOUGH = 40  # pictures of a topic after which it is no longer listened to: they are large
MEASURED = 5  # pictures of depth that are looked into
URDF, TF = "std_msgs/msg/String", "tf2_msgs/msg/TFMessage"
INFO, IMAGE, PACKED = "sensor_msgs/msg/CameraInfo", "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
SCAN, ODOMETRY = "sensor_msgs/msg/LaserScan", "nav_msgs/msg/Odometry"
COMMANDS = ("geometry_msgs/msg/Twist", "geometry_msgs/msg/TwistStamped")


def listen(duration: float, enough: Callable[[Heard], bool] = lambda heard: False) -> Heard:
    """What a robot says of itself in this many seconds, or until ``enough`` is true; in the environment's domain."""
    context = rclpy.Context()
    rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("latentworld_describe", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        listener = Listener(node)
        end = time.monotonic() + duration
        while time.monotonic() < end and not enough(listener.heard):
            executor.spin_once(timeout_sec=0.05)
        return listener.heard
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()


def where() -> str:
    """Where was listened, for people."""
    domain = os.environ.get("ROS_DOMAIN_ID") or "0"
    reach = os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE") or "SUBNET"
    return f"ROS_DOMAIN_ID {domain}, ROS_AUTOMATIC_DISCOVERY_RANGE {reach}"


def matrix_of(message: Transform) -> np.ndarray:
    """(4, 4) of a ``geometry_msgs/Transform``; its quaternion need not be of length 1."""
    t, q = message.translation, message.rotation
    x, y, z, w = np.array([q.x, q.y, q.z, q.w]) / max(np.linalg.norm([q.x, q.y, q.z, q.w]), 1e-9)
    turn = np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip
    return transform(np.array([t.x, t.y, t.z]), turn)


class Listener:
    """Subscribes with the node given to all that tells of a robot, as soon as it turns up."""

    def __init__(self, node: Node) -> None:
        self.heard = Heard()
        self._node, self._subscriptions = node, {}
        self._take = {
            URDF: self._on_urdf, TF: self._on_transforms, INFO: self._on_info, IMAGE: self._on_image,
            SCAN: self._on_scan, ODOMETRY: self._on_odometry,
        }  # fmt: skip
        self._simulated = False
        node.create_timer(LOOK, self.look)
        self.look()

    def look(self) -> None:
        """Subscribe to what is new; leave what was heard often enough."""
        for topic, picture in self.heard.pictures.items():
            if len(picture.timing.stamps) >= ENOUGH and self._subscriptions[topic] is not None:
                self._node.destroy_subscription(self._subscriptions[topic])
                self._subscriptions[topic] = None
        for topic, types in self._node.get_topic_names_and_types():
            if topic == "/clock" and not self._simulated:
                self._follow_clock()
            leaf = topic.rsplit("/", 1)[-1]
            if leaf == "cmd_vel" and self._node.get_subscriptions_info_by_topic(topic):
                self.heard.commands.setdefault(topic, set()).update(kind for kind in types if kind in COMMANDS)
            publishers = self._node.get_publishers_info_by_topic(topic)
            if not publishers or topic in self._subscriptions:
                continue
            if "bump" in leaf:
                self.heard.bumpers.add(topic)
            if PACKED in types:
                self.heard.packed.add(topic)
            wanted = [kind for kind in types if kind in self._take and (kind != URDF or leaf == "robot_description")]
            if wanted:
                self._subscribe(topic, wanted[0], [publisher.qos_profile for publisher in publishers])

    def _follow_clock(self) -> None:
        """Simulated time: what arrived before is measured anew."""
        if not self._node.get_publishers_info_by_topic("/clock"):
            return
        self._simulated = True
        self._node.set_parameters([Parameter("use_sim_time", value=True)])
        for picture in self.heard.pictures.values():
            picture.timing.delays.clear()

    def _subscribe(self, topic: str, kind: str, offered: list[QoSProfile]) -> None:
        try:
            message = message_type(kind)
        except (ImportError, AttributeError):
            self._subscriptions[topic] = None
            line = f"{kind}: expected to be installed, it is not: only the URDF tells where frames are"
            self.heard.said += [] if line in self.heard.said else [line]
            return
        reliable = all(qos.reliability == ReliabilityPolicy.RELIABLE for qos in offered)
        lasting = all(qos.durability == DurabilityPolicy.TRANSIENT_LOCAL for qos in offered)
        profile = QoSProfile(
            depth=100 if kind == TF else 5,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if lasting else DurabilityPolicy.VOLATILE,
        )
        heard = partial(self._take[kind], topic)
        self._subscriptions[topic] = self._node.create_subscription(message, topic, heard, profile)

    def _count(self, timing: Timing, message: Any) -> None:
        stamp = from_time(message.header.stamp)
        timing.stamps.append(stamp)
        now = self._node.get_clock().now().nanoseconds
        if now > 0:
            timing.delays.append(seconds(now - stamp))

    def _on_urdf(self, topic: str, message: Any) -> None:
        self.heard.urdf = message.data

    def _on_transforms(self, topic: str, message: Any) -> None:
        for one in message.transforms:
            child, parent = one.child_frame_id.lstrip("/"), one.header.frame_id.lstrip("/")
            self.heard.transforms[child] = (parent, matrix_of(one.transform))

    def _on_info(self, topic: str, message: Any) -> None:
        roi = message.roi
        self.heard.infos[topic] = Info(
            message.header.frame_id, message.width, message.height, message.distortion_model,
            tuple(map(float, message.d)), tuple(map(float, message.k)), tuple(map(float, message.p)),
            (message.binning_x, message.binning_y), (roi.x_offset, roi.y_offset, roi.width, roi.height),
        )  # fmt: skip

    def _on_image(self, topic: str, message: Any) -> None:
        picture = self.heard.pictures.get(topic)
        if picture is None:
            picture = Picture(topic, message.header.frame_id, message.encoding, message.width, message.height)
            self.heard.pictures[topic] = picture
        self._count(picture.timing, message)
        if picture.encoding in DEPTH and len(picture.measured) < MEASURED:
            self._measure(picture, message)

    def _measure(self, picture: Picture, message: Any) -> None:
        """Shares without value, and the nearest and farthest metres but for outliers."""
        try:
            metres = images.depth(message, picture.topic)
        except LatentworldError as error:
            if str(error) not in self.heard.said:
                self.heard.said.append(str(error))
            return
        known = metres[np.isfinite(metres) & (metres > 0)]
        share = 1 - known.size / metres.size
        near, far = np.quantile(known, (0.005, 0.99)) if known.size else (np.inf, 0.0)
        picture.measured.append((float(share), float(near), float(far)))

    def _on_scan(self, topic: str, message: Any) -> None:
        scan = self.heard.scans.get(topic)
        if scan is None:
            first, step, beams = message.angle_min, message.angle_increment, len(message.ranges)
            last = first + step * (beams - 1)
            scan = Scan(message.header.frame_id, first, last, beams, message.range_min, message.range_max)
            self.heard.scans[topic] = scan
        self._count(scan.timing, message)

    def _on_odometry(self, topic: str, message: Any) -> None:
        travel = self.heard.odometry.setdefault(topic, Travel(message.child_frame_id))
        self._count(travel.timing, message)
