"""A ROS node for tests that listens to anything and waits on conditions, never for a time."""

from __future__ import annotations

import inspect
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import rclpy
import torch
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy

from latentworld.model.checkpoint import save
from latentworld.model.world_model import WorldModel
from latentworld.ros.node import ManagedNode
from latentworld.ros.worker import Worker


class Graph:
    """A context of its own, a node in it, and what that node heard."""

    def __init__(self, name: str = "test", domain: int | None = None) -> None:
        """domain: ROS domain id; ``None``: that of the run, heard by all its other graphs."""
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context, domain_id=domain)
        self.node = rclpy.create_node(name, context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.heard: dict[str, list[Any]] = defaultdict(list)
        self.diagnostics: dict[str, DiagnosticStatus] = {}
        self.worker: Worker | None = None

    def __enter__(self) -> Graph:
        return self

    def __exit__(self, *_: object) -> None:
        nodes = self.executor.get_nodes()
        for node in nodes:
            if isinstance(node, ManagedNode) and node.state in ("inactive", "active"):
                node.trigger_shutdown()
        if self.worker is not None:
            self.worker.close()
        self.executor.shutdown()
        for node in nodes:
            node.destroy_node()
        self.context.try_shutdown()

    def add(self, node: Any) -> Any:
        """Spin this node too."""
        self.executor.add_node(node)
        return node

    def start(self, kind: Any, **options: Any) -> Any:
        """A node of ours in this process, active, with a faculties' thread where it takes one."""
        if "worker" in inspect.signature(kind).parameters:
            self.worker = options["worker"] = self.worker or Worker()
        node = self.add(kind(context=self.context, **options))
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS, node.failure
        assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS, node.failure
        return node

    def listen(self, message: type, topic: str, depth: int = 20, keep: Callable[[Any], Any] = lambda m: m) -> list[Any]:
        """Everything that comes on the topic from now on, from reliable and best-effort publishers."""
        kept = self.heard[topic]
        profile = QoSProfile(depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.node.create_subscription(message, topic, lambda m: kept.append(keep(m)), profile)
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
            assert time.monotonic() < give_up, (
                f"not within {timeout} s: {what or condition}; diagnostics: {self._said()}"
            )
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


@cache
def random_checkpoint() -> str:
    """A checkpoint of a network that has learned nothing: enough to see messages go round."""
    torch.manual_seed(0)
    path = Path(tempfile.mkdtemp(prefix="latentworld-")) / "random.safetensors"
    save(WorldModel(), path)
    return str(path)


def overrides(**values: Any) -> dict[str, Any]:
    """Options of a node for these parameters (``__`` for ``.``), the random checkpoint among them."""
    values = {"checkpoint": random_checkpoint()} | values
    return {"parameter_overrides": [Parameter(name.replace("__", "."), value=value) for name, value in values.items()]}
