"""What a scene model is measured against: the same encoder, the same belief, but what it foretells is pixels."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentworld.model.scene_model import CELLS, COLOURS, SIDE, Foreseen, SceneConfig, SceneModel

PATCH = SIDE // CELLS
PIXELS = 3 * PATCH * PATCH  # of a cell


def patches(pixels: Tensor) -> Tensor:
    """(N, T, 64, 64, 3) uint8 -> (N, T, 192, 8, 8) in [-1, 1]: every cell's pixels."""
    x = pixels.flatten(0, 1).permute(0, 3, 1, 2).float().div(127.5).sub(1)
    return F.pixel_unshuffle(x, PATCH).unflatten(0, pixels.shape[:2])


class PixelBelief(NamedTuple):
    """hidden: (N, H, 8, 8). latents: (N, 192, 8, 8), the last frame. codes: (N, L, 8, 8), what is made of it."""

    hidden: Tensor
    latents: Tensor
    codes: Tensor


class PixelBaseline(SceneModel):
    """A SceneModel whose "latents" are the frames themselves, cut into the 192 pixels of every cell.

    So everything that trains, scores and checks the one does the same for the other. To imagine on, it looks at what it
    painted.
    """

    def __init__(self, config: SceneConfig) -> None:
        super().__init__(config)
        known = config.hidden_dim + config.latent_dim + COLOURS
        self.change = nn.Sequential(nn.Conv2d(known, 96, 3, padding=1), nn.ReLU(), nn.Conv2d(96, PIXELS, 1))
        self.doubt = nn.Sequential(nn.Conv2d(known, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 1, 1))
        self.to(memory_format=torch.channels_last)

    def encode(self, pixels: Tensor) -> Tensor:
        """(N, T, 64, 64, 3) uint8 -> (N, T, 192, 8, 8) in [-1, 1]: nothing is learned here."""
        return patches(pixels)

    def track(self, latents: Tensor) -> PixelBelief:
        codes = self._look(latents.flatten(0, 1)).unflatten(0, latents.shape[:2])
        seen = super().track(codes)
        return PixelBelief(seen.hidden, latents, codes)

    def imagine(self, belief: PixelBelief, steps: int) -> Foreseen:
        frames, doubts = [], []
        for step in range(steps):
            known = torch.cat([belief.hidden, belief.codes], 1)
            painted = belief.latents + self.change(known)
            frames.append(painted)
            doubts.append(self.doubt(known.detach()))
            if step < steps - 1:
                codes = self._look(painted)
                belief = PixelBelief(self.recur(belief.hidden, belief.codes, codes), painted, codes)
        return Foreseen(torch.stack(frames, 1), torch.stack(doubts, 1))

    def errors(self, foreseen: Tensor, came: Tensor) -> Tensor:
        """Pixels have one aspect."""
        return (foreseen - came).square().mean(-3, keepdim=True)

    def _look(self, frames: Tensor) -> Tensor:
        return self.encoder(F.pixel_shuffle(frames, PATCH))
