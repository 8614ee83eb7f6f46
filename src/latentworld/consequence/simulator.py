"""Belief + candidate actions -> what would happen."""

from __future__ import annotations

import copy

import numpy as np
import torch

from latentworld import robot_file
from latentworld.consequence.engine import Prepared, RolloutEngine
from latentworld.consequence.identification import DriveTrainIdentification
from latentworld.consequence.measured_ground import MeasuredGround
from latentworld.consequence.motion import DelayedMotion, DriveTrain
from latentworld.geometry import relative as planar_relative
from latentworld.model.latent_map import compose, relative, rotate
from latentworld.model.world_model import Belief, WorldModel
from latentworld.robot import BaseKind, Robot
from latentworld.types import Consequences, FreeSpace, LatentworldError, WorldState


class ConsequenceSimulator:
    """Imagines K candidates of H steps from one belief, all at once. Arrays go in and come out; the device is its own.

    robot: whose body it is (none: the shipped one). device: of torch ("cpu", "cuda", "cuda:1"). Where the model lies
    elsewhere, the simulator has a copy of it there. identify: measure how the base answers to commands from the states
    that are ``heard``; without, the description of the robot counts. What a person carries takes no commands.
    """

    def __init__(self, model: WorldModel, robot: Robot | None = None, device: str = "cpu", identify: bool = True):
        """Raises LatentworldError for a device that this machine does not have."""
        self.device = _found(device)
        self.model = model
        if any(parameter.device != self.device for parameter in model.parameters()):
            self.model = copy.deepcopy(model).to(self.device)
        self.robot = robot or robot_file.load()
        self.axes = len(self.robot.base.axes)
        self.motion = DelayedMotion(DriveTrain.of(self.robot.base), self.device)
        self.engine = RolloutEngine(self.model, self.robot.base, self.motion)
        drives = self.robot.base.kind != BaseKind.HEAD
        self.identification = DriveTrainIdentification(self.robot) if identify and drives else None
        self._prepared: tuple[WorldState, Prepared] | None = None

    def heard(self, state: WorldState) -> None:
        """Take in each state once, in order: how the base moved under the commands that it was given."""
        if self.identification is not None:
            velocity, command = self._axes(state.velocity), self._axes(state.command)
            self.identification.observe(state.stamp, velocity, command, _odometry_pose(state))
            self.adopt_drive_train()

    def forget_drive_train(self) -> None:
        """Another base of the same description: move as that says until it was measured."""
        if self.identification is not None:
            self.identification = DriveTrainIdentification(self.robot)
            self.motion = self.engine.motion = DelayedMotion(self.identification.drive_train, self.device)

    def adopt_drive_train(self) -> None:
        """Move as the identification says, where that differs noticeably from how it moved so far."""
        found = self.identification.drive_train if self.identification is not None else self.motion.drive_train
        if found.differs_from(self.motion.drive_train):
            self.motion = self.engine.motion = DelayedMotion(found, self.device)

    def simulate(self, state: WorldState, candidates: np.ndarray, dt: float, latents: bool = False) -> Consequences:
        """candidates: (K, H, A) of the base's axes (``robot.Base.axes``), each held for ``dt`` seconds.

        Raises LatentworldError for a state of another model, or candidates that are not finite or not (K, H, A).
        """
        self._check(state, candidates, dt)
        with torch.inference_mode():
            actions = self._tensor(np.ascontiguousarray(candidates))
            rollout = self.engine.imagine(self._prepare(state), actions, dt)
            start = self._tensor(state.pose).expand_as(rollout.poses)
            # The nearest thing to keep clear of is an obstacle or a ledge.
            clearance = torch.minimum(rollout.clearance, rollout.ledge)
            parts = (
                compose(start, rollout.poses),
                rollout.contact,
                rollout.drop,
                clearance,
                rollout.spread,
                rollout.doubt,
            )
            return Consequences(
                dt,
                *(part.contiguous().numpy(force=True) for part in parts),
                self._latents(state, rollout.poses, dt) if latents else None,
            )

    def free_space(self, state: WorldState) -> FreeSpace:
        """The room there is around the robot, wherever it is now looking."""
        model = self.model
        with torch.inference_mode():
            belief = self._belief(state)
            field = model.free_space(belief.memory[0].permute(1, 2, 0))
            clearance, spread, ledge = field.clearance, field.spread, field.ledge
            if (ground := self._ground(state)) is not None:
                # The map's axes are those of odom; the robot stands at ``place`` in it.
                points = rotate(model.map.centres - belief.place[0, :2], -ground.pose[2].expand(clearance.shape))
                now = clearance.new_zeros(())
                clearance, spread, floor, _ = ground.fuse(points, now, clearance, spread, self.robot.base.narrowest)
                ledge = torch.maximum(ledge, floor)
            clearance = torch.minimum(clearance, ledge) - self.robot.base.narrowest
            doubt = spread + field.doubt
        # The map's axes are those of odom; the robot stands at ``place`` in it.
        middle = np.asarray(state.pose[:2]) - belief.place[0, :2].numpy(force=True)
        first = model.map.centres[0, 0].numpy(force=True)
        return FreeSpace(clearance.numpy(force=True), doubt.numpy(force=True), middle + first, model.config.cell)

    def look(self, state: WorldState, poses: np.ndarray, ahead: float) -> np.ndarray:
        """Latents (K, D) that would be seen from poses (K, 3) in odom, ``ahead`` seconds from now."""
        with torch.inference_mode():
            belief = self._belief(state)
            seen = relative(self._tensor(state.pose), self._tensor(poses))
            times = torch.full((1, len(poses), 1), ahead, device=self.device)
            predicted, _ = self.model.foresee(belief, seen[None], times)
            return predicted[0].numpy(force=True)

    def _prepare(self, state: WorldState) -> Prepared:
        """What is the same for all candidates: a planner asks many times about one state."""
        if self._prepared is None or self._prepared[0] is not state:
            velocity, command = (self._tensor(self._axes(part)) for part in (state.velocity, state.command))
            self._prepared = state, self.engine.prepare(self._belief(state), velocity, command, self._ground(state))
        return self._prepared[1]

    def _ground(self, state: WorldState) -> MeasuredGround | None:
        return None if state.measured is None else MeasuredGround(state.measured, self._tensor(state.pose))

    def _axes(self, speeds: np.ndarray) -> np.ndarray:
        """(A,): those of a base that moves along more axes than were measured do not move."""
        return np.concatenate([speeds, np.zeros(3, np.float32)])[: self.axes]

    def _belief(self, state: WorldState) -> Belief:
        if not np.isfinite(state.belief).all():
            raise LatentworldError("world state: expected finite numbers, got NaN or infinity")
        return self.model.unflatten(self._tensor(state.belief).unsqueeze(0))

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        """Of single precision on the device; no copy where none is needed."""
        return torch.from_numpy(np.asarray(values, np.float32)).to(self.device)

    def _latents(self, state: WorldState, poses: torch.Tensor, dt: float) -> np.ndarray:
        k, horizon = poses.shape[:2]
        ahead = (torch.arange(1, horizon + 1, device=self.device) * dt).repeat(k).reshape(1, -1, 1)
        predicted, _ = self.model.foresee(self._belief(state), poses.reshape(1, k * horizon, 3), ahead)
        return predicted.reshape(k, horizon, -1).numpy(force=True)

    def _check(self, state: WorldState, candidates: np.ndarray, dt: float) -> None:
        if state.model_id != self.model.model_id:
            raise LatentworldError(f"world state: expected model {self.model.model_id}, got {state.model_id}")
        if state.belief.shape != (self.model.config.belief_dim,):
            raise LatentworldError(
                f"world state: expected a belief of ({self.model.config.belief_dim},), got {state.belief.shape}"
            )
        if candidates.ndim != 3 or candidates.shape[2] != self.axes or 0 in candidates.shape:
            names = ", ".join(self.robot.base.axes)
            raise LatentworldError(f"candidates: expected (K, H, {self.axes}) of {names}, got {candidates.shape}")
        if not np.isfinite(candidates).all():
            raise LatentworldError("candidates: expected finite speeds, got NaN or infinity")
        if not 0.05 <= dt <= 0.5:
            raise LatentworldError(f"candidates: expected dt within 0.05 and 0.5 s, got {dt}")


def _odometry_pose(state: WorldState) -> np.ndarray:
    """(3,) as odometry had it, before it was corrected."""
    return planar_relative(state.odometry_correction, np.asarray(state.pose, float))


def _found(name: str) -> torch.device:
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:  # the latter where torch was built without it
        why = str(error).strip().splitlines()[0]
        raise LatentworldError(f"device: expected one that torch has here, as cpu or cuda, got {name}: {why}") from None
