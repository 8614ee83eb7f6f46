"""A world model of a task with pictures as goals: what matters is all in one picture, so its latent is the state.

No recurrence and no map: latents follow each other as z' = z + f(z, a), and a learned distance says how many steps lie
between two of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentworld.model.config import StoredConfig
from latentworld.model.encoder import ConvEncoder, to_input

SCALE = 10.0  # steps: of this order are distances


@dataclass(frozen=True, slots=True)
class TaskConfig(StoredConfig):
    image_size: int = 64  # pixels, square
    input_channels: int = 3
    channels: tuple[int, ...] = (24, 48, 96)
    latent_dim: int = 64
    hidden: int = 256
    action_dim: int = 2
    action_block: int = 5  # steps of the environment to one of the model
    distance_dim: int = 64  # of each half of the distance

    @property
    def uses_depth(self) -> bool:
        return False

    @property
    def uses_mask(self) -> bool:
        return False


class Distance(nn.Module):
    """Steps from one latent to another: d(z, g) >= 0, d(z, z) = 0, d(a, c) <= d(a, b) + d(b, c), whatever is learned.

    A metric residual network (Liu et al. 2023, arXiv 2208.08133): the longest of many one-sided differences, which may
    make a way dearer than the way back, and a Euclidean one. As the triangle inequality is built in, it suffices to be
    right about what lies close together: one step never counts for more than one step, nor then do n of them.
    """

    def __init__(self, config: TaskConfig):
        super().__init__()
        self.embed = nn.Sequential(
            nn.Linear(config.latent_dim, config.hidden), nn.GELU(),
            nn.Linear(config.hidden, config.hidden), nn.GELU(),
            nn.Linear(config.hidden, 2 * config.distance_dim),
        )  # fmt: skip

    def forward(self, latent: Tensor, goal: Tensor) -> Tensor:
        """(..., D), (..., D) -> (...,) steps of the environment."""
        one_sided, both = (self.embed(latent) - self.embed(goal)).chunk(2, -1)
        return SCALE * (F.relu(one_sided).amax(-1) + (both.square().sum(-1) + 1e-8).sqrt())


class TaskModel(nn.Module):
    """Joint-embedding prediction (JEPA, LeCun 2022) under actions, with a distance to plan by."""

    model_id: str = "unsaved"

    def __init__(self, config: TaskConfig = TaskConfig()):
        super().__init__()
        self.config = config
        self.encoder = ConvEncoder(config)
        latent, action = config.latent_dim, config.action_dim * config.action_block
        self.change = nn.Sequential(
            nn.Linear(latent + action, config.hidden), nn.GELU(),
            nn.Linear(config.hidden, config.hidden), nn.GELU(),
            nn.Linear(config.hidden, latent),
        )  # fmt: skip
        self.distance = Distance(config)

    def encode(self, pixels: Tensor) -> Tensor:
        """(..., 64, 64, 3) uint8 -> latents (..., D)."""
        latents = self.encoder(to_input(pixels.flatten(0, -4), None, self.config))
        return latents.unflatten(0, pixels.shape[:-3])

    def step(self, latent: Tensor, action: Tensor) -> Tensor:
        """(N, D), (N, block * A) -> (N, D)."""
        return latent + self.change(torch.cat([latent, action], -1))

    def rollout(self, latent: Tensor, actions: Tensor) -> Tensor:
        """(N, D), (N, H, block * A) -> the latents after each step (N, H, D)."""
        ahead = []
        for action in actions.unbind(1):
            latent = self.step(latent, action)
            ahead.append(latent)
        return torch.stack(ahead, 1)
