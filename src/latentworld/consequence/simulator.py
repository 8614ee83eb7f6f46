"""Belief + candidate actions -> what would happen."""

from __future__ import annotations

import copy

import numpy as np
import torch

from latentworld.consequence.engine import Prepared, RolloutEngine
from latentworld.model.latent_map import compose, relative
from latentworld.model.world_model import Belief, WorldModel
from latentworld.types import Consequences, FreeSpace, LatentworldError, WorldState


class ConsequenceSimulator:
    """Imagines K candidates of H steps from one belief, all at once. Arrays go in and come out; the device is its own.

    device: of torch ("cpu", "cuda", "cuda:1"). Where the model lies elsewhere, the simulator has a copy of it there.
    """

    def __init__(self, model: WorldModel, device: str = "cpu"):
        """Raises LatentworldError for a device that this machine does not have."""
        self.device = _found(device)
        self.model = model
        if any(parameter.device != self.device for parameter in model.parameters()):
            self.model = copy.deepcopy(model).to(self.device)
        self.engine = RolloutEngine(self.model)
        self._prepared: tuple[WorldState, Prepared] | None = None

    def simulate(self, state: WorldState, candidates: np.ndarray, dt: float, latents: bool = False) -> Consequences:
        """candidates: (K, H, 2) of linear m/s, angular rad/s, each held for ``dt`` seconds.

        Raises LatentworldError for a state of another model, or candidates that are not finite or not (K, H, 2).
        """
        self._check(state, candidates, dt)
        config = self.model.config
        with torch.inference_mode():
            actions = self._tensor(np.ascontiguousarray(candidates))
            imagined = self.engine.imagine(self._prepare(state), actions, dt)
            start = self._tensor(state.pose).expand_as(imagined.poses)
            # The nearest thing to keep clear of is an obstacle or a ledge.
            clearance = torch.minimum(imagined.clearance, imagined.ledge) - config.base_radius
            return Consequences(
                dt,
                compose(start, imagined.poses)[0].numpy(force=True),
                imagined.contact[0].sigmoid().numpy(force=True),
                imagined.drop[0].sigmoid().numpy(force=True),
                clearance[0].numpy(force=True),
                imagined.spread[0].numpy(force=True),
                imagined.doubt[0].numpy(force=True),
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
            velocity = self._tensor(np.concatenate([state.velocity, state.command])).unsqueeze(0)
            self._prepared = state, self.engine.prepare(self._belief(state), velocity)
        return self._prepared[1]

    def _belief(self, state: WorldState) -> Belief:
        if not np.isfinite(state.belief).all():
            raise LatentworldError("world state: expected finite numbers, got NaN or infinity")
        return self.model.unflatten(self._tensor(state.belief).unsqueeze(0))

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        """Of single precision on the device; no copy where none is needed."""
        return torch.from_numpy(np.asarray(values, np.float32)).to(self.device)

    def _latents(self, state: WorldState, poses: torch.Tensor, dt: float) -> np.ndarray:
        k, horizon = poses.shape[1:3]
        ahead = (torch.arange(1, horizon + 1, device=self.device) * dt).repeat(k).reshape(1, -1, 1)
        predicted, _ = self.model.foresee(self._belief(state), poses.flatten(1, 2), ahead)
        return predicted.reshape(k, horizon, -1).numpy(force=True)

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


def _found(name: str) -> torch.device:
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:  # the latter where torch was built without it
        why = str(error).strip().splitlines()[0]
        raise LatentworldError(f"device: expected one that torch has here, as cpu or cuda, got {name}: {why}") from None
