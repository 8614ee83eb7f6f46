"""Planning to a picture: actions whose imagined latents come near the latent of the goal, by the learned distance."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from latentworld.model.task_model import TaskModel
from latentworld.selection.parameters import SelectionParameters
from latentworld.selection.solvers import SOLVERS
from latentworld.selection.solvers.solver import Solution

PARAMETERS = SelectionParameters(solver="cem", samples=256, iterations=4, horizon=5, hold=1)
ON_THE_WAY = 0.5  # weight of the mean distance along a plan, beside that at its end: of two ways, the quicker


class TaskPlanner:
    """Plans for one environment whose actions lie within -1 and 1. An action is kept up for a whole step of the model,
    ``action_block`` steps of the environment: noise that changes at every one of them goes nowhere.
    """

    def __init__(self, model: TaskModel, parameters: SelectionParameters = PARAMETERS):
        self.model, self.parameters = model, parameters
        limit = np.ones(model.config.action_dim, np.float32)
        self.solver = SOLVERS[parameters.solver](parameters, -limit, limit)
        self.last = self._nothing()

    def _nothing(self) -> np.ndarray:
        return np.zeros((self.parameters.horizon, self.model.config.action_dim), np.float32)

    def forget(self) -> None:
        """Another episode begins: the last plan is no idea for it."""
        self.last = self._nothing()

    @torch.inference_mode()
    def plan(self, latent: Tensor, goal: Tensor) -> Solution:
        """latent, goal: (D,). The solution's best is (H, A), an action for each step of the model."""
        mean = np.concatenate([self.last[1:], self.last[-1:]])
        seeds = np.stack([self._nothing(), mean])
        found = self.solver.optimise(lambda batch: (self.cost(latent, goal, batch), None), mean, seeds, np.inf)
        self.last = found.best
        return found

    def cost(self, latent: Tensor, goal: Tensor, actions: np.ndarray) -> np.ndarray:
        """(K, H, A) -> (K,) in steps of the environment."""
        blocks = torch.from_numpy(actions).tile(1, 1, self.model.config.action_block)
        ahead = self.model.rollout(latent.expand(len(actions), -1), blocks)
        distance = self.model.distance(ahead, goal)
        return (distance[:, -1] + ON_THE_WAY * distance.mean(1)).numpy()
