"""What a scene model is measured against: the same, but its latents must also paint the pictures they stand for."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latentworld.model.pixel_baseline import PIXELS
from latentworld.model.scene_model import COLOURS, SceneConfig, SceneModel


class DecodedModel(SceneModel):
    """A SceneModel with a decoder: what is painted teaches encoder and belief, and is used for nothing else."""

    def __init__(self, config: SceneConfig) -> None:
        super().__init__(config)
        self.decoder = nn.Sequential(nn.Conv2d(config.latent_dim + COLOURS, 96, 1), nn.ReLU(), nn.Conv2d(96, PIXELS, 1))
        self.to(memory_format=torch.channels_last)

    def paint(self, latents: Tensor) -> Tensor:
        """(..., L, 8, 8) -> (..., 192, 8, 8): the pixels of every cell, as ``patches`` gives them."""
        return self.decoder(latents.flatten(0, -4)).unflatten(0, latents.shape[:-3])
