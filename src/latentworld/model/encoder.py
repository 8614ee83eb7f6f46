"""Images -> latents. One strided convolutional stack; nothing that drives turns a latent back into pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latentworld.model.config import ModelConfig

NEAR = 0.25  # metres: disparity 1 in the depth channel
COLOUR_ALONE = 0.5  # in the mask: seen, but its depth was not measured


def to_input(rgb: Tensor, depth: Tensor | None, config: ModelConfig, mask: Tensor | None = None) -> Tensor:
    """Camera arrays as network input.

    rgb: (N, H, W, 3) uint8. depth: (N, H, W) metres, float or uint16 millimetres, 0 or non-finite where unknown. mask:
    (N, H, W) in [0, 1]: 1 where depth was measured, ``COLOUR_ALONE`` where only colour was seen, 0 where the picture is
    filled; None: all that has depth was measured, and all was seen.
    Returns (N, C, H, W) float32, channels last in memory: colour in [-0.5, 0.5], disparity ``NEAR / depth`` in [0, 1],
    mask.
    """
    image = rgb.permute(0, 3, 1, 2).to(torch.float32).div_(255).sub_(0.5)
    planes = [image]
    disparity = torch.zeros_like(image[:, :1])
    if depth is not None:
        metres = depth.to(torch.float32)
        if not depth.is_floating_point():
            metres = metres / 1000
        known = torch.isfinite(metres) & (metres > 0)
        disparity = torch.where(known, NEAR / metres.clamp_min(NEAR), torch.zeros(())).unsqueeze(1)
    if config.uses_depth:
        planes.append(disparity)
    if config.uses_mask:
        if mask is None:
            mask = torch.where(disparity[:, 0] > 0, 1.0, COLOUR_ALONE)
        planes.append(mask.to(torch.float32).unsqueeze(1))
    return torch.cat(planes, 1).contiguous(memory_format=torch.channels_last)


class ConvEncoder(nn.Module):
    """(N, C, 64, 64) -> (N, D). A wide-stride stem is the cheapest way to look at a whole image on a CPU."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        layers: list[nn.Module] = []
        before, side = config.input_channels, config.image_size
        for i, width in enumerate(config.channels):
            kernel, stride = (8, 4) if i == 0 else (4, 2)
            layers += [nn.Conv2d(before, width, kernel, stride, (kernel - stride) // 2), nn.ReLU(inplace=True)]
            before, side = width, side // stride
        self.convolutions = nn.Sequential(*layers)
        self.project = nn.Linear(before * side * side, config.latent_dim)
        # No affine part: SIGReg asks for a standard normal, batch norm starts it there.
        self.normalise = nn.BatchNorm1d(config.latent_dim, affine=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.normalise(self.project(self.convolutions(images).flatten(1)))
