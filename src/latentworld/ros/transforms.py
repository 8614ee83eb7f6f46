"""Planar rotations as quaternions, and the odom -> base_link transform where tf2 is installed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from geometry_msgs.msg import Quaternion, TransformStamped

if TYPE_CHECKING:
    from nav_msgs.msg import Odometry
    from rclpy.node import Node

try:  # from apt on a robot, not on PyPI
    from tf_transformations import euler_from_quaternion, quaternion_from_euler
except ImportError:
    euler_from_quaternion = quaternion_from_euler = None

try:
    from tf2_ros import TransformBroadcaster
except ImportError:
    TransformBroadcaster = None


def quaternion_of_yaw(yaw: float) -> Quaternion:
    """Rotation by yaw (rad) about z."""
    if quaternion_from_euler is not None:
        x, y, z, w = quaternion_from_euler(0.0, 0.0, yaw)
        return Quaternion(x=float(x), y=float(y), z=float(z), w=float(w))
    return Quaternion(x=0.0, y=0.0, z=math.sin(yaw / 2), w=math.cos(yaw / 2))


def yaw_of_quaternion(q: Quaternion) -> float:
    """Yaw (rad) of a rotation, in (-pi, pi]; roll and pitch are dropped (ZYX Euler angles)."""
    if euler_from_quaternion is not None:
        return float(euler_from_quaternion((q.x, q.y, q.z, q.w))[2])
    return math.atan2(2.0 * (q.w * q.z + q.x * q.y), 1.0 - 2.0 * (q.y * q.y + q.z * q.z))


def angles_of_quaternion(q: Quaternion) -> tuple[float, float, float]:
    """Roll, pitch, yaw (rad) of a rotation, fixed axes as ``geometry.rotation``; positive pitch looks down."""
    norm = q.x * q.x + q.y * q.y + q.z * q.z + q.w * q.w
    sine = 2.0 * (q.w * q.y - q.z * q.x) / norm if norm > 0 else math.nan
    roll = math.atan2(2.0 * (q.w * q.x + q.y * q.z), q.w * q.w - q.x * q.x - q.y * q.y + q.z * q.z)
    return roll, math.asin(min(max(sine, -1.0), 1.0)), yaw_of_quaternion(q)


def odometry_broadcaster(node: Node) -> Callable[[Odometry], None] | None:
    """A function that broadcasts an odometry message as a transform; ``None`` where tf2_ros is not installed."""
    if TransformBroadcaster is None:
        return None
    broadcaster = TransformBroadcaster(node)

    def broadcast(odometry: Odometry) -> None:
        transform = TransformStamped(header=odometry.header, child_frame_id=odometry.child_frame_id)
        position = odometry.pose.pose.position
        transform.transform.translation.x, transform.transform.translation.y = position.x, position.y
        transform.transform.rotation = odometry.pose.pose.orientation
        broadcaster.sendTransform(transform)

    return broadcast
