"""Were two latents seen from the same place?"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latentworld.model.config import ModelConfig

SAME = (0.2, 0.2)  # metres, radians by which poses of the same view differ at most
OTHER = (0.5, 0.5)  # metres or radians from which on a view is another


class SameView(nn.Module):
    """Log likelihood ratio of two latents: seen from one pose, against from two poses of one room.

    What is foretold and how it looks are each asked, and weighed, as one thing seen twice counts once. A distance of
    what is foretold says far less: it is made of what moves and where it is free first, which is much the same before
    any box at a wall.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.split = config.latent_dim
        self.embed = nn.Sequential(nn.Linear(config.latent_dim, 256), nn.ReLU(), nn.Linear(256, 64))
        self.compare = nn.Sequential(nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 1))
        self.looks = nn.Sequential(nn.Linear(2 * config.appearance_dim, 64), nn.ReLU(), nn.Linear(64, 1))
        self.shares = nn.Parameter(torch.tensor([1.0, 0.5, 0.0]))  # of both, and an offset

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """(..., V), (..., V) -> (...,) nats, the same whichever comes first."""
        return self.weighed(self.foretold(one, other), self.seen(one, other))

    def weighed(self, foretold: Tensor, seen: Tensor) -> Tensor:
        """What both say together."""
        return self.shares[0] * foretold + self.shares[1] * seen + self.shares[2]

    def foretold(self, one: Tensor, other: Tensor) -> Tensor:
        """What the foretold parts alone say."""
        return self.of(self.embed(one[..., : self.split]), self.embed(other[..., : self.split]))

    def of(self, one: Tensor, other: Tensor) -> Tensor:
        """The same of what ``embed`` made of them."""
        return self.compare(both(one, other)).squeeze(-1)

    def seen(self, one: Tensor, other: Tensor) -> Tensor:
        """What appearances alone say."""
        return self.looks(both(one[..., self.split :], other[..., self.split :])).squeeze(-1)


def both(one: Tensor, other: Tensor) -> Tensor:
    """(..., E), (..., E) -> (..., 2 E), the same whichever comes first."""
    return torch.cat([(one - other).abs(), one * other], -1)
