"""world_state and the action reach_goal -> plan, anew from each world state; also where there is nothing to do."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped
from latentworld_ros.action import ReachGoal
from latentworld_ros.srv import QueryMemory
from nav_msgs.msg import Path
from rclpy.task import Future

from latentworld.parameters import parameter
from latentworld.robot_file import DEFAULT
from latentworld.ros import images, qos, robots
from latentworld.ros.channel import Bus
from latentworld.ros.codecs import PLAN, STATE, from_pose2d, to_header
from latentworld.ros.diagnostics import WARN
from latentworld.ros.eyes import Eyes
from latentworld.ros.goals import Code, Drive, GoalRefused, GoalServer
from latentworld.ros.lenses import Lenses
from latentworld.ros.models import world_model
from latentworld.ros.node import ManagedNode, said
from latentworld.ros.process import run
from latentworld.ros.remote_simulator import RemoteSimulator
from latentworld.ros.transforms import quaternion_of_yaw
from latentworld.ros.worker import Worker
from latentworld.selection.locator import GoalLocator
from latentworld.selection.parameters import SelectionParameters
from latentworld.selection.selector import ActionSelector
from latentworld.types import ActionSequence, Frame, Goal, GoalKind, LatentworldError, Plan, PlanStatus, WorldState

HEARTBEAT = 0.05  # s
SILENCE = 0.1  # s without a plan after which one says why; the gate stops by itself a moment later
HANGS = 1.0  # s that a job of the faculties may take


@dataclass(frozen=True, slots=True)
class ActionSelectorParameters:
    robot: str = parameter(DEFAULT, robots.PARAMETER)
    checkpoint: str = parameter("", "path of a checkpoint; empty: the shipped one")
    deadline: float = parameter(0.08, "s of wall time a plan may take", 0.001, 5.0)
    goal_tolerance: float = parameter(0.3, "m, where a goal names none", 0.01, 10.0)
    goal_timeout: float = parameter(60.0, "s, where a goal names none", 0.1, 86400.0)
    max_goal_distance: float = parameter(20.0, "m from the robot to a goal", 0.1, 1000.0)
    trouble_timeout: float = parameter(
        3.0, "s of stale, unsafe or failed plans after which a goal is given up", 0.1, 60.0
    )
    answer_timeout: float = parameter(
        0.14,
        "s to wait for a consequence_simulator in another process; keep it below the gate's plan_timeout",
        0.01,
        5.0,
    )
    selection: SelectionParameters = SelectionParameters()


class ActionSelectorNode(ManagedNode):
    defaults = ActionSelectorParameters()

    def __init__(self, bus: Bus | None = None, worker: Worker | None = None, **options: Any) -> None:
        super().__init__("action_selector", bus, worker, **options)
        self._remote = self._memory = self._goals = self._path = None

    def configure(self) -> None:
        p = self.parameters
        robot = robots.described(p.robot)
        model = self.worker.call(lambda: world_model(p.checkpoint), timeout=120.0)
        simulator = self.bus.services.get(self.resolve_service_name("simulate"))
        if simulator is None:
            simulator = self._remote = RemoteSimulator(self, model, robot)
        elif simulator.robot != robot:
            raise LatentworldError(
                f"parameter 'robot' of {self.get_name()}: expected that of the consequence_simulator beside it, "
                f"{simulator.robot.name}, got {robot.name}"
            )
        self._feeds, _ = robots.seen_by(robot)
        self._lenses = Lenses(self, robot, self._feeds[:1])  # goal images are the first camera's
        self._eyes = Eyes(model, self._lenses)
        self._selector = ActionSelector(simulator, p.selection, GoalLocator(model), robot)
        self._memory = self.create_client(QueryMemory, "query_memory")
        self._plans = self.output(PLAN, "plan", qos.belief())
        self._path = self.create_lifecycle_publisher(Path, "plan_path", qos.belief())
        self._goals = GoalServer(self, self._resolve, p.goal_timeout, p.trouble_timeout)

    def activate(self) -> None:
        self._state: WorldState | None = None
        self._plan_made: Plan | None = None
        self._planned_for: Drive | None = None
        self._published, self._thought, self._beats = 0.0, time.monotonic(), 0  # when last: any plan, one from a state
        self.input(STATE, "world_state", qos.belief(), self._on_state)
        self._lenses.listen()
        self.every(HEARTBEAT, self._heartbeat)

    def deactivate(self) -> None:
        self._goals.end(Code.FAILED, "action_selector was deactivated")
        self._stand(PlanStatus.NO_GOAL, "action_selector was deactivated")

    def cleanup(self) -> None:
        for part in (self._remote, self._goals):
            if part is not None:
                part.destroy()
        if self._memory is not None:
            self.destroy_client(self._memory)
        if self._path is not None:
            self.destroy_lifecycle_publisher(self._path)
        self._remote = self._memory = self._goals = self._path = self._selector = self._eyes = None

    def _on_state(self, state: WorldState) -> None:
        self.work(lambda: self._plan(state), slot="plan")

    def _plan(self, state: WorldState) -> None:
        self._state, self._goals.pose = state, state.pose
        drive = self._goals.drive
        if drive is not self._planned_for:
            self._selector.reset()
            self._planned_for = drive
        if self._remote is not None:
            self._remote.give_up_at = time.monotonic() + self.parameters.answer_timeout
        try:
            plan = self._selector.select(state, drive.goal if drive else None, self.parameters.deadline)
        except Exception as error:
            self._stand(PlanStatus.FAILED, said(error))
            raise
        if drive is not None and drive is not self._goals.drive:
            return  # ended while it was being thought about
        self._thought = time.monotonic()
        self._publish(plan)
        if drive is not None:
            self._note(plan)
            self._goals.heard(drive, plan.status, plan.message, self.now())
        else:
            self.diagnostics.clear("plan")  # what was wrong with the goal before is told by its result

    def _note(self, plan: Plan) -> None:
        self.diagnostics.count("plans")
        self.diagnostics.took("plan", plan.used)
        if plan.status in (PlanStatus.OK, PlanStatus.GOAL_REACHED) and not plan.message:
            self.diagnostics.clear("plan")
        else:
            self.diagnostics.problem("plan", WARN, f"plan {plan.status.name}: {plan.message}")

    def _publish(self, plan: Plan) -> None:
        self._plan_made, self._published = plan, time.monotonic()
        self._plans.publish(plan)
        if plan.consequence is not None and self._path.get_subscription_count() > 0:
            path = Path(header=to_header(plan.stamp, "odom"))
            for x, y, yaw in plan.consequence.poses[0].tolist():
                pose = PoseStamped(header=path.header)
                pose.pose.position.x, pose.pose.position.y, pose.pose.orientation = x, y, quaternion_of_yaw(yaw)
                path.poses.append(pose)
            self._path.publish(path)

    def _heartbeat(self) -> None:
        """Where no world state comes, the gate and whoever waits for the goal still hear why nothing moves."""
        drive, now = self._goals.drive, time.monotonic()
        silent, lost = now - self._published > SILENCE, now - self._thought
        if silent and drive is None:
            self._stand(PlanStatus.NO_GOAL, "no goal")
        elif silent and (trouble := self.worker.trouble(HANGS)):
            self._lost(drive, PlanStatus.FAILED, trouble)
        elif silent and lost > self.parameters.selection.max_observation_age:
            message = f"no world state on {self.resolve_topic_name('world_state')} for {lost:.1f} s"
            self._lost(drive, PlanStatus.STALE, message)
        self._beats += 1
        if self._beats % 4 == 0:
            self._feed_back()

    def _lost(self, drive: Drive, status: PlanStatus, message: str) -> None:
        self._stand(status, message)
        self._goals.heard(drive, status, message, self.now())

    def _feed_back(self) -> None:
        plan, state, drive = self._plan_made, self._state, self._goals.drive
        if drive is not None and state is not None:
            distance = math.nan if drive.goal.pose is None else float(np.hypot(*(drive.goal.pose[:2] - state.pose[:2])))
            risk = math.nan if plan is None or plan.consequence is None else float(plan.consequence.contact.max())
            self._goals.publish_feedback(distance=distance, max_contact=risk, surprise=float(state.surprise))

    def _stand(self, status: PlanStatus, message: str) -> None:
        """A plan to stand still. Its stamps are those of the last state: they must not overtake the next."""
        state = self._state
        known = (0, 0, "") if state is None else (state.stamp, state.observation_stamp, state.model_id)
        axes = self._selector.axes
        still = ActionSequence(self.parameters.selection.dt, np.zeros((1, len(axes)), np.float32), axes)
        self._publish(Plan(*known, status, still, None, message=message))

    async def _resolve(self, request: ReachGoal.Goal) -> Goal:
        """A request as a Goal in odom."""
        p = self.parameters
        tolerance = request.tolerance or p.goal_tolerance
        if not (math.isfinite(tolerance) and tolerance > 0):
            raise _invalid(f"tolerance: expected metres > 0, or 0 for {p.goal_tolerance}, got {request.tolerance}")
        if request.kind == ReachGoal.Goal.POSE:
            return Goal(GoalKind.POSE, self._checked(from_pose2d(request.pose)), None, tolerance)
        if request.kind == ReachGoal.Goal.IMAGE:
            return Goal(GoalKind.IMAGE, None, await self._seen(request), tolerance)
        if request.kind == ReachGoal.Goal.MEMORY:
            return Goal(GoalKind.MEMORY, self._checked(await self._remembered(request.memory_id)), None, tolerance)
        if request.kind == ReachGoal.Goal.EXPLORE:
            return Goal(GoalKind.EXPLORE, tolerance=tolerance)
        raise _invalid(f"kind: expected POSE (0), IMAGE (1), MEMORY (2) or EXPLORE (3), got {request.kind}")

    def _checked(self, pose: np.ndarray) -> np.ndarray:
        if not np.isfinite(pose[:2]).all() or math.isinf(pose[2]):
            raise _invalid(f"pose: expected finite x and y, theta finite or NaN, got {pose.tolist()}")
        distance = float(np.hypot(*(pose[:2] - self._goals.pose[:2])))
        if distance > self.parameters.max_goal_distance:
            raise _invalid(
                f"pose: expected within {self.parameters.max_goal_distance} m of the robot, got {distance:.1f} m"
            )
        return pose

    def _seen(self, request: ReachGoal.Goal) -> Future:
        """The latent of the goal image, to be awaited."""
        try:
            rgb = images.colour(request.image, "goal image")
            depth = images.depth(request.depth, "goal depth") if len(request.depth.data) else None
        except LatentworldError as error:
            raise _invalid(str(error)) from None
        latent: Future = Future(executor=self.executor)

        def encode() -> None:
            try:
                self._goals.settle(latent, self._eyes.encode(Frame(self.now(), rgb, depth)))
            except LatentworldError as error:
                self._goals.settle(latent, _invalid(str(error)))

        self.work(encode)
        return latent

    async def _remembered(self, memory_id: int) -> np.ndarray:
        if not self._memory.service_is_ready():
            raise GoalRefused(Code.NOT_FOUND, f"memory_id {memory_id}: nobody serves {self._memory.service_name}")
        answer = await self._memory.call_async(QueryMemory.Request(id=memory_id))
        if not (answer.success and answer.keyframes):
            raise GoalRefused(Code.NOT_FOUND, f"memory_id {memory_id}: {answer.message or 'not in the visual memory'}")
        frame = answer.keyframes[0].frame_id
        if frame != "odom":
            message = f"memory_id {memory_id}: expected a pose in odom as it lies now, got one in {frame}"
            raise GoalRefused(Code.NOT_FOUND, message)
        return from_pose2d(answer.keyframes[0].pose)


def _invalid(message: str) -> GoalRefused:
    return GoalRefused(Code.INVALID_GOAL, message)


def main() -> None:
    worker = Worker()
    run(lambda: [ActionSelectorNode(worker=worker)], worker.close)


if __name__ == "__main__":
    main()
