"""Where a goal image was taken: imagine the view from many places, and keep those from which it would look like the
goal.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from latentworld.model.latent_map import compose
from latentworld.model.world_model import Belief, WorldModel
from latentworld.types import Latent, LatentworldError, WorldState, turn


class Place(NamedTuple):
    """pose: (3,) in odom. error: metres by which it may be wrong.

    unlikeness: mean squared difference between the goal and the view imagined there; difference: and what is seen now.
    """

    pose: np.ndarray
    error: float
    unlikeness: float
    difference: float


class GoalLocator:
    """A particle filter over the pose of the goal; the likelihood of a pose is how well the view foreseen there fits.

    Particles are kept in odom from frame to frame; fresh ones come from all over the belief's map, and from a direct
    guess
    by the model. No map of images, no matching of features: the goal is looked for in imagination (cf. Monte Carlo
    localisation, Dellaert et al. 1999, with a latent world model for a sensor model).
    """

    KEPT, GUESSED, FRESH, FIRST = 128, 32, 96, 1024
    JITTER = np.array([0.06, 0.06, 0.08])  # metres, metres, radians a frame
    TEMPERATURE = 0.06  # of the squared error: latents have unit variance, a right view is foreseen to about 0.2

    def __init__(self, model: WorldModel):
        self.model = model
        self.reset()

    def reset(self) -> None:
        self.particles: np.ndarray | None = None
        self.rng = np.random.default_rng(0)

    def locate(self, state: WorldState, goal: Latent) -> Place:
        """The likeliest place after one more look at the belief. Raises LatentworldError for a latent of another
        model.
        """
        if goal.model_id != self.model.model_id:
            raise LatentworldError(f"goal latent: expected model {self.model.model_id}, got {goal.model_id}")
        with torch.inference_mode():
            belief = self.model.unflatten(torch.from_numpy(state.belief).unsqueeze(0))
            wanted = torch.from_numpy(goal.vector).unsqueeze(0)
            poses = self._proposals(state, belief, wanted)
            views, _ = self.model.foresee(belief, _seen_from(state.pose, poses), torch.zeros(1, len(poses), 1))
            off = (views[0] - wanted).square().mean(-1).numpy()
        weights = np.exp((off.min() - off) / self.TEMPERATURE)
        weights /= weights.sum()
        best = poses[off.argmin()]
        near = np.hypot(*(poses[:, :2] - best[:2]).T) < 0.5
        share = weights * near / (weights * near).sum()
        place = share @ poses[:, :2]
        yaw = best[2] + share @ turn(poses[:, 2] - best[2])
        error = float(np.sqrt(weights @ np.square(poses[:, :2] - place).sum(1)))
        kept = self.rng.choice(len(poses), self.KEPT, p=weights)
        self.particles = poses[kept] + self.rng.normal(0, self.JITTER, (self.KEPT, 3))
        difference = float((belief.latent - wanted).square().mean())
        return Place(np.array([*place, turn(yaw)]), error, float(share @ off), difference)

    def _proposals(self, state: WorldState, belief: Belief, wanted: torch.Tensor) -> np.ndarray:
        """(P, 3) poses in odom worth a look."""
        guess, spread = self.model.relative_pose(belief.hidden, belief.latent, wanted)
        here = torch.from_numpy(np.asarray(state.pose, np.float32)).unsqueeze(0)
        guess, spread = compose(here, guess)[0].numpy(), float(spread)
        guessed = guess + self.rng.laplace(0, [spread, spread, 0.3], (self.GUESSED, 3))
        first = self.particles is None
        half = self.model.map.half
        fresh = self.rng.uniform([-half, -half, -np.pi], [half, half, np.pi], (self.FIRST if first else self.FRESH, 3))
        fresh[:, :2] += state.pose[:2]
        return np.concatenate([fresh, guessed] if first else [self.particles, fresh, guessed])


def _seen_from(pose: np.ndarray, others: np.ndarray) -> torch.Tensor:
    """Poses (P, 3) in odom as (1, P, 3) in the frame of a robot at ``pose``."""
    d = others - pose
    c, s = np.cos(pose[2]), np.sin(pose[2])
    seen = np.stack([c * d[:, 0] + s * d[:, 1], c * d[:, 1] - s * d[:, 0], turn(d[:, 2])], -1)
    return torch.from_numpy(seen.astype(np.float32)).unsqueeze(0)
