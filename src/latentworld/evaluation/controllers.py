"""What drives in an evaluation: the world model, and what it must beat."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from latentworld.agent import Agent
from latentworld.evaluation.oracle import OracleSimulator
from latentworld.lens import rays
from latentworld.robot import BaseKind
from latentworld.selection.parameters import SelectionParameters
from latentworld.selection.selector import ActionSelector
from latentworld.sim.world import World
from latentworld.types import Action, Frame, Goal, GoalKind, Odometry, Plan, PlanStatus, WorldState, turn

PATIENCE = 10.0  # seconds of wall time to plan: an evaluation measures choices, not the machine it runs on
STOP = np.zeros(3)


class Step(NamedTuple):
    """command: (2,) or (3,) m/s, rad/s, m/s to the left. arrived: the controller says it is there. plan: for those
    that plan.
    """

    command: np.ndarray
    arrived: bool = False
    plan: Plan | None = None


class Controller(Protocol):
    def begin(self, world: World, goal: Goal) -> None: ...

    def act(self, frame: Frame, odometry: Odometry) -> Step:
        """frame: of the first camera, or one of each camera."""


class BlindController:
    """Turns to the goal and drives straight at it by odometry; sees nothing. Needs a goal pose."""

    def begin(self, world: World, goal: Goal) -> None:
        self.goal, self.base = goal, world.base

    def act(self, frame: Frame, odometry: Odometry) -> Step:
        dx, dy = self.goal.pose[:2] - odometry.pose[:2]
        if np.hypot(dx, dy) <= self.goal.tolerance:
            return Step(STOP, True)
        bearing = turn(np.arctan2(dy, dx) - odometry.pose[2])
        ahead = max(0.0, np.cos(bearing)) ** 3
        if self.base.kind == BaseKind.ACKERMANN:  # it turns only while it drives
            ahead = max(ahead, 0.4)
        most = self.base.max_angular
        return Step(np.array([self.base.max_linear * ahead, np.clip(2.5 * bearing, -most, most)]))


class ReactiveController(BlindController):
    """Straight at the goal, but stops for anything near in the depth image and turns to the freer side until it is
    clear.
    """

    REACH, BESIDE = 0.47, 0.08  # metres before the body, and beside it, that must be free
    LOW, HIGH = 0.05, 0.5  # metres above the floor of what counts as something

    def begin(self, world: World, goal: Goal) -> None:
        super().begin(world, goal)
        self.camera = world.camera
        self.rays = rays(self.camera.intrinsics)
        base = world.base
        self.reach, self.half_width = base.polygon[:, 0].max() + self.REACH, base.half_width + self.BESIDE
        self.turning = 0.6 * base.max_angular
        self.slow = 0.6 * base.max_linear
        self.side, self.commit = 0, 0

    def act(self, frame: Frame, odometry: Odometry) -> Step:
        straight = super().act(frame, odometry)
        if straight.arrived:
            return straight
        points = self._obstacles(frame.depth)
        ahead = points[(np.abs(points[:, 1]) < self.half_width) & (points[:, 0] < self.reach)]
        if len(ahead) > 2:
            if self.side == 0:
                near = points[points[:, 0] < 1.2]
                self.side = -1 if (near[:, 1] > 0).sum() > (near[:, 1] < 0).sum() else 1
            self.commit = 12
            back = -self.base.max_reverse if self.base.kind == BaseKind.ACKERMANN else 0.0
            return Step(np.array([back, self.turning * self.side]))
        if self.commit > 0:  # drive past what was met before turning back to the goal
            self.commit -= 1
            return Step(np.array([self.slow, 0.0]))
        self.side = 0
        return straight

    def _obstacles(self, depth: np.ndarray) -> np.ndarray:
        """(N, 2) x ahead, y left of everything in the depth image that stands in the way, or is a hole in the floor."""
        with np.errstate(invalid="ignore"):
            points = self.rays * depth[..., None] @ self.camera.mount.rotation.T + self.camera.mount.position
        z = points[..., 2]
        solid = (((z > self.LOW) & (z < self.HIGH)) | (z < -0.1)) & (depth > 0)
        return points[solid][:, :2]


class OracleController:
    """The same planner and costs over the true simulator: what a perfect model would reach."""

    def __init__(self, parameters: SelectionParameters | None = None):
        self.parameters = parameters

    def begin(self, world: World, goal: Goal) -> None:
        self.goal = Goal(GoalKind.POSE, goal.pose if goal.pose is not None else world.goal, tolerance=goal.tolerance)
        self.simulator = OracleSimulator(world)
        self.selector = ActionSelector(self.simulator, self.parameters, robot=world.robot)
        self.command = STOP

    def act(self, frame: Frame, odometry: Odometry) -> Step:
        state = WorldState(
            odometry.stamp, odometry.stamp, "oracle", self.simulator.pose(),
            np.array([odometry.linear, odometry.angular, odometry.lateral], np.float32),
            self.command.astype(np.float32), np.zeros(0),
        )  # fmt: skip
        plan = self.selector.select(state, self.goal, PATIENCE)
        self.command = command_of(plan)
        return Step(self.command, plan.status == PlanStatus.GOAL_REACHED, plan)


class WorldModelController:
    """The product: sees, imagines, chooses. depth: whether it has a depth camera."""

    def __init__(self, agent: Agent, depth: bool = True):
        self.agent, self.depth = agent, depth

    def begin(self, world: World, goal: Goal) -> None:
        self.agent.reset()
        self.agent.simulator.forget_drive_train()  # no episode depends on which were driven before it
        self.goal, self.command = goal, STOP

    def act(self, frame: Frame, odometry: Odometry) -> Step:
        frame = frame if self.depth else replace(frame, depth=None)
        self.agent.observe(frame, odometry, Action(odometry.stamp - 1, *self.command))
        plan = self.agent.plan(self.goal, PATIENCE)
        self.command = command_of(plan)
        return Step(self.command, plan.status == PlanStatus.GOAL_REACHED, plan)


def command_of(plan: Plan) -> np.ndarray:
    """(A,): the first action of a plan that may be carried out, else a stop."""
    return plan.sequence.values[0] if plan.status == PlanStatus.OK else STOP
