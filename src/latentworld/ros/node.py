"""The base of every node: a lifecycle node that starts itself, says in a line what is wrong, and cleans up.

A subclass overrides ``configure``, ``activate``, ``deactivate`` and ``cleanup`` (plain methods that may raise). It
makes its outputs in ``configure`` and its inputs, timers and services in ``activate``; the base destroys them at the
mirror transition.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Hashable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import QoSProfile

from latentworld.parameters import parameter
from latentworld.ros.channel import Bus, Input, Output
from latentworld.ros.codecs import Codec
from latentworld.ros.diagnostics import ERROR, TRANSITION, Diagnostics
from latentworld.ros.parameters import declare
from latentworld.ros.worker import Worker
from latentworld.types import LatentworldError

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


@dataclass(frozen=True, slots=True)
class Start:
    """Parameters that every node has."""

    autostart: bool = parameter(True, "configure and activate without being told to")


@dataclass(frozen=True, slots=True)
class NoParameters:
    """For a node without parameters of its own."""


class ManagedNode(LifecycleNode):
    """See the module. ``bus`` and ``worker`` are shared by the nodes of one process."""

    defaults: Any = NoParameters()  # a frozen dataclass instance: the node's parameters

    def __init__(self, name: str, bus: Bus | None = None, worker: Worker | None = None, **options: Any) -> None:
        super().__init__(name, **options)
        self.bus = bus or Bus()
        self.worker = worker
        self.parameters = self.defaults
        self.diagnostics = Diagnostics(self)
        self.failure = ""  # why the last transition did not succeed
        self._outputs: list[Output] = []
        self._inputs: list[Input] = []
        self._destroyers: list[Callable[[], Any]] = []
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.autostart = declare(self, Start(), alone=False).autostart
        self.add_on_set_parameters_callback(self._may_set)
        self._diagnostics_timer = self.create_timer(1.0, self._report, clock=self._steady)

    # what a subclass fills in
    def configure(self) -> None:
        """Load and warm up; make outputs. Parameters are in ``self.parameters``."""

    def activate(self) -> None:
        """Make inputs, timers, services."""

    def deactivate(self) -> None:
        """Stop what moves; inputs, timers and services are gone already."""

    def cleanup(self) -> None:
        """Let go of what configure loaded."""

    def watch(self) -> None:
        """Called once a second while active, before diagnostics are published."""

    # what a subclass uses
    @property
    def state(self) -> str:
        """unconfigured, inactive, active, finalized."""
        return self._state_machine.current_state[1]

    def now(self) -> int:
        """The robot's clock, ns."""
        return self.get_clock().now().nanoseconds

    def output(self, codec: Codec, topic: str, qos: QoSProfile) -> Output:
        self._outputs.append(Output(self, self.bus, codec, topic, qos))
        return self._outputs[-1]

    def input(self, codec: Codec, topic: str, qos: QoSProfile, callback: Callable[[Any], None]) -> Input:
        """``callback`` gets nouns, on the thread of whoever publishes: hand them to ``self.work``."""
        self._inputs.append(Input(self, self.bus, codec, topic, qos, callback, self._refused))
        return self._inputs[-1]

    def listen(self, message: type, topic: str, qos: QoSProfile, callback: Callable[[Any], None]) -> None:
        """An ordinary subscription, for topics that come from outside."""
        subscription = self.create_subscription(message, topic, callback, qos)
        self._destroyers.append(lambda: self.destroy_subscription(subscription))

    def every(self, period: float, callback: Callable[[], None]) -> Any:
        """A timer in real time, whatever the robot's clock does."""
        timer = self.create_timer(period, callback, clock=self._steady)
        self._destroyers.append(lambda: self.destroy_timer(timer))
        return timer

    def serve(self, service: type, name: str, callback: Callable[[Any, Any], Any]) -> None:
        server = self.create_service(service, name, callback)
        self._destroyers.append(lambda: self.destroy_service(server))

    def on_deactivation(self, destroy: Callable[[], Any]) -> None:
        """Run ``destroy`` when the node is deactivated, before ``deactivate``."""
        self._destroyers.append(destroy)

    def work(self, job: Callable[[], Any], slot: Hashable | None = None) -> None:
        """Run on the faculties' thread; in a slot the newest wins. An error stands until the same work succeeds."""
        key = f"work {slot}"

        def run() -> None:
            job()
            self.diagnostics.clear(key)

        def failed(error: Exception) -> None:
            self.diagnostics.problem(key, ERROR, said(error))
            if not isinstance(error, LatentworldError):
                self.get_logger().debug("".join(traceback.format_exception(error)))

        self.worker.submit(run, failed, None if slot is None else (self.get_name(), slot))

    # transitions
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        def configure() -> None:
            self.parameters = declare(self, self.defaults)
            self.configure()

        outcome = self._transition("configure", configure)
        if outcome is not SUCCESS:
            self._undo_configure()
            return outcome
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        super().on_activate(state)  # publishers first: a callback may publish at once
        outcome = self._transition("activate", self.activate)
        if outcome is not SUCCESS:
            self._undo_activate()
            super().on_deactivate(state)
        return outcome

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        outcome = self._transition("deactivate", self._undo_activate)
        super().on_deactivate(state)
        return outcome

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("cleanup", self._undo_configure)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        def shut_down() -> None:
            if state.label == "active":
                self._undo_activate()
            if state.label in ("active", "inactive"):
                self._undo_configure()

        return self._transition("shut down", shut_down)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        return SUCCESS

    def _undo_activate(self) -> None:
        destroyers = [*self._destroyers, *(entry.destroy for entry in self._inputs)]
        self._inputs, self._destroyers = [], []
        with ExitStack() as always:  # whatever fails on the way, what moves is stopped
            always.callback(self.diagnostics.at_rest)
            always.callback(self.deactivate)
            if self.worker is not None:
                always.callback(self.worker.barrier)
            for destroy in destroyers:
                always.callback(destroy)

    def _undo_configure(self) -> None:
        for output in self._outputs:
            output.destroy()
        self._outputs = []
        self.cleanup()

    def _transition(self, name: str, body: Callable[[], None]) -> TransitionCallbackReturn:
        started = time.monotonic()
        try:
            body()
        except Exception as error:  # rclpy would swallow it
            self.failure = f"{name} failed: {said(error)}"
            self.diagnostics.problem(TRANSITION, ERROR, self.failure)
            if name == "shut down":  # no diagnostics will say it
                self.get_logger().error(self.failure)
            self.get_logger().debug(traceback.format_exc())
            return FAILURE
        self.failure = ""
        self.diagnostics.clear(TRANSITION)
        self.get_logger().debug(f"{name} took {1e3 * (time.monotonic() - started):.0f} ms")
        return SUCCESS

    def _refused(self, topic: str, error: LatentworldError) -> None:
        self.diagnostics.problem(topic, ERROR, f"{topic}: {error}")

    def _report(self) -> None:
        if self.state == "active":
            self.watch()
        self.diagnostics.publish(self.state)

    def _may_set(self, parameters: list[Any]) -> SetParametersResult:
        own = [p.name for p in parameters if p.name != "use_sim_time" and self.has_parameter(p.name)]
        if own and self.state == "active":
            reason = f"{', '.join(own)}: read when the node is configured; deactivate and clean it up first"
            return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)


def said(error: Exception) -> str:
    """An error in one line: ours as it is, others with their type."""
    text = " ".join(str(error).split())
    return text if isinstance(error, LatentworldError) else f"{type(error).__name__}: {text}"
