"""The faculties wired into one loop, without ROS: frames in, plans out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from latentworld import robot_file
from latentworld.consequence.simulator import ConsequenceSimulator
from latentworld.model import checkpoint
from latentworld.model.world_model import WorldModel
from latentworld.perception.encoder import PerceptionEncoder
from latentworld.robot import Robot
from latentworld.selection.locator import GoalLocator
from latentworld.selection.parameters import SelectionParameters
from latentworld.selection.selector import ActionSelector
from latentworld.tracking.odometry_correction import CorrectedTracker
from latentworld.tracking.tracker import WorldStateTracker
from latentworld.types import Action, Attitude, Frame, Goal, GoalKind, Odometry, Plan, WorldState


class Agent:
    """One robot's mind. Parts: encoder, tracker, simulator, selector.

    >>> agent = Agent.load()
    >>> state = agent.observe(frame, odometry, action)
    >>> plan = agent.plan(Goal(GoalKind.POSE, pose), deadline=0.05)
    """

    def __init__(
        self,
        model: WorldModel,
        parameters: SelectionParameters | None = None,
        robot: Robot | None = None,
        correct_odometry: bool = True,
        estimate_depth: bool = True,
    ):
        """robot: whose eyes and body these are; none: the shipped one's. correct_odometry: by what range sensors see;
        all poses are then in the frame that odometry had at the start. estimate_depth: of frames that come without it.
        """
        self.model, self.robot = model, robot or robot_file.load()
        self.encoder = PerceptionEncoder(model, self.robot, estimate_depth)
        self.tracker = (CorrectedTracker if correct_odometry else WorldStateTracker)(model, robot=self.robot)
        self.simulator = ConsequenceSimulator(model, self.robot)
        self.selector = ActionSelector(self.simulator, parameters, GoalLocator(model), self.robot)
        self.state: WorldState | None = None

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        parameters: SelectionParameters | None = None,
        robot: Robot | None = None,
        correct_odometry: bool = True,
        estimate_depth: bool = True,
    ) -> Agent:
        """From a checkpoint; ``None``: the one that ships."""
        return cls(checkpoint.load(path), parameters, robot, correct_odometry, estimate_depth)

    def reset(self) -> None:
        """The robot was carried elsewhere: know nothing."""
        self.tracker.reset()
        self.selector.reset()
        self.selector.graph.forget()
        self.state = None

    def observe(
        self,
        frame: Frame | Sequence[Frame],
        odometry: Odometry,
        action: Action | None = None,
        attitude: Attitude | None = None,
    ) -> WorldState:
        """Take in a frame (or one of each camera), odometry, and the last command sent before it. attitude: at that
        frame, of a head that carries the cameras.

        The belief is that of the newer of both stamps: a frame that comes late is carried on by odometry.
        """
        self.tracker.odometry(odometry)
        if action is not None:
            self.tracker.command(action)
        latent = self.encoder.encode(frame, attitude)
        self.state, _ = self.tracker.observe(latent)
        if odometry.stamp > latent.stamp:
            self.state = self.tracker.predict(odometry.stamp)
        self.simulator.heard(self.state)
        return self.state

    def image_goal(self, frame: Frame, tolerance: float = 0.3) -> Goal:
        """The goal of seeing what ``frame`` shows."""
        return Goal(GoalKind.IMAGE, latent=self.encoder.encode(frame), tolerance=tolerance)

    def plan(self, goal: Goal | None, deadline: float) -> Plan:
        """What to do next, within ``deadline`` seconds of wall time."""
        return self.selector.select(self.state, goal, deadline)
