"""Where a goal image was taken: each belief gives a guess, many guesses give a pose."""

from __future__ import annotations

import numpy as np
import torch

from latentworld.model.latent_map import compose
from latentworld.model.world_model import WorldModel
from latentworld.types import Latent, LatentworldError, WorldState


class GoalLocator:
    """Fuses guesses by their expected error, older ones slowly forgotten (they were made from farther away)."""

    FORGET = 0.9

    def __init__(self, model: WorldModel):
        self.model = model
        self.reset()

    def reset(self) -> None:
        self.weight, self.sum, self.turn = 0.0, np.zeros(2), np.zeros(2)

    def locate(self, state: WorldState, goal: Latent) -> tuple[np.ndarray, float]:
        """Pose (3,) in odom, and the expected error of x, y in metres of the newest guess."""
        if goal.model_id != self.model.model_id:
            raise LatentworldError(f"goal latent: expected model {self.model.model_id}, got {goal.model_id}")
        with torch.inference_mode():
            belief = self.model.unflatten(torch.from_numpy(state.belief).unsqueeze(0))
            came = torch.from_numpy(goal.vector).unsqueeze(0)
            guess, spread = self.model.relative_pose(belief.hidden, belief.latent, came)
            here = torch.from_numpy(np.asarray(state.pose, np.float32)).unsqueeze(0)
            pose, error = compose(here, guess)[0].numpy(), float(spread)
        weight = 1 / error**2
        self.weight = self.FORGET * self.weight + weight
        self.sum = self.FORGET * self.sum + weight * pose[:2]
        self.turn = self.FORGET * self.turn + weight * np.array([np.cos(pose[2]), np.sin(pose[2])])
        return np.array([*(self.sum / self.weight), np.arctan2(self.turn[1], self.turn[0])]), error
