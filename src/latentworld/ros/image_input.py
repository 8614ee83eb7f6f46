"""Hearing pictures, which are large: reliably where that is offered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import Image

from latentworld.ros import qos
from latentworld.ros.node import ManagedNode


class ImageInput:
    """Listens as long as the node is active.

    Fast DDS loses best-effort messages that are larger than its shared memory (512 KB as shipped: 640 x 480 in colour).
    So it asks for reliable ones as soon as all who publish the topic offer them.
    """

    def __init__(self, node: ManagedNode, topic: str, callback: Callable[[Image], Any]) -> None:
        self._node, self._topic, self._callback = node, topic, callback
        self._subscription: Any = None
        self._connect(bool(self._offered()))
        node.on_deactivation(self._disconnect)

    def look(self) -> None:
        """Call it once a second: who publishes may have come, or changed."""
        offered = self._offered()
        if offered is not None and offered != self._reliable:
            self._disconnect()
            self._connect(offered)

    def _offered(self) -> bool | None:
        """Whether reliable pictures are offered; None: nobody publishes any."""
        publishers = self._node.get_publishers_info_by_topic(self._node.resolve_topic_name(self._topic))
        return all(p.qos_profile.reliability == ReliabilityPolicy.RELIABLE for p in publishers) if publishers else None

    def _connect(self, reliable: bool) -> None:
        self._reliable = reliable
        profile = qos.large_camera() if reliable else qos.camera()
        self._subscription = self._node.create_subscription(Image, self._topic, self._callback, profile)

    def _disconnect(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = None
