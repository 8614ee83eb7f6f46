"""What a node says about its own health: problems that stand, rates, latencies; on /diagnostics once a second."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.lifecycle import LifecycleNode

from latentworld.ros import qos

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
TRANSITION = "transition"
_LOG_AGAIN = 10.0  # s between two log lines about one problem


class Diagnostics:
    """Safe to call from the ROS thread and the faculties' thread."""

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", qos.event())
        self._lock = threading.Lock()
        self._problems: dict[str, tuple[bytes, str]] = {}
        self._logged: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._times: dict[str, deque[float]] = {}
        self._values: dict[str, Any] = {}
        self._published = time.monotonic()

    def problem(self, key: str, level: bytes, text: str) -> None:
        """A problem stands until cleared; it is logged when it comes up, not each time it is met."""
        now = time.monotonic()
        with self._lock:
            new = key not in self._problems
            self._problems[key] = (level, text)
            log = new and now - self._logged.get(key, -_LOG_AGAIN) >= _LOG_AGAIN
            if log:
                self._logged[key] = now
        if log:
            logger = self._node.get_logger()
            logger.error(text) if level == ERROR else logger.warning(text)

    def clear(self, key: str) -> None:
        with self._lock:
            self._problems.pop(key, None)

    def at_rest(self) -> None:
        """What was wrong with the node's work is wrong no more, now that it does none; a failed transition stays."""
        with self._lock:
            self._problems = {key: value for key, value in self._problems.items() if key == TRANSITION}

    def count(self, name: str) -> None:
        """One more of what happens at a rate."""
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + 1

    def took(self, name: str, seconds: float) -> None:
        """How long something took; reported in ms."""
        with self._lock:
            self._times.setdefault(name, deque(maxlen=200)).append(1e3 * seconds)

    def value(self, name: str, value: Any) -> None:
        with self._lock:
            self._values[name] = value

    def publish(self, state: str) -> None:
        """Send one status: ``state`` of the lifecycle, the worst standing problem first."""
        now = time.monotonic()
        with self._lock:
            elapsed, self._published = max(now - self._published, 1e-3), now
            problems = sorted(self._problems.values(), key=lambda p: p[0], reverse=True)
            values = {"state": state}
            values |= {f"{name} (Hz)": f"{count / elapsed:.1f}" for name, count in self._counts.items()}
            for name, times in self._times.items():
                p50, p99 = np.percentile(times, (50, 99))
                values |= {f"{name} p50 (ms)": f"{p50:.1f}", f"{name} p99 (ms)": f"{p99:.1f}"}
            values |= {name: str(value) for name, value in self._values.items()}
            self._counts = dict.fromkeys(self._counts, 0)
        level = problems[0][0] if problems else (OK if state == "active" else WARN)
        status = DiagnosticStatus(
            level=level,
            name=f"latentworld: {self._node.get_name()}",
            hardware_id=self._node.get_fully_qualified_name(),
            message="; ".join(text for _, text in problems) or state,
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)
