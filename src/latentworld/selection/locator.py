"""Where a goal image was taken, as far as what has been seen tells."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from latentworld.model.world_model import WorldModel
from latentworld.types import Latent, LatentworldError, WorldState, turn

NEAR = 0.5  # metres about the likeliest place that count as the same
SHARPNESS = 0.6  # of the scores: on held-out rooms they are that much too sure of themselves
HELD = 0.6  # of the likeliest place's probability, down to which the robot keeps to the one it is driving to
REFUTED = (0.35, 0.6)  # metres, radians about a place that turned out wrong within which the goal is not looked for


class Place(NamedTuple):
    """pose: (3,) in odom. probability: that it is within ``NEAR`` of it, if it lies on the map at all."""

    pose: np.ndarray
    probability: float


class GoalLocator:
    """Holds what the goal shows against the belief's map, at every cell and under every heading.

    Evidence gathers in the map itself; kept from frame to frame are the place that is being driven to, and those where
    the robot stood and saw something else.
    """

    def __init__(self, model: WorldModel):
        self.model = model
        self.reset()

    def reset(self) -> None:
        """Another goal."""
        self._goal: Latent | None = None
        self._kernel: torch.Tensor | None = None
        self._held: np.ndarray | None = None
        self._refuted: list[np.ndarray] = []

    def refute(self, pose: np.ndarray) -> None:
        """The robot stands at ``pose`` (3,) and does not see the goal."""
        self._refuted.append(np.asarray(pose, float))
        self._held = None

    def difference(self, state: WorldState, goal: Latent) -> float:
        """Mean squared difference of what was last seen and the goal; latents have unit variance."""
        start = self.model.config.hidden_dim
        return float(np.square(state.belief[start : start + len(goal.vector)] - goal.vector).mean())

    def locate(self, state: WorldState, goal: Latent) -> Place:
        """The likeliest place by the present belief. Raises LatentworldError for a latent of another model."""
        self._take(goal)
        with torch.inference_mode():
            belief = self.model.unflatten(torch.from_numpy(state.belief).unsqueeze(0))
            score = self.model.place.everywhere(self.model.place.mapped(belief.memory), self._kernel)
            density = (SHARPNESS * score).flatten().softmax(0).view_as(score).numpy().copy()
        # The map's axes are those of odom, and the robot stands at ``place`` in it.
        centres = self.model.map.centres.numpy() + np.asarray(state.pose[:2]) - belief.place[0, :2].numpy()
        heading = self.model.place.headings.numpy()
        for wrong in self._refuted:
            far = np.square((centres - wrong[:2]) / REFUTED[0]).sum(-1)[None]
            density *= 1 - np.exp(-far - np.square(turn(heading - wrong[2]) / REFUTED[1])[:, None, None])
        density /= max(density.sum(), 1e-30)
        cells = density.sum(0)
        best = self._about(centres.reshape(-1, 2)[cells.argmax()], centres, density, heading)
        if self._held is not None:
            held = self._about(self._held, centres, density, heading)
            best = held if held.probability > HELD * best.probability else best
        self._held = best.pose[:2]
        return best

    def _about(self, point: np.ndarray, centres: np.ndarray, density: np.ndarray, heading: np.ndarray) -> Place:
        """What lies within NEAR of a point (2,), as one place."""
        share = density * (np.hypot(*np.moveaxis(centres - point, -1, 0)) < NEAR)
        probability = float(share.sum())
        share /= max(probability, 1e-30)
        x, y = (share.sum(0)[..., None] * centres).sum((0, 1))
        turned = share.sum((1, 2))
        return Place(np.array([x, y, np.arctan2(turned @ np.sin(heading), turned @ np.cos(heading))]), probability)

    def _take(self, goal: Latent) -> None:
        model = self.model
        if goal.model_id != model.model_id:
            raise LatentworldError(f"goal latent: expected model {model.model_id}, got {goal.model_id}")
        if goal is not self._goal:
            with torch.inference_mode():
                described = model.place.described(torch.from_numpy(goal.vector).unsqueeze(0))
                self._goal, self._kernel = goal, model.place.kernel(described)
