"""The drivers of a robot on the ROS graph, for tests: what they publish, from a thread of their own."""

from __future__ import annotations

import threading
from itertools import count

import numpy as np
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_graph import Graph
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, LaserScan
from std_msgs.msg import String

from latentworld.ros import qos
from latentworld.ros.codecs import to_header, to_time
from latentworld.ros.images import to_image

PERIOD = 0.05  # s between two frames
OPTICAL_RPY = "-1.5707963 0 -1.5707963"
URDF = f"""<robot name="probe">
  <link name="base_link"><inertial><mass value="7.5"/></inertial>
    <collision><origin xyz="0 0 0.1"/><geometry><box size="0.5 0.3 0.2"/></geometry></collision></link>
  <link name="left_wheel"><collision><geometry><cylinder radius="0.1" length="0.04"/></geometry></collision></link>
  <link name="right_wheel"><collision><geometry><cylinder radius="0.1" length="0.04"/></geometry></collision></link>
  <link name="mast"><visual><geometry><mesh filename="package://probe/mast.stl"/></geometry></visual></link>
  <link name="eye"/><link name="eye_optical"/><link name="laser"/>
  <joint name="left_wheel_joint" type="continuous"><parent link="base_link"/><child link="left_wheel"/>
    <origin xyz="0 0.17 0.05" rpy="-1.5707963 0 0"/><axis xyz="0 0 1"/></joint>
  <joint name="right_wheel_joint" type="continuous"><parent link="base_link"/><child link="right_wheel"/>
    <origin xyz="0 -0.17 0.05" rpy="-1.5707963 0 0"/><axis xyz="0 0 1"/></joint>
  <joint name="mast_joint" type="fixed"><parent link="base_link"/><child link="mast"/></joint>
  <joint name="eye_joint" type="fixed"><parent link="mast"/><child link="eye"/>
    <origin xyz="0.2 0.03 0.4" rpy="0 0.35 0"/></joint>
  <joint name="eye_optical_joint" type="fixed"><parent link="eye"/><child link="eye_optical"/>
    <origin rpy="{OPTICAL_RPY}"/></joint>
  <joint name="laser_joint" type="fixed"><parent link="base_link"/><child link="laser"/>
    <origin xyz="0.1 0 0.25" rpy="0 0 3.1415927"/></joint>
</robot>"""
RGB = np.zeros((60, 80, 3), np.uint8)
DEPTH = np.full((60, 80), 2.0, np.float32)
DEPTH[:15] = np.nan
DEPTH[15] = 0.2


class Drivers:
    """Publish what is named, each the name of a method, until the end of the block. delay: s that stamps lie back."""

    def __init__(self, *publish, delay=0.0):
        self.graph, self.delay = Graph("drivers"), delay
        self.frames = [getattr(self, name) for name in publish]
        self.outs, self.number = {}, count()
        self.graph.node.create_timer(PERIOD, self.tick)
        self.thread = threading.Thread(target=self.graph.executor.spin, daemon=True)

    def __enter__(self):
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        if self.urdf in self.frames:
            self.graph.node.create_publisher(String, "robot_description", latched).publish(String(data=URDF))
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.graph.executor.shutdown()
        self.thread.join()
        self.graph.__exit__()

    def tick(self):
        stamp = self.graph.node.get_clock().now().nanoseconds - round(self.delay * 1e9)
        if self.clock in self.frames:
            stamp = round((100 + PERIOD * next(self.number)) * 1e9)
        for frame in self.frames:
            frame(stamp)

    def out(self, kind, topic, message):
        if topic not in self.outs:
            self.outs[topic] = self.graph.node.create_publisher(kind, topic, qos.camera_driver())
        self.outs[topic].publish(message)

    def urdf(self, stamp):
        """Published once, for those who come later too."""

    def colour(self, stamp):
        """Half of the pixels (binning 2) of a region of a 320 x 240 sensor."""
        info = CameraInfo(header=to_header(stamp, "eye_optical"), width=320, height=240, distortion_model="plumb_bob")
        info.d = [0.1, -0.05, 0.001, 0.0, 0.0]
        info.k = np.array([200.0, 0, 159.5, 0, 210.0, 119.5, 0, 0, 1])
        info.binning_x = info.binning_y = 2
        info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height = 80, 60, 160, 120
        self.out(CameraInfo, "eye/color/camera_info", info)
        self.out(Image, "eye/color/image_raw", to_image(RGB, stamp, "eye_optical"))

    def registered_depth(self, stamp):
        self.out(Image, "eye/aligned/image_raw", to_image(DEPTH, stamp, "eye_optical"))

    def own_depth(self, stamp):
        info = CameraInfo(header=to_header(stamp, "eye"), width=80, height=60, distortion_model="plumb_bob")
        info.k = np.array([100.0, 0, 39.5, 0, 100.0, 29.5, 0, 0, 1])
        self.out(CameraInfo, "eye/depth/camera_info", info)
        self.out(Image, "eye/depth/image_raw", to_image(DEPTH, stamp, "eye"))

    def lidar(self, stamp):
        scan = LaserScan(header=to_header(stamp, "laser"), angle_min=-1.5, angle_max=1.5, angle_increment=0.01)
        scan.range_min, scan.range_max, scan.ranges = 0.1, 8.0, [1.0] * 301
        self.out(LaserScan, "scan", scan)

    def odometry(self, stamp):
        self.out(Odometry, "odom", Odometry(header=to_header(stamp, "odom"), child_frame_id="base_link"))

    def bumper(self, stamp):
        self.out(String, "bumper", String())

    def wheels(self, stamp):
        if "wheels" not in self.outs:
            self.outs["wheels"] = self.graph.node.create_subscription(TwistStamped, "cmd_vel", lambda m: None, 1)

    def clock(self, stamp):
        self.out(Clock, "/clock", Clock(clock=to_time(stamp)))

    def packed(self, stamp):
        self.out(CompressedImage, "eye/color/image_raw/compressed", CompressedImage(header=to_header(stamp, "eye")))


def enough(**wanted):
    """Until there is so much of each part of what was heard, each with a few messages."""

    def has(heard):
        parts = {name: getattr(heard, name) for name in wanted}
        timings = [entry.timing for part in parts.values() if isinstance(part, dict) for entry in part.values()
                   if hasattr(entry, "timing")]  # fmt: skip
        return all(len(parts[name]) >= least for name, least in wanted.items()) and all(
            len(timing.stamps) >= 8 for timing in timings
        )

    return has
