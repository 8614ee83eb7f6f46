"""What a scene model is measured against: the same encoder, the same belief, but what it foretells is pixels."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from latentworld.model.scene_model import CELLS, SIDE, Foreseen, Foresight, SceneConfig, SceneModel

PATCH = SIDE // CELLS
PIXELS = 3 * PATCH * PATCH  # of a cell
SPREAD = 0.3  # standard deviation of the pixels of films, 1 being half of white: pixels are to weigh as latents do


def patches(pixels: Tensor) -> Tensor:
    """(N, T, 64, 64, 3) uint8 -> (N, T, 192, 8, 8) of about unit variance: every cell's pixels."""
    x = pixels.flatten(0, 1).permute(0, 3, 1, 2).float().div(127.5).sub(1) / SPREAD
    return F.pixel_unshuffle(x, PATCH).unflatten(0, pixels.shape[:2])


class PixelBelief(NamedTuple):
    """hidden: (N, H, 8, 8). latents: (N, 192, 8, 8), the last frame. codes: (N, L, 8, 8), what is made of it."""

    hidden: Tensor
    latents: Tensor
    codes: Tensor


class PixelBaseline(SceneModel):
    """A SceneModel whose "latents" are the frames themselves, cut into the 192 pixels of every cell.

    So everything that trains, scores and checks the one does the same for the other.
    """

    def __init__(self, config: SceneConfig) -> None:
        super().__init__(config)
        self.foresight = Foresight(config, PIXELS, 1)
        self.to(memory_format=torch.channels_last)

    def encode(self, pixels: Tensor) -> Tensor:
        """(N, T, 64, 64, 3) uint8 -> (N, T, 192, 8, 8): nothing is learned here."""
        return patches(pixels)

    def track(self, latents: Tensor) -> PixelBelief:
        codes = self.codes(latents)
        seen = super().track(codes)
        return PixelBelief(seen.hidden, latents, codes)

    def codes(self, frames: Tensor) -> Tensor:
        """What the encoder makes of frames (N, T, 192, 8, 8): (N, T, L, 8, 8)."""
        return self.encoder(F.pixel_shuffle(frames.flatten(0, 1) * SPREAD, PATCH)).unflatten(0, frames.shape[:2])

    def foresee(self, belief: PixelBelief) -> Foreseen:
        return self.foresight(belief.hidden, belief.codes, belief.latents)

    def errors(self, foreseen: Tensor, came: Tensor) -> Tensor:
        """Pixels have one aspect."""
        return (foreseen - came).square().mean(-3, keepdim=True)
