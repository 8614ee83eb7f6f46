"""A ROS node for tests that listens to anything and waits on conditions, never for a time."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile


class Graph:
    """A context of its own, a node in it, and what that node heard."""

    def __init__(self, name: str = "test") -> None:
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context)
        self.node = rclpy.create_node(name, context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.heard: dict[str, list[Any]] = defaultdict(list)
        self.diagnostics: dict[str, DiagnosticStatus] = {}

    def __enter__(self) -> Graph:
        return self

    def __exit__(self, *_: object) -> None:
        self.executor.shutdown()
        for node in self.executor.get_nodes():
            node.destroy_node()
        self.node.destroy_node()
        self.context.try_shutdown()

    def add(self, node: Any) -> Any:
        """Spin this node too."""
        self.executor.add_node(node)
        return node

    def listen(self, message: type, topic: str, depth: int = 10, keep: Callable[[Any], Any] = lambda m: m) -> list[Any]:
        """Everything that comes on the topic from now on."""
        kept = self.heard[topic]
        self.node.create_subscription(message, topic, lambda m: kept.append(keep(m)), QoSProfile(depth=depth))
        return kept

    def watch_diagnostics(self) -> None:
        def keep(array: DiagnosticArray) -> None:
            for status in array.status:
                self.diagnostics[status.name.removeprefix("latentworld: ")] = status

        self.node.create_subscription(DiagnosticArray, "/diagnostics", keep, 50)

    def says(self, node: str, text: str) -> bool:
        """Does the node's newest diagnostic contain the text?"""
        return node in self.diagnostics and text in self.diagnostics[node].message

    def wait_for(self, condition: Callable[[], Any], timeout: float = 10.0, what: str = "") -> Any:
        """Spin until the condition holds and return its value; fails when it does not in time."""
        give_up = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            assert time.monotonic() < give_up, f"not within {timeout} s: {what or condition}; diagnostics: {self._said()}"
            self.executor.spin_once(timeout_sec=0.02)

    def result(self, future: Any, timeout: float = 10.0) -> Any:
        self.wait_for(future.done, timeout, "an answer")
        return future.result()

    def call(self, service: type, name: str, request: Any, timeout: float = 10.0) -> Any:
        client = self.node.create_client(service, name)
        self.wait_for(client.service_is_ready, timeout, f"service {name}")
        answer = self.result(client.call_async(request), timeout)
        self.node.destroy_client(client)
        return answer

    def _said(self) -> dict[str, str]:
        return {name: status.message for name, status in self.diagnostics.items()}
