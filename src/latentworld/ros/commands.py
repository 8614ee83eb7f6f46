"""Velocity commands: Twist by default before ROS 2 Kilted, TwistStamped since. ROS hides a mismatch; we say it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from geometry_msgs.msg import Twist, TwistStamped

from latentworld.ros import qos
from latentworld.ros.codecs import action_from_stamped, action_from_twist, stamped_from_action
from latentworld.ros.diagnostics import ERROR
from latentworld.ros.node import ManagedNode
from latentworld.types import Action

STAMPED = "cmd_vel is TwistStamped (the default since ROS 2 Kilted); false: Twist"
_NAMES = {Twist: "geometry_msgs/msg/Twist", TwistStamped: "geometry_msgs/msg/TwistStamped"}


class CommandPublisher:
    """Sends velocity commands on cmd_vel, active or not: zeros must go out while a node shuts down."""

    def __init__(self, node: ManagedNode, stamped: bool) -> None:
        self._node, self._stamped = node, stamped
        self._publisher = node.create_publisher(TwistStamped if stamped else Twist, "cmd_vel", qos.command())

    def send(self, action: Action) -> None:
        message = stamped_from_action(action)
        self._publisher.publish(message if self._stamped else message.twist)

    def stop(self) -> None:
        """Zeros, often and long enough: DDS forgets what a reader has not yet taken when the writer goes."""
        for _ in range(4):
            self.send(Action(self._node.now(), 0.0, 0.0))
            time.sleep(0.04)

    def destroy(self) -> None:
        self._node.destroy_publisher(self._publisher)


def listen(node: ManagedNode, stamped: bool, callback: Callable[[Action], None]) -> None:
    """Hear the commands on cmd_vel. A stamp of zero, or no stamp, means now."""

    def received(message: Twist | TwistStamped) -> None:
        action = action_from_stamped(message) if stamped else action_from_twist(message, 0)
        callback(action if action.stamp else replace(action, stamp=node.now()))

    node.listen(TwistStamped if stamped else Twist, "cmd_vel", qos.odometry(), received)


def check_type(node: ManagedNode, stamped: bool) -> None:
    """Report whoever is on cmd_vel with the other type."""
    topic, expected = node.resolve_topic_name("cmd_vel"), _NAMES[TwistStamped if stamped else Twist]
    ends = node.get_publishers_info_by_topic(topic) + node.get_subscriptions_info_by_topic(topic)
    others = [end for end in ends if end.topic_type != expected]
    if not others:
        node.diagnostics.clear("cmd_vel type")
        return
    who = ", ".join(sorted({end.node_name for end in others}))
    wanted = f"{expected} (enable_stamped_cmd_vel: {str(stamped).lower()})"
    text = f"{topic}: expected {wanted}, got {others[0].topic_type} from {who}"
    node.diagnostics.problem("cmd_vel type", ERROR, text)
