"""Two views held against each other: the same, or of the same place, and where was the other taken from?"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentworld.model.config import ModelConfig

SAME = (0.2, 0.2)  # metres, radians by which poses of the same view differ at most
OTHER = (0.35, 0.3)  # metres or radians from which on a view is another
PLACE = (1.0, 0.52)  # metres, radians within which two views show the same place
ANOTHER = (1.4, 0.79)  # metres or radians beyond which they show another
GAIN = 4.0  # of correlations


class Match(NamedTuple):
    """same, near: (...,) nats that both were seen from one pose (``SAME``), or from near each other (``PLACE``), rather
    than from two poses of one room. pose: (..., 3) metres and radians of the other's base in the one's frame, if they
    were near. log_spread: (..., 3) log scale of a Laplace density about it.
    """

    same: Tensor
    near: Tensor
    pose: Tensor
    log_spread: Tensor


class ViewMatcher(nn.Module):
    """A relative pose of two views and how sure it is, out of the correlations of all cells of one layout with all of
    the other (as in RPNet, En et al. 2018, and DROID-SLAM's correlation volumes, Teed and Deng 2021).
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config, cells = config, config.layout_side**2
        self.key = nn.Conv2d(config.layout_channels, 32, 1)
        self.compare = nn.Conv2d(2 * config.layout_channels + cells, 64, 3, padding=1)
        self.shrink = nn.Conv2d(64, 96, 3, 2, 1)
        self.embed = nn.Linear(config.latent_dim, 64)
        self.decide = nn.Linear(96 * (config.layout_side // 2) ** 2 + 4 * 64, 256)
        self.out = nn.Linear(256, 8)

    def forward(self, one: Tensor, other: Tensor) -> Match:
        """Latents (N, V), (N, V). What is said of same and near does not depend on which comes first."""
        n = len(one)
        out = self.one_way(torch.cat([one, other]), torch.cat([other, one]))
        same, near = (0.5 * (out[:n, 6:] + out[n:, 6:])).unbind(1)
        return Match(same, near, out[:n, :3], out[:n, 3:6])

    def one_way(self, one: Tensor, other: Tensor) -> Tensor:
        """(N, 8): pose, log spread, same, near, each as the one sees it."""
        (told, layout), (other_told, other_layout) = self._parts(one), self._parts(other)
        keys, other_keys = (F.normalize(self.key(part).flatten(2), dim=1) for part in (layout, other_layout))
        cells = layout.shape[-2:]
        correlation = (GAIN * other_keys.transpose(1, 2) @ keys).unflatten(2, cells)  # a channel a cell of the other
        seen = F.relu(self.compare(torch.cat([layout, other_layout, correlation], 1)))
        told, other_told = self.embed(told), self.embed(other_told)
        both = torch.cat([told, other_told, told * other_told, (told - other_told).abs()], 1)
        return self.out(F.relu(self.decide(torch.cat([F.relu(self.shrink(seen)).flatten(1), both], 1))))

    def _parts(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """What is foretold (N, D), and the layout (N, L, side, side)."""
        c = self.config
        layout = latents[:, -c.layout_dim :].unflatten(1, (c.layout_channels, c.layout_side, c.layout_side))
        return latents[:, : c.latent_dim], layout
