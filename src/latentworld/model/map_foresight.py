"""What becomes of the map: where what moves will be, whether it is in sight or not."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latentworld.model.config import ModelConfig

WIDTH = 24


class MapForesight(nn.Module):
    """A latent map -> the same map ``map_period``, 2 ``map_period`` … seconds from now, if the robot stands still.

    Convolutions that reach 1.4 m around each cell: as far as anything that moves by itself comes in that time.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        c = config.map_channels
        self.net = nn.Sequential(
            nn.Conv2d(c, WIDTH, 3, padding=1), nn.ReLU(),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=2, dilation=2), nn.ReLU(),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=4, dilation=4), nn.ReLU(),
            nn.Conv2d(WIDTH, config.maps_ahead * c, 1),
        )  # fmt: skip
        nn.init.zeros_(self.net[-1].weight)  # to begin with, nothing moves
        nn.init.zeros_(self.net[-1].bias)

    def forward(self, memory: Tensor) -> Tensor:
        """(N, C, cells, cells) -> (N, 1 + maps_ahead, C, cells, cells), the first of which is now."""
        change = self.net(memory).unflatten(1, (self.config.maps_ahead, -1))
        now = memory.unsqueeze(1)
        return torch.cat([now, now + change], 1)

    def shares(self, times: Tensor) -> Tensor:
        """(H, 1 + maps_ahead): how much of each map counts at times (H,), seconds from now."""
        step = (times / self.config.map_period).clamp(0, self.config.maps_ahead)
        which = torch.arange(1 + self.config.maps_ahead, device=times.device)
        return (1 - (step[:, None] - which).abs()).clamp_min(0)
