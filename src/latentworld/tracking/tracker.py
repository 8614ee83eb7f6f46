"""Latents, odometry and commands -> a belief about the world, and how surprised it is."""

from __future__ import annotations

import numpy as np
import torch

from latentworld import robot_file
from latentworld.geometry import relative
from latentworld.model.world_model import Belief, WorldModel
from latentworld.robot import Robot
from latentworld.tracking.calibration import Calibration, is_the_models_own
from latentworld.tracking.history import History, pose_at
from latentworld.tracking.measured_space import MeasuredGrid
from latentworld.tracking.stall import Stall
from latentworld.tracking.surprise import VIOLATION, SurpriseScale, score
from latentworld.types import (
    Action,
    Latent,
    LatentworldError,
    MeasuredSpace,
    Odometry,
    Surprise,
    WorldState,
    seconds,
)


class WorldStateTracker:
    """Keeps one robot's belief. Everything is aligned by its stamp, not by when it came."""

    MAX_EXTRAPOLATION = 0.5  # seconds past the newest odometry

    def __init__(
        self,
        model: WorldModel,
        threshold: float = VIOLATION,
        robot: Robot | None = None,
        calibration: Calibration | None = None,
    ):
        """robot: whose body it is; none: the shipped one's. calibration: of the surprise of this robot. Without one,
        only the robot that the model was validated on is ever surprised.

        Raises LatentworldError for a calibration of another robot or model.
        """
        robot = robot or robot_file.load()
        self._own_scale = calibration is not None
        self.model, self.base = model, robot.base
        if calibration is not None:
            calibration.check(robot, model.model_id)
            self.scale = calibration.scale(threshold)
        else:
            known = is_the_models_own(robot)
            self.scale = SurpriseScale(model.surprise_quantiles.numpy(), threshold, calibrated=known)
        self.reset()

    def reset(self) -> None:
        """Know nothing: call when the robot was carried elsewhere."""
        self.belief: Belief = self.model.start()
        self.ground, self.stall = MeasuredGrid(self.base), Stall()
        self.measured: MeasuredSpace | None = None
        self.odometries, self.actions = History(), History()
        self.observed: int | None = None  # stamp of the newest frame in the belief
        self.pose = np.zeros(3)  # at that frame
        self.surprise = Surprise(0, 0.0, 1.0, self.scale.threshold, False, calibrated=self.scale.calibrated)
        self.uncertainty = 0.0

    def odometry(self, odometry: Odometry) -> None:
        if not (np.isfinite(odometry.pose).all() and np.isfinite([odometry.linear, odometry.angular]).all()):
            raise LatentworldError(
                f"odometry at {seconds(odometry.stamp):.3f} s: expected finite numbers, got {odometry}"
            )
        self.odometries.add(odometry)

    def command(self, action: Action) -> None:
        self.actions.add(action)

    def observe(self, latent: Latent) -> tuple[WorldState, Surprise]:
        """Take in a frame.

        Raises LatentworldError for a latent of another model, one older than the belief, one that is not finite, or
        when no odometry has come or the newest is too old; the belief stays as it was.
        """
        self._check(latent)
        pose, velocity = pose_at(self.odometries, latent.stamp)
        commanded = self._command_at(latent.stamp)
        first = self.observed is None
        moved = np.zeros(3) if first else relative(self.pose, pose)
        elapsed = 0.0 if first else seconds(latent.stamp - self.observed)
        motion = torch.tensor([[*moved, elapsed, *velocity[:2], *commanded[:2]]], dtype=torch.float32)
        came = torch.from_numpy(latent.vector).unsqueeze(0)
        with torch.inference_mode():
            if first:
                self.belief = self.belief._replace(place=torch.tensor([[0.0, 0.0, pose[2]]], dtype=torch.float32))
            else:
                self._judge(latent, motion, elapsed)
            self.belief = self.model.update(self.belief, came, self.model.map.view(came), motion)
        if latent.scans:
            self.ground.observe(latent.scans, pose)
            way = self.stall.direction(latent.stamp, np.asarray(velocity), np.asarray(commanded))
            if way is not None:
                self.ground.touch(pose, way)
            self.measured = self.ground.space()
        self.observed, self.pose = latent.stamp, pose
        return self._state(latent.stamp, self.belief, pose, velocity, commanded), self.surprise

    def predict(self, stamp: int) -> WorldState:
        """The belief carried on by odometry to ``stamp``, though no frame came: what was seen is still held true."""
        if self.observed is None:
            raise LatentworldError("world state: no frame has been observed yet")
        pose, velocity = pose_at(self.odometries, stamp)
        motion = torch.tensor(relative(self.pose, pose)[None], dtype=torch.float32)
        with torch.inference_mode():
            belief = self.model.move(self.belief, motion)
        return self._state(stamp, belief, pose, velocity, self._command_at(stamp))

    def _check(self, latent: Latent) -> None:
        if latent.model_id != self.model.model_id:
            raise LatentworldError(f"latent: expected model {self.model.model_id}, got {latent.model_id}")
        if latent.vector.shape != (self.model.config.vector_dim,) or not np.isfinite(latent.vector).all():
            raise LatentworldError(
                f"latent: expected ({self.model.config.vector_dim},) finite numbers, got {latent.vector.shape}"
            )
        if self.observed is not None and latent.stamp <= self.observed:
            raise LatentworldError(
                f"latent: expected a stamp after {seconds(self.observed):.3f} s, got {seconds(latent.stamp):.3f} s"
            )
        if not len(self.odometries):
            raise LatentworldError("odometry: none has come yet")
        age = seconds(latent.stamp - self.odometries.items[-1].stamp)
        if age > self.MAX_EXTRAPOLATION:
            raise LatentworldError(
                f"odometry: expected one within {self.MAX_EXTRAPOLATION} s of the frame, newest is {age:.2f} s older"
            )

    def _command_at(self, stamp: int) -> tuple[float, float, float]:
        before, _ = self.actions.around(stamp)
        return (before.linear, before.angular, before.lateral) if before else (0.0, 0.0, 0.0)

    def _judge(self, latent: Latent, motion: torch.Tensor, elapsed: float) -> None:
        ahead = torch.tensor([[[elapsed]]], dtype=torch.float32)
        predicted, doubt = self.model.foresee(self.belief, motion[:, None, :3], ahead)
        foretold = predicted[0, 0].numpy()
        error = float(np.square(foretold - latent.vector[: len(foretold)]).mean())
        # The model's quantiles are of measured depth; those of the robot, of whatever it has.
        comparable = self._own_scale or not any(scan.estimated for scan in latent.scans)
        self.surprise = self.scale.judge(latent.stamp, float(score(error, float(doubt))), comparable)
        self.uncertainty = float(np.exp(float(doubt) / 2))

    def _state(self, stamp, belief, pose, velocity, commanded) -> WorldState:
        return WorldState(
            stamp, self.observed if stamp != self.observed else stamp, self.model.model_id, pose,
            np.array(velocity, np.float32), np.array(commanded, np.float32),
            belief.flatten()[0].numpy(), self.surprise.score, self.surprise.p_value, self.uncertainty,
            self.measured,
        )  # fmt: skip
