"""Belief + candidate actions -> what would happen."""

from __future__ import annotations

import numpy as np
import torch

from latentworld.consequence.engine import Prepared, RolloutEngine
from latentworld.model.latent_map import compose, relative
from latentworld.model.world_model import Belief, WorldModel
from latentworld.types import Consequences, FreeSpace, LatentworldError, WorldState


class ConsequenceSimulator:
    """Imagines K candidates of H steps from one belief, all at once."""

    def __init__(self, model: WorldModel):
        self.model = model
        self.engine = RolloutEngine(model)
        self._prepared: tuple[WorldState, Prepared] | None = None

    def simulate(self, state: WorldState, candidates: np.ndarray, dt: float, latents: bool = False) -> Consequences:
        """candidates: (K, H, 2) of linear m/s, angular rad/s, each held for ``dt`` seconds.

        Raises LatentworldError for a state of another model, or candidates that are not finite or not (K, H, 2).
        """
        self._check(state, candidates, dt)
        config = self.model.config
        with torch.inference_mode():
            actions = torch.from_numpy(np.ascontiguousarray(candidates, np.float32))
            imagined = self.engine.imagine(self._prepare(state), actions, dt)
            start = torch.from_numpy(np.asarray(state.pose, np.float32)).expand_as(imagined.poses)
            # The nearest thing to keep clear of is an obstacle or a ledge.
            clearance = torch.minimum(imagined.clearance, imagined.ledge) - config.base_radius
            return Consequences(
                dt,
                compose(start, imagined.poses)[0].numpy(),
                imagined.contact[0].sigmoid().numpy(),
                imagined.drop[0].sigmoid().numpy(),
                clearance[0].numpy(),
                imagined.spread[0].numpy(),
                imagined.doubt[0].numpy(),
                self._latents(state, imagined.poses, dt) if latents else None,
            )

    def free_space(self, state: WorldState) -> FreeSpace:
        """The room there is around the robot, wherever it is now looking."""
        model = self.model
        with torch.inference_mode():
            belief = self._belief(state)
            field = model.free_space(belief.memory[0].permute(1, 2, 0))
            clearance = torch.minimum(field.clearance, field.ledge) - model.config.base_radius
            doubt = field.spread + field.doubt
        # The map's axes are those of odom; the robot stands at ``place`` in it.
        middle = np.asarray(state.pose[:2]) - belief.place[0, :2].numpy()
        first = model.map.centres[0, 0].numpy()
        return FreeSpace(clearance.numpy(), doubt.numpy(), middle + first, model.config.cell)

    def look(self, state: WorldState, poses: np.ndarray, ahead: float) -> np.ndarray:
        """Latents (K, D) that would be seen from poses (K, 3) in odom, ``ahead`` seconds from now."""
        with torch.inference_mode():
            belief = self._belief(state)
            seen = relative(torch.from_numpy(np.asarray(state.pose, np.float32)), torch.from_numpy(poses))
            predicted, _ = self.model.foresee(belief, seen[None], torch.full((1, len(poses), 1), ahead))
            return predicted[0].numpy()

    def _prepare(self, state: WorldState) -> Prepared:
        """What is the same for all candidates: a planner asks many times about one state."""
        if self._prepared is None or self._prepared[0] is not state:
            velocity = torch.from_numpy(np.concatenate([state.velocity, state.command])).float().unsqueeze(0)
            self._prepared = state, self.engine.prepare(self._belief(state), velocity)
        return self._prepared[1]

    def _belief(self, state: WorldState) -> Belief:
        if not np.isfinite(state.belief).all():
            raise LatentworldError("world state: expected finite numbers, got NaN or infinity")
        return self.model.unflatten(torch.from_numpy(state.belief).unsqueeze(0))

    def _latents(self, state: WorldState, poses: torch.Tensor, dt: float) -> np.ndarray:
        k, horizon = poses.shape[1:3]
        ahead = (torch.arange(1, horizon + 1) * dt).repeat(k).reshape(1, -1, 1)
        predicted, _ = self.model.foresee(self._belief(state), poses.flatten(1, 2), ahead)
        return predicted.reshape(k, horizon, -1).numpy()

    def _check(self, state: WorldState, candidates: np.ndarray, dt: float) -> None:
        if state.model_id != self.model.model_id:
            raise LatentworldError(f"world state: expected model {self.model.model_id}, got {state.model_id}")
        if state.belief.shape != (self.model.config.belief_dim,):
            raise LatentworldError(
                f"world state: expected a belief of ({self.model.config.belief_dim},), got {state.belief.shape}"
            )
        if candidates.ndim != 3 or candidates.shape[2] != 2 or 0 in candidates.shape:
            raise LatentworldError(f"candidates: expected (K, H, 2) of linear.x, angular.z, got {candidates.shape}")
        if not np.isfinite(candidates).all():
            raise LatentworldError("candidates: expected finite speeds, got NaN or infinity")
        if not 0.05 <= dt <= 0.5:
            raise LatentworldError(f"candidates: expected dt within 0.05 and 0.5 s, got {dt}")
