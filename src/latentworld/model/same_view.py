"""Were two latents seen from the same place?"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latentworld.model.config import ModelConfig

SAME = (0.2, 0.2)  # metres, radians by which poses of the same view differ at most
OTHER = (0.5, 0.5)  # metres or radians from which on a view is another


class SameView(nn.Module):
    """Log likelihood ratio of two latents: seen from one pose, against from two poses of one room.

    A distance of latents says far less: what they are made of first is what moves and where it is free, which is much
    the same before any box at a wall.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(config.latent_dim, 256), nn.ReLU(), nn.Linear(256, 64))
        self.compare = nn.Sequential(nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """(..., D), (..., D) -> (...,) nats, the same whichever comes first."""
        return self.of(self.embed(one), self.embed(other))

    def of(self, one: Tensor, other: Tensor) -> Tensor:
        """The same of what ``embed`` made of them."""
        return self.compare(torch.cat([(one - other).abs(), one * other], -1)).squeeze(-1)
