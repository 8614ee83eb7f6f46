"""What a view looks like: the parts of a latent that are never foretold."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latentworld.model.config import ModelConfig

DARK = 0.05  # brightness, white being 1, below which colours are no longer told by
DEEP = 24  # channels of what an eye makes of an image
SHRINK = 8  # pixels a side that become one cell


class Eye(nn.Module):
    """Images (N, C, H, W) -> (N, DEEP, H / SHRINK, W / SHRINK); finer than the encoder and beside it."""

    def __init__(self, channels: int, widths: tuple[int, int, int]):
        super().__init__()
        layers: list[nn.Module] = []
        for width, kernel in zip(widths, (5, 3, 3), strict=True):
            layers += [nn.Conv2d(channels, width, kernel, 2, kernel // 2), nn.GroupNorm(width // 8, width), nn.ReLU()]
            channels = width
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, DEEP, 1))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


class Appearance(nn.Module):
    """What no prediction needs, and only telling views apart does: colours, patterns, edges, and where they are.

    Two answers to two questions. The *descriptor* of a place (as NetVLAD's, Arandjelovic et al. 2016) is much the same
    for all views of one place, so that plain distances find it among many. The *layout*, a small map of what is where
    in the view, tells where within a few centimetres it was taken from (``model.view_matcher``). What drives reads
    neither.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        cells = (config.image_size // SHRINK) ** 2
        self.fine = Eye(config.input_channels, (32, 64, 96))
        self.broad = Eye(config.input_channels, (16, 64, 96))
        self.describe = nn.Linear(DEEP * cells, config.descriptor_dim)
        self.normalise = nn.BatchNorm1d(config.descriptor_dim, affine=False)
        self.lay_out = nn.Conv2d(2 * DEEP, config.layout_channels, 1)
        self.sharpness = nn.Parameter(torch.tensor(2.0))  # log, of ``likeness``

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W), as ``encoder.to_input`` makes them -> (N, A): descriptors, then layouts."""
        images = in_any_light(images)
        fine, broad = self.fine(images), self.broad(images)
        descriptor = self.normalise(self.describe(broad.flatten(1)))
        return torch.cat([descriptor, self.lay_out(torch.cat([fine, broad], 1)).flatten(1)], 1)

    def likeness(self, ones: Tensor, others: Tensor) -> Tensor:
        """Descriptors (N, D), (M, D) -> (N, M): how much more likely, in nats, some show the same place than others
        do.
        """
        squared = ones.square().sum(1, keepdim=True) + others.square().sum(1) - 2 * ones @ others.T
        return -self.sharpness.exp() / ones.shape[1] * squared


def in_any_light(images: Tensor) -> Tensor:
    """Images (N, C, H, W), as ``encoder.to_input`` makes them, with colours relative to their mean."""
    colours = images[:, :3] + 0.5
    relative = colours / (colours.mean((1, 2, 3), keepdim=True) + DARK) - 1
    return torch.cat([relative, images[:, 3:]], 1).contiguous(memory_format=torch.channels_last)
