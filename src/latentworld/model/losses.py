"""What is minimised."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def sigreg(
    latents: Tensor, generator: torch.Generator, slices: int = 96, knots: int = 13, reach: float = 4.0
) -> Tensor:
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
    """Absolute error of a median, and the negative log likelihood of its Laplace spread, each learned apart.

    Where a target is all but certain a joint likelihood shrinks the spread until its gradient drowns every other
    term; so the
    median answers to the plain error and the spread to a median that it cannot move. A constant is left out.
    """
    error = (mean - target).abs()
    return error.mean() + 0.1 * (error.detach() / spread + spread.log()).mean()
