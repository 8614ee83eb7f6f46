"""A topic that costs nothing inside a process.

Nodes of one process share a Bus. What one of them publishes, the others get by reference, as a noun; a message is made
only while somebody outside listens. In different processes the same two classes are an ordinary publisher and
subscription.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile

from latentworld.ros.codecs import Codec
from latentworld.types import LatentworldError


class Bus:
    """What the nodes of one process share, by resolved name: topics, and the faculties behind services."""

    def __init__(self) -> None:
        self._outputs: dict[str, int] = {}
        self._inputs: dict[str, tuple[Input, ...]] = {}
        self.services: dict[str, Any] = {}

    def has_output(self, topic: str) -> bool:
        return self._outputs.get(topic, 0) > 0

    def inputs(self, topic: str) -> tuple[Input, ...]:
        return self._inputs.get(topic, ())

    def add_output(self, topic: str, change: int) -> None:
        self._outputs[topic] = self._outputs.get(topic, 0) + change
        for entry in self.inputs(topic):
            entry.connect()

    def add_input(self, entry: Input) -> None:
        self._inputs[entry.topic] = (*self.inputs(entry.topic), entry)

    def remove_input(self, entry: Input) -> None:
        self._inputs[entry.topic] = tuple(i for i in self.inputs(entry.topic) if i is not entry)


class Output:
    """Publishes nouns. Silent until the node is active."""

    def __init__(self, node: LifecycleNode, bus: Bus, codec: Codec, topic: str, qos: QoSProfile) -> None:
        self.topic = node.resolve_topic_name(topic)
        self._node, self._bus, self._codec = node, bus, codec
        self._publisher = node.create_lifecycle_publisher(codec.message, topic, qos)
        bus.add_output(self.topic, 1)

    def publish(self, noun: Any) -> None:
        if not self._publisher.is_activated:
            return
        for entry in self._bus.inputs(self.topic):
            entry.callback(noun)
        if self._publisher.get_subscription_count() > 0:
            self._publisher.publish(self._codec.encode(noun))

    def destroy(self) -> None:
        self._bus.add_output(self.topic, -1)
        self._node.destroy_lifecycle_publisher(self._publisher)


class Input:
    """Hears nouns. ``callback`` runs on the publisher's thread and must return at once."""

    def __init__(
        self,
        node: LifecycleNode,
        bus: Bus,
        codec: Codec,
        topic: str,
        qos: QoSProfile,
        callback: Callable[[Any], None],
        refused: Callable[[str, LatentworldError], None],
    ) -> None:
        self.topic, self.callback = node.resolve_topic_name(topic), callback
        self._node, self._bus, self._codec, self._name, self._qos = node, bus, codec, topic, qos
        self._refused, self._subscription = refused, None
        bus.add_input(self)
        self.connect()

    def connect(self) -> None:
        """Listen over ROS exactly while nobody in this process publishes the topic."""
        if self._bus.has_output(self.topic):
            self._disconnect()
        elif self._subscription is None:
            self._subscription = self._node.create_subscription(
                self._codec.message, self._name, self._receive, self._qos
            )

    def destroy(self) -> None:
        self._bus.remove_input(self)
        self._disconnect()

    def _disconnect(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def _receive(self, message: Any) -> None:
        try:
            noun = self._codec.decode(message)
        except LatentworldError as error:
            self._refused(self.topic, error)
            return
        self.callback(noun)
