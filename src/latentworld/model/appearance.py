"""What a view looks like, for telling it from others."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latentworld.model.config import ModelConfig

WIDTHS = (32, 64, 96)
DARK = 0.05  # brightness, white being 1, below which colours are no longer told by


class Appearance(nn.Module):
    """The part of a latent that is never foretold, and so may hold what no prediction needs: colours, patterns, edges.

    An eye of its own, finer than the encoder's and beside it: what drives is the same with it and without.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        layers, before, side = [], config.input_channels, config.image_size
        for width, kernel in zip(WIDTHS, (5, 3, 3), strict=True):
            layers += [nn.Conv2d(before, width, kernel, 2, kernel // 2), nn.GroupNorm(width // 8, width), nn.ReLU()]
            before, side = width, side // 2
        self.layers = nn.Sequential(*layers, nn.Conv2d(before, 24, 1), nn.Flatten())
        self.project = nn.Linear(24 * side * side, config.appearance_dim)
        self.normalise = nn.BatchNorm1d(config.appearance_dim, affine=False)
        self.scale = nn.Parameter(torch.zeros(2))  # of ``known``: log slope, offset

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W), as ``encoder.to_input`` makes them -> (N, A)."""
        colours = images[:, :3] + 0.5
        relative = colours / (colours.mean((1, 2, 3), keepdim=True) + DARK) - 1  # a lamp is no sign of a place
        return self.normalise(self.project(self.layers(torch.cat([relative, images[:, 3:]], 1))))

    def known(self, off: Tensor) -> Tensor:
        """Mean squared differences (...,) of two appearances -> nats that they show the same."""
        return self.scale[1] - self.scale[0].exp() * off
