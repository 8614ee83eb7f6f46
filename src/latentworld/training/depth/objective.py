"""What an estimate of depth is judged by: what each cell shows, and how near it is."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from latentworld.model.depth_estimator import ABOVE, BELOW, FLOOR, Estimate

EDGE = 4.0  # times that a cell counts at the foot of something, beside one of another kind


class Views(NamedTuple):
    """N views. pixels: (N, H, W, 3) uint8. kind: (N, h, w) int64. nearness: (N, h, w) float32. height: (N,) metres."""

    pixels: Tensor
    kind: Tensor
    nearness: Tensor
    height: Tensor


def losses(estimate: Estimate, views: Views, below: float = 1.0) -> dict[str, Tensor]:
    """below: times that cells below the floor count."""
    kind, shown = views.kind, views.kind <= max(FLOOR, ABOVE, BELOW)
    target = torch.where(shown, kind, FLOOR)
    floor = (target == FLOOR).float()[:, None]
    grown, shrunk = F.max_pool2d(floor, 3, 1, 1), -F.max_pool2d(-floor, 3, 1, 1)
    weight = torch.where((grown > shrunk)[:, 0], EDGE, 1.0) * shown
    weight = torch.where(target == BELOW, below * weight, weight)
    total = weight.sum().clamp_min(1)
    said = F.cross_entropy(estimate.kind, target, reduction="none")
    apart = (estimate.nearness - views.nearness).abs()
    # Each cell weighs as much as its spread, or those that are sure would drown the others (Seitzer et al. 2022).
    laplace = apart + estimate.spread.exp().detach() * (apart.detach() * torch.exp(-estimate.spread) + estimate.spread)
    things = weight * (target == ABOVE)
    return {
        "kind": (said * weight).sum() / total,
        "near": (laplace * weight).sum() / total,
        "error": ((apart * things).sum() / things.sum().clamp_min(1)).detach(),
    }
