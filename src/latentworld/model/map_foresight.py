"""What becomes of the map: where what moves will be, whether it is in sight or not."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latentworld.model.config import ModelConfig

WIDTH = 32


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

    def at(self, maps: Tensor, times: Tensor) -> Tensor:
        """Maps at times (H,), seconds from now, between those foretold: (N, 1 + maps_ahead, ...) -> (N, H, ...)."""
        step = (times / self.config.map_period).clamp(0, self.config.maps_ahead)
        low = step.floor().clamp(max=self.config.maps_ahead - 1).long()
        share = (step - low)[:, None, None, None].to(maps.dtype)
        return torch.lerp(maps[:, low], maps[:, low + 1], share)
