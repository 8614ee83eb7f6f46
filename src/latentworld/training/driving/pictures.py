"""From stored pictures to what the encoder reads: with depth or without, in any light and through any lens."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from latentworld.model.config import ModelConfig
from latentworld.model.encoder import COLOUR_ALONE, to_input
from latentworld.training.driving.drives import Images

GAIN, GAMMA, TINT, SATURATION = 0.35, 0.35, 0.08, 0.6  # spreads by which a clip's exposure and colours are changed
GREY, NO_COLOUR = 0.1, 0.1  # shares of clips without hue, and with nothing but grey
NOISE, BLURRED, SHADES = 0.04, 0.2, 4  # most noise; share of pictures out of focus; patches a side of uneven light


def network_input(images: Images, without: Tensor, config: ModelConfig) -> Tensor:
    """images: N pictures, as tensors. without: (N,) bool, which are seen without depth. Returns (N, C, H, W)."""
    rgb, depth, known, flat, flat_known = images
    if depth is None:
        return to_input(rgb, None, config)
    depth = depth.to(torch.float32).div(1000).masked_fill(without[:, None, None], 0)
    if flat is not None:
        rgb = torch.where(without[:, None, None, None], flat, rgb)
    mask = None
    if config.uses_mask and known is not None:
        mask = torch.where(without[:, None, None], COLOUR_ALONE * unpacked(flat_known), unpacked(known))
    return to_input(rgb, depth, config, mask)


def unpacked(bits: Tensor) -> Tensor:
    """(N, H, W / 8) uint8, as numpy.packbits -> (N, H, W) float32, 0 or 1."""
    shifts = torch.arange(7, -1, -1, device=bits.device, dtype=torch.uint8)
    return ((bits.unsqueeze(-1) >> shifts) & 1).flatten(-2).to(torch.float32)


def in_other_light(pictures: Tensor, clips: int, generator: torch.Generator) -> Tensor:
    """Pictures (N, C, H, W) as ``to_input`` makes them, N / clips rows of each clip, with other exposure, colours,
    noise and focus. Depth and mask stay as they are.
    """
    n, rows = len(pictures), len(pictures) // clips

    def draw(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    def each(values: Tensor) -> Tensor:
        """A value a clip -> a value a picture."""
        return values.repeat_interleave(rows, 0).view(n, *values.shape[1:], *[1] * (4 - values.dim()))

    colour = pictures[:, :3] + 0.5
    grey = colour.mean(1, keepdim=True)
    kept = each((1 + SATURATION * (2 * draw(clips, 1) - 1)) * (draw(clips, 1) > GREY))
    colour = grey + kept * (colour - grey)
    tint = TINT * torch.randn(clips, 3, generator=generator)
    gain = each(torch.exp(GAIN * torch.randn(clips, 1, generator=generator)) + tint)
    gamma = each(torch.exp(GAMMA * torch.randn(clips, 1, generator=generator)))
    shades = 1 + 0.4 * (draw(clips, 1, SHADES, SHADES) - 0.5)
    shades = F.interpolate(shades, size=pictures.shape[-2:], mode="bilinear", align_corners=True)
    colour = (colour * gain * shades.repeat_interleave(rows, 0)).clamp(0, 1).pow(gamma)
    colour = torch.where(each(draw(clips, 1)) < NO_COLOUR, torch.full_like(colour[:, :1], 0.5), colour)
    soft = F.avg_pool2d(F.pad(colour, (1, 1, 1, 1), mode="replicate"), 3, 1)
    colour = torch.where(draw(n, 1, 1, 1) < BLURRED, soft, colour)
    colour = colour + NOISE * each(draw(clips, 1)) * torch.randn(colour.shape, generator=generator)
    return torch.cat([colour.clamp(0, 1) - 0.5, pictures[:, 3:]], 1).contiguous(memory_format=torch.channels_last)
