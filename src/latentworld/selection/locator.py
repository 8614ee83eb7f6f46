"""Where a goal image was taken, as far as what has been seen tells."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from latentworld.model.world_model import WorldModel
from latentworld.types import Latent, LatentworldError, WorldState

NEAR = 0.5  # metres about the likeliest place that count as the same


class Place(NamedTuple):
    """pose: (3,) in odom. probability: that it is within ``NEAR`` of it, if it lies on the map at all."""

    pose: np.ndarray
    probability: float


class GoalLocator:
    """Holds what the goal shows against the belief's map, at every cell and under every heading.

    Keeps nothing from frame to frame but the kernels of the last goal: evidence gathers in the map itself.
    """

    def __init__(self, model: WorldModel):
        self.model = model
        self.reset()

    def reset(self) -> None:
        """Another goal."""
        self._goal: Latent | None = None
        self._kernel: torch.Tensor | None = None

    def locate(self, state: WorldState, goal: Latent) -> Place:
        """The likeliest place by the present belief. Raises LatentworldError for a latent of another model."""
        model = self.model
        if goal.model_id != model.model_id:
            raise LatentworldError(f"goal latent: expected model {model.model_id}, got {goal.model_id}")
        with torch.inference_mode():
            belief = model.unflatten(torch.from_numpy(state.belief).unsqueeze(0))
            if goal is not self._goal:
                view = model.map.view(torch.from_numpy(goal.vector).unsqueeze(0))
                self._goal, self._kernel = goal, model.place.kernel(model.place.described(view))
            score = model.place.everywhere(model.place.mapped(belief.memory), self._kernel)
            density = score.flatten().softmax(0).view_as(score).numpy()
        cells = density.sum(0)
        row, column = np.unravel_index(cells.argmax(), cells.shape)
        centres = model.map.centres.numpy()
        near = np.hypot(*np.moveaxis(centres - centres[row, column], -1, 0)) < NEAR
        share = density * near
        probability = float(share.sum())
        share /= probability
        x, y = (share.sum(0)[..., None] * centres).sum((0, 1))
        heading = model.place.headings.numpy()
        turned = share.sum((1, 2))
        yaw = np.arctan2((turned * np.sin(heading)).sum(), (turned * np.cos(heading)).sum())
        # The map's axes are those of odom, and the robot stands at ``place`` in it.
        offset = np.asarray(state.pose[:2]) - belief.place[0, :2].numpy()
        return Place(np.array([x + offset[0], y + offset[1], yaw]), probability)
