"""The demo's own node: puts the simulated robot into rooms, gives it goals, and records all there is to hear."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import rclpy
from latentworld_ros.action import ReachGoal
from latentworld_ros.msg import GroundTruth, Plan, Surprise, WorldState
from latentworld_ros.srv import ResetRoom
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.serialization import deserialize_message
from rclpy.signals import SignalHandlerOptions
from std_srvs.srv import Trigger

from latentworld.ros.bag import BagWriter
from latentworld.ros.codecs import from_pose2d, from_time
from latentworld.ros.recorder import Recorder
from latentworld.types import GoalKind, LatentworldError, seconds

DRIVE_NOTE = "drive"  # name of the bag's metadata records, one a goal, ``Drive`` as JSON in the field "json"
WATCH = 0.1  # s between two calls of a watcher
ANSWER = 10.0  # s that a service may take
SETTLE = 0.4  # s until what was under way has arrived, and the robot stands


class Drive(NamedTuple):
    """One goal and how it ended. Poses x, y, yaw in odom; stamps in ns of the simulated clock; code as in ReachGoal.

    left: until when the robot was in this room, at rest since ``ended``.
    """

    index: int
    seed: int
    blocked: bool
    kind: int
    start: tuple[float, float, float]
    goal: tuple[float, float, float]
    began: int
    ended: int
    left: int
    code: int
    message: str


class Status(NamedTuple):
    """What is worth a look while it drives; NaN where not known. elapsed: simulated seconds. distance: true metres."""

    elapsed: float
    distance: float
    plan_ms: float
    risk: float
    surprise: float
    contacts: int


class DemoClient:
    """In a ROS context of its own. ``alive`` is called while it waits and raises when there is nothing to wait for."""

    def __init__(self, domain: int, bag: str | Path, alive: Callable[[], None]) -> None:
        self._alive = alive
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
        clock = Parameter("use_sim_time", value=True)
        self._node = rclpy.create_node("demo", context=self._context, parameter_overrides=[clock])
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._bag = BagWriter(bag)
        self._recorder = Recorder(self._node, self._bag)
        self._room = self._node.create_client(ResetRoom, "simulator/reset_room")
        self._forget = self._node.create_client(Trigger, "world_state_tracker/reset")
        self._reach = ActionClient(self._node, ReachGoal, "reach_goal")
        self._unpacked: dict[str, tuple[bytes, Any]] = {}

    def __enter__(self) -> DemoClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._bag.close()
        self._executor.shutdown()
        self._reach.destroy()
        self._node.destroy_node()
        self._context.try_shutdown()

    def wait_for_robot(self, timeout: float) -> None:
        """Until simulator and robot are up: everything serves, plans come, commands come."""
        needs: dict[str, Callable[[], bool]] = {
            f"service {self._room.service_name}": self._room.service_is_ready,
            f"service {self._forget.service_name}": self._forget.service_is_ready,
            "action reach_goal": self._reach.server_is_ready,
        }
        for topic in ("/ground_truth", "/camera/depth/image_raw", "/world_state", "/plan", "/cmd_vel"):
            needs[f"topic {topic}"] = lambda topic=topic: topic in self._recorder.newest
        give_up = time.monotonic() + timeout
        while missing := [name for name, there in needs.items() if not there()]:
            if time.monotonic() > give_up:
                raise LatentworldError(
                    f"demo: expected a running robot within {timeout:.0f} s, still missing: {', '.join(missing)}"
                )
            self._spin(0.1)

    def drive(
        self,
        index: int,
        seed: int,
        blocked: bool,
        kind: GoalKind,
        tolerance: float,
        time_limit: float,
        watch: Callable[[Status], None],
    ) -> Drive:
        """A new room, and the drive to its goal. tolerance: m. time_limit: simulated s. watch: called as it goes on."""
        room = self._call(self._room, ResetRoom.Request(seed=seed, blocked=blocked))
        self._spin(SETTLE)
        self._call(self._forget, Trigger.Request())
        anew = self._now()
        self._wait(lambda: self._stamp("/world_state", WorldState) > anew, ANSWER, "world state after the reset")
        goal = from_pose2d(room.goal)
        request = ReachGoal.Goal(kind=int(kind), tolerance=tolerance, timeout=time_limit)
        if kind == GoalKind.IMAGE:
            request.image, request.depth = room.goal_image, room.goal_depth
        else:
            request.pose = room.goal
        handle = self._result(self._reach.send_goal_async(request), ANSWER, "answer to the goal")
        if not handle.accepted:
            raise LatentworldError("demo: reach_goal: expected the goal to be accepted, it was refused")
        began = self._now()
        outcome = handle.get_result_async()
        self._watch(outcome, handle, goal, began, time_limit, watch)
        result = outcome.result().result
        ended = self._now()
        self._spin(SETTLE)
        start, end = tuple(from_pose2d(room.start).tolist()), tuple(goal.tolist())
        drive = Drive(
            index, seed, blocked, int(kind), start, end, began, ended, self._now(), result.error_code, result.error_msg
        )
        self._bag.note(DRIVE_NOTE, {"json": json.dumps(drive._asdict())})
        return drive

    def _watch(
        self, outcome: Any, handle: Any, goal: Any, began: int, time_limit: float, watch: Callable[[Status], None]
    ) -> None:
        """Until the drive is over; one that has fallen is over."""
        give_up, shown, canceled = time.monotonic() + 5 * time_limit + ANSWER, 0.0, False
        while not outcome.done():
            self._spin_once()
            now = time.monotonic()
            if now - shown > WATCH:
                shown = now
                truth = self._newest("/ground_truth", GroundTruth)
                watch(self._status(truth, goal, began))
                if truth.dropped and not canceled:
                    canceled = True
                    handle.cancel_goal_async()
            if now > give_up:
                raise LatentworldError(
                    f"demo: reach_goal: expected an end within {time_limit:.0f} simulated s, got none"
                )
        watch(self._status(self._newest("/ground_truth", GroundTruth), goal, began))

    def _status(self, truth: GroundTruth, goal: Any, began: int) -> Status:
        plan, surprise = self._newest("/plan", Plan), self._newest("/surprise", Surprise)
        return Status(
            elapsed=seconds(self._now() - began),
            distance=math.hypot(truth.pose.x - goal[0], truth.pose.y - goal[1]),
            plan_ms=plan.used_ms if plan else math.nan,
            risk=plan.consequence.max_contact if plan and plan.consequence.poses else math.nan,
            surprise=surprise.score if surprise else math.nan,
            contacts=truth.contacts,
        )

    def _newest(self, topic: str, kind: type) -> Any:
        """The last message of a topic, None before the first."""
        data = self._recorder.newest.get(topic)
        if data is None:
            return None
        if topic not in self._unpacked or self._unpacked[topic][0] is not data:
            self._unpacked[topic] = (data, deserialize_message(data, kind))
        return self._unpacked[topic][1]

    def _stamp(self, topic: str, kind: type) -> int:
        message = self._newest(topic, kind)
        return 0 if message is None else from_time(message.header.stamp)

    def _now(self) -> int:
        return self._node.get_clock().now().nanoseconds

    def _call(self, client: Any, request: Any) -> Any:
        answer = self._result(client.call_async(request), ANSWER, f"answer of {client.service_name}")
        if not answer.success:
            raise LatentworldError(f"demo: {client.service_name}: {answer.message}")
        return answer

    def _result(self, future: Any, timeout: float, what: str) -> Any:
        self._wait(future.done, timeout, what)
        return future.result()

    def _wait(self, condition: Callable[[], bool], timeout: float, what: str) -> None:
        give_up = time.monotonic() + timeout
        while not condition():
            self._spin_once()
            if time.monotonic() > give_up:
                raise LatentworldError(f"demo: expected {what} within {timeout:.0f} s, got none")

    def _spin(self, duration: float) -> None:
        end = time.monotonic() + duration
        while time.monotonic() < end:
            self._spin_once()

    def _spin_once(self) -> None:
        self._alive()
        self._executor.spin_once(timeout_sec=0.05)
