"""What a world model that drives is measured against: the same, but what it is taught by is pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latentworld.model.config import ModelConfig
from latentworld.model.world_model import WorldModel


class DecodedWorldModel(WorldModel):
    """A WorldModel with a decoder, the mirror of its encoder: what is painted teaches, and is used for nothing else."""

    def __init__(self, config: ModelConfig | None = None):
        super().__init__(config)
        c = self.config
        side = c.image_size // 2 ** (len(c.channels) + 1)
        widths = [*c.channels[::-1], c.input_channels]
        layers: list[nn.Module] = [
            nn.Linear(c.latent_dim, widths[0] * side * side), nn.Unflatten(1, (widths[0], side, side)),
        ]  # fmt: skip
        for i, (before, width) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
            kernel, stride = (8, 4) if i == len(c.channels) - 1 else (4, 2)
            layers += [nn.ReLU(), nn.ConvTranspose2d(before, width, kernel, stride, (kernel - stride) // 2)]
        self.decoder = nn.Sequential(*layers).to(memory_format=torch.channels_last)

    def paint(self, latents: Tensor) -> Tensor:
        """(..., V) -> pictures (..., C, 64, 64), as ``encoder.to_input`` makes them."""
        foretold = latents[..., : self.config.latent_dim]
        return self.decoder(foretold.flatten(0, -2)).unflatten(0, latents.shape[:-1])

    def without_decoder(self) -> WorldModel:
        """What drives: a copy."""
        plain = WorldModel(self.config)
        plain.load_state_dict({name: self.state_dict()[name] for name in plain.state_dict()})
        return plain


class PixelWorldModel(DecodedWorldModel):
    """One that is never taught to foretell a latent, only the picture painted from it."""
