"""Views of rooms, near to each other and far apart: what appearance is learned from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from latentworld.model.encoder import to_input
from latentworld.model.same_view import SAME
from latentworld.model.world_model import WorldModel
from latentworld.training.driving.drives import Drives
from latentworld.training.driving.objective import balanced
from latentworld.types import turn

ELSEWHERE = (0.35, 0.3)  # metres or radians from which on appearances must differ: who has arrived stands nearer
CLOSE = (0.9, 0.8)  # metres, radians within which the hardest of other views lie
HARD = 0.5  # of a score by which the weight of a mistake grows e-fold
GAIN, TINT = 0.3, 0.06  # how far brightness and colours of each view are turned: a lamp is no sign of another place


class Views(NamedTuple):
    """rgb: (M, H, W, 3) uint8. depth: (M, H, W) uint16 mm or None. pairs: (2, P) of one room each. alike: (P,) bool,
    seen from the same pose, or surely from two.
    """

    rgb: Tensor
    depth: Tensor | None
    pairs: Tensor
    alike: Tensor


def sample_views(drives: Drives, rng: np.random.Generator, rooms: int, places: int) -> Views:
    """``places`` rows of each of ``rooms`` drives, each with one seen from the same pose and one from close by."""
    poses, rgb, depth, room = [], [], [], []
    for number, drive in enumerate(rng.integers(0, len(drives), rooms)):
        first, count = drives.offsets[drive], drives.lengths[drive]
        odometry = drives.small["odometry"][first : first + count, :3]
        rows = _rows(rng, odometry, places)
        pixels, metres = drives.images(first, first + count)
        poses.append(odometry[rows])
        rgb.append(pixels[rows])
        depth.append(None if metres is None else metres[rows])
        room.append(np.full(len(rows), number))
    pairs, alike = _pairs(np.concatenate(poses), np.concatenate(room))
    return Views(
        torch.from_numpy(np.concatenate(rgb)),
        None if depth[0] is None else torch.from_numpy(np.concatenate(depth)),
        torch.from_numpy(pairs), torch.from_numpy(alike),
    )  # fmt: skip


def _rows(rng: np.random.Generator, odometry: np.ndarray, places: int) -> np.ndarray:
    chosen = list(rng.integers(0, len(odometry), places))
    for place in chosen[:places]:
        far, turned = apart(odometry, odometry[place])
        later = np.abs(np.arange(len(odometry)) - place) > 2  # what lies closer in time is alike in any case
        for fits in ((far < SAME[0]) & (turned < SAME[1]) & later, (far < CLOSE[0]) & (turned < CLOSE[1])):
            rows = np.flatnonzero(fits)
            chosen.append(rng.choice(rows if len(rows) else len(odometry)))
    return np.array(chosen)


def _pairs(poses: np.ndarray, room: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    one, other = np.triu_indices(len(poses), 1)
    within = room[one] == room[other]
    one, other = one[within], other[within]
    far, turned = apart(poses[one], poses[other])
    alike = (far < SAME[0]) & (turned < SAME[1])
    told = alike | (far > ELSEWHERE[0]) | (turned > ELSEWHERE[1])
    return np.stack([one, other])[:, told], alike[told]


def apart(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Metres and radians between poses (..., 3)."""
    off = one - other
    return np.hypot(off[..., 0], off[..., 1]), np.abs(turn(off[..., 2]))


def appearance_losses(
    model: WorldModel, views: Views, generator: torch.Generator, depth_dropout: float
) -> dict[str, Tensor]:
    """looks: of what appearances say by themselves. distance: of their plain distance, by which a memory looks for
    them. weighed: of what they say together with what is foretold; only how much each counts is learned of it.
    """
    latents = encoded(model, views, generator, depth_dropout)
    one, other = latents[views.pairs[0]], latents[views.pairs[1]]
    off = (one - other)[:, model.config.latent_dim :].square().mean(1)
    says, seen = model.same_view, model.same_view.seen(one, other)
    together = says.weighed(says.foretold(one, other), seen.detach())
    return {
        "looks": told_apart(seen, views.alike),
        "weighed": balanced(together, views.alike.to(together.dtype)),
        "distance": told_apart(model.appearance.known(off), views.alike),
    }


def encoded(model: WorldModel, views: Views, generator: torch.Generator, depth_dropout: float) -> Tensor:
    """Latents (M, V), each view under a light of its own, some without depth."""
    m = len(views.rgb)
    depth = None
    if views.depth is not None:
        without = torch.rand(m, generator=generator) < depth_dropout
        depth = views.depth.to(torch.float32).masked_fill_(without[:, None, None], 0).div_(1000)
    pictures = to_input(views.rgb, depth, model.config)
    gain = 1 + GAIN * (2 * torch.rand(m, 1, 1, 1, generator=generator) - 1)
    light = gain * (1 + TINT * torch.randn(m, 3, 1, 1, generator=generator))
    pictures[:, :3] = ((pictures[:, :3] + 0.5) * light).clamp(0, 1) - 0.5
    return model.latent(pictures)


def told_apart(score: Tensor, alike: Tensor) -> Tensor:
    """Cross entropy in which views that are alike and views that are not count the same, and of these the worst
    mistakes as much as all: one place like the goal is found among a thousand.
    """
    same, others = score[alike], score[~alike]
    worst = torch.softmax(HARD * others.detach(), 0)
    mistaken = F.softplus(others)
    return F.softplus(-same).mean() + 0.5 * mistaken.mean() + 0.5 * (worst * mistaken).sum()
