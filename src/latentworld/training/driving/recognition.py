"""Held-out figures of telling views and places apart, in rooms never seen."""

from __future__ import annotations

import numpy as np
import torch

from latentworld.model.latent_map import relative
from latentworld.model.view_matcher import ANOTHER, OTHER, PLACE, SAME, Match
from latentworld.model.world_model import WorldModel
from latentworld.training.driving.drives import Images
from latentworld.training.driving.gallery import Gallery
from latentworld.training.driving.pictures import network_input
from latentworld.training.driving.views import Apart

WITHIN = (0.5, 0.4)  # metres, radians within which relative poses are asked for


@torch.no_grad()
def recognition(model: WorldModel, gallery: Gallery) -> dict[str, float]:
    """All pairs of views of each room. ``same_view_found_at_0.2%``: share of the same views that are found where one in
    500 others is taken for the same. ``near_view_found_at_1%``: the like of views within a metre.
    ``relative_pose_median_error``: of views within half a metre.
    """
    model.eval()
    matches, truths = [], []
    for number in range(len(gallery)):
        views, poses = gallery.room(number)
        images, poses = Images(*(p if p is None else torch.from_numpy(p) for p in views)), torch.from_numpy(poses)
        latents = model.latent(network_input(images, torch.zeros(len(poses), dtype=torch.bool), model.config))
        one, other = torch.triu_indices(len(poses), len(poses), 1)
        matches.append(model.views(latents[one], latents[other]))
        truths.append(relative(poses[one], poses[other]))
    match, true = Match(*map(torch.cat, zip(*matches, strict=True))), torch.cat(truths)
    off = Apart(true[:, :2].norm(dim=1), true[:, 2].abs())
    same, near, close = off.within(SAME), off.within(PLACE), off.within(WITHIN)
    error = (match.pose - true)[close]
    return {
        "same_view_found_at_0.2%": _found(match.same[same], match.same[~off.within(OTHER)], 0.002),
        "near_view_found_at_1%": _found(match.near[near], match.near[~off.within(ANOTHER)], 0.01),
        "relative_pose_median_error_m": float(error[:, :2].norm(dim=1).median()),
        "relative_pose_median_error_rad": float(error[:, 2].abs().median()),
    }


def _found(alike: torch.Tensor, others: torch.Tensor, mistaken: float) -> float:
    return float((alike.numpy() > np.quantile(others.numpy(), 1 - mistaken)).mean())
