"""What is minimised."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def sigreg(latents: Tensor, generator: torch.Generator, slices: int = 96, knots: int = 13, reach: float = 4.0) -> Tensor:
    """Distance of latents (N, D) from an isotropic standard normal: Epps-Pulley statistic on random directions.

    SIGReg of LeJEPA (arXiv 2511.08544): for each direction u, the weighted integral over t of
    |mean exp(i t u·z) - exp(-t²/2)|², by the trapezoid rule on [0, reach]. Not multiplied by N.
    """
    directions = torch.randn(latents.shape[1], slices, generator=generator)
    projected = latents @ F.normalize(directions, dim=0)
    t = torch.linspace(0, reach, knots)
    normal = torch.exp(-(t**2) / 2)
    angle = projected.unsqueeze(-1) * t
    error = (angle.cos().mean(0) - normal) ** 2 + angle.sin().mean(0) ** 2
    return torch.trapezoid(error * normal, t, dim=-1).mean()


def laplace(mean: Tensor, spread: Tensor, target: Tensor) -> Tensor:
    """Negative log likelihood of a Laplace distribution, a constant left out: learns a median and an honest width."""
    return ((mean - target).abs() / spread + spread.log()).mean()
