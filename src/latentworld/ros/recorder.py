"""Every topic there is into a bag, as serialised messages: nothing is unpacked."""

from __future__ import annotations

import time

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from latentworld.ros.bag import BagWriter
from latentworld.ros.message_types import definition, message_type

DEPTH = 500  # messages that may wait while the recorder is busy
LOOK = 0.25  # s between two looks for new topics


class Recorder:
    """Listens with the node given; hidden topics (those of actions) are left out, as ``ros2 bag record`` does."""

    def __init__(self, node: Node, bag: BagWriter) -> None:
        self._node, self._bag = node, bag
        self._topics: set[str] = set()
        self.newest: dict[str, bytes] = {}  # topic -> the last message, serialised
        self._timer = node.create_timer(LOOK, self.look)
        self.look()

    def look(self) -> None:
        """Subscribe to what is new."""
        for topic, types in self._node.get_topic_names_and_types():
            hidden = any(part.startswith("_") for part in topic.split("/"))
            if topic in self._topics or hidden or len(types) != 1:
                continue
            publishers = self._node.get_publishers_info_by_topic(topic)
            if publishers:
                self._topics.add(topic)
                self._listen(topic, types[0], [publisher.qos_profile for publisher in publishers])

    def _listen(self, topic: str, type_name: str, offered: list[QoSProfile]) -> None:
        try:
            kind = message_type(type_name)
            definition(type_name)
        except (ImportError, AttributeError, LookupError, OSError) as error:
            self._node.get_logger().warning(f"not recorded: {topic}: {type_name}: {error}")
            return
        reliable = all(qos.reliability == ReliabilityPolicy.RELIABLE for qos in offered)
        lasting = all(qos.durability == DurabilityPolicy.TRANSIENT_LOCAL for qos in offered)
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=DEPTH,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if lasting else DurabilityPolicy.VOLATILE,
        )
        self._bag.add_topic(topic, type_name)

        def heard(data: bytes, info: dict) -> None:
            self.newest[topic] = data
            self._bag.write(topic, data, info["source_timestamp"], time.time_ns())

        self._node.create_subscription(kind, topic, heard, qos, raw=True)
