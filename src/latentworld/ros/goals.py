"""The action reach_goal: one goal at a time, a new one preempts, every end has a code and a line that says why."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from latentworld_ros.action import ReachGoal
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.task import Future

from latentworld.ros.codecs import to_pose2d
from latentworld.ros.node import ManagedNode
from latentworld.types import Goal, LatentworldError, PlanStatus, seconds, stamp_of

Code = ReachGoal.Result
_CODES = {PlanStatus.STALE: Code.STALE, PlanStatus.UNSAFE: Code.UNSAFE, PlanStatus.FAILED: Code.FAILED}


class GoalRefused(LatentworldError):
    """A goal that cannot be driven to; ``code``: of ReachGoal."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True, eq=False)
class Drive:
    """A goal being driven to. started, ends: ns of the robot's clock. trouble: the status in the way, since when."""

    handle: Any
    goal: Goal
    started: int
    ends: int
    outcome: Future
    trouble: tuple[PlanStatus, int] | None = None


class GoalServer:
    """``resolve`` turns a request into a Goal or raises GoalRefused; ``patience``: s that a trouble may last."""

    def __init__(
        self, node: ManagedNode, resolve: Callable[[ReachGoal.Goal], Awaitable[Goal]], timeout: float, patience: float
    ) -> None:
        self._node, self._resolve, self._timeout, self._patience = node, resolve, timeout, patience
        self.drive: Drive | None = None
        self.pose = np.zeros(3)
        self._server = ActionServer(
            node,
            ReachGoal,
            "reach_goal",
            execute_callback=self._execute,
            goal_callback=lambda _: GoalResponse.ACCEPT if node.state == "active" else GoalResponse.REJECT,
            cancel_callback=self._cancel,
        )

    def destroy(self) -> None:
        self._server.destroy()

    def end(self, code: int, message: str) -> None:
        """End the present drive, from any thread."""
        drive = self.drive
        if drive is not None and not drive.outcome.done():
            self.drive = None
            self.settle(drive.outcome, (code, message))

    def heard(self, drive: Drive, status: PlanStatus, message: str, now: int) -> None:
        """What the newest plan for ``drive`` means for it."""
        if drive is not self.drive:
            return
        if status is PlanStatus.GOAL_REACHED:
            self.end(Code.NONE, "")
        elif status is PlanStatus.OK:
            drive.trouble = None
        elif drive.trouble is None or drive.trouble[0] is not status:
            drive.trouble = (status, now)
        elif seconds(now - drive.trouble[1]) > self._patience:
            self.end(_CODES.get(status, Code.FAILED), message)
        if now > drive.ends:
            self.end(Code.TIMEOUT, f"not reached within {seconds(drive.ends - drive.started):.1f} s")

    def settle(self, future: Future, result: Any) -> None:
        """Set a future from any thread and let the executor see it."""
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
        if self._node.executor is not None:
            self._node.executor.wake()

    def publish_feedback(self, **fields: float) -> None:
        drive = self.drive
        if drive is not None and drive.handle.is_active:
            elapsed = seconds(self._node.now() - drive.started)
            drive.handle.publish_feedback(ReachGoal.Feedback(elapsed=elapsed, pose=to_pose2d(self.pose), **fields))

    def _cancel(self, handle: Any) -> CancelResponse:
        if self.drive is not None and self.drive.handle is handle:
            self.end(Code.CANCELED, "canceled")
        return CancelResponse.ACCEPT

    async def _execute(self, handle: Any) -> ReachGoal.Result:
        began = self._node.now()
        try:
            goal = await self._resolve(handle.request)
            timeout = self._checked_timeout(handle.request.timeout)
        except GoalRefused as refusal:
            self._node.get_logger().error(f"reach_goal: {refusal}")
            handle.abort()
            return self._result(refusal.code, str(refusal), began)
        if handle.is_cancel_requested:
            handle.canceled()
            return self._result(Code.CANCELED, "canceled", began)
        self.end(Code.PREEMPTED, "a new goal came")
        now = self._node.now()
        drive = Drive(handle, goal, now, now + stamp_of(timeout), Future(executor=self._node.executor))
        self.drive = drive
        code, message = await drive.outcome
        if code == Code.NONE:
            handle.succeed()
        elif handle.is_cancel_requested:
            handle.canceled()
        else:
            handle.abort()
        return self._result(code, message, drive.started)

    def _checked_timeout(self, asked: float) -> float:
        if not math.isfinite(asked) or asked < 0:
            raise GoalRefused(
                Code.INVALID_GOAL, f"timeout: expected seconds > 0, or 0 for {self._timeout}, got {asked}"
            )
        return asked or self._timeout

    def _result(self, code: int, message: str, started: int) -> ReachGoal.Result:
        elapsed = seconds(self._node.now() - started)
        return ReachGoal.Result(error_code=code, error_msg=message, elapsed=elapsed, pose=to_pose2d(self.pose))
