"""The recurrent half of the belief, and the prediction of latents from it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latentworld.model.config import ModelConfig
from latentworld.model.heads import perceptron

MOTION = 8  # dx, dy, dyaw since the last update, dt, measured v, w, commanded v, w


class Recurrence(nn.Module):
    """The recurrent half of the belief: latent and measured motion in, hidden state out."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.latent_dim = config.latent_dim
        self.cell = nn.GRUCell(config.latent_dim + MOTION, config.hidden_dim)

    def forward(self, hidden: Tensor, latent: Tensor, motion: Tensor) -> Tensor:
        return self.cell(torch.cat([latent[..., : self.latent_dim], motion], -1), hidden)


class LatentPredictor(nn.Module):
    """What would be seen from a pose: belief, map features fanned out in view of it, time ahead -> latent.

    Also says how wrong it expects to be (log of the mean squared error), which is what makes surprise comparable.
    """

    RANGES = (0.3, 0.7, 1.2, 1.8)  # metres
    BEARINGS = (-0.7, -0.35, 0.0, 0.35, 0.7)  # radians

    def __init__(self, config: ModelConfig):
        super().__init__()
        fan = [(r * torch.tensor(b).cos(), r * torch.tensor(b).sin()) for r in self.RANGES for b in self.BEARINGS]
        self.register_buffer("fan", torch.tensor(fan), persistent=False)
        features = len(fan) * config.map_channels
        self.latent_dim = config.latent_dim
        self.net = perceptron(config.hidden_dim + config.latent_dim + features + 5, 384, 384, config.latent_dim)
        self.doubt = perceptron(config.hidden_dim + 5, 64, 1)

    def forward(
        self, hidden: Tensor, latent: Tensor, features: Tensor, pose: Tensor, ahead: Tensor
    ) -> tuple[Tensor, Tensor]:
        """hidden: (..., hidden). latent: (..., V) the last seen. features: (..., F). pose: (..., 3). ahead: (..., 1) s.

        Returns latents (..., D) and log expected squared error (...,).
        """
        where = torch.cat([pose[..., :2], pose[..., 2:].sin(), pose[..., 2:].cos(), ahead], -1)
        predicted = self.net(torch.cat([hidden, latent[..., : self.latent_dim], features, where], -1))
        return predicted, self.doubt(torch.cat([hidden, where], -1).detach()).squeeze(-1)
