"""Views of rooms, side by side and far apart: what appearance, and telling views apart by it, is learned from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from latentworld.model.latent_map import relative
from latentworld.model.view_matcher import ANOTHER, OTHER, PLACE, SAME, Match
from latentworld.model.world_model import WorldModel
from latentworld.training.driving.drives import Images
from latentworld.training.driving.gallery import Gallery
from latentworld.training.driving.pictures import network_input
from latentworld.types import turn

CLOSE = (1.0, 0.8)  # metres, radians within which half of all pairs lie, the hardest to tell apart among them
SHARES = (0.25, 0.5)  # of pairs that are the same view, and that are close; the rest lie anywhere in a room
HARD = 0.5  # of a score by which the weight of a mistake grows e-fold
GAIN, TINT, SHADE = 0.3, 0.06, 0.3  # how far brightness and colours of each view are turned, and of parts of it:
SHADES = 4  # a side of a view; a lamp is no sign of another place


class Views(NamedTuple):
    """images: M pictures, as tensors. poses: (M, 3). rooms: (M,) int64. pairs: (2, P) int64, of one room each."""

    images: Images
    poses: Tensor
    rooms: Tensor
    pairs: Tensor


def sample_views(gallery: Gallery, rng: np.random.Generator, rooms: int, pairs: int) -> Views:
    """All views of some rooms, and ``pairs`` of each room's."""
    seen = [gallery.room(number) for number in rng.permutation(len(gallery))[:rooms]]
    firsts = np.cumsum([0, *(len(poses) for _, poses in seen)])
    drawn = [first + draw_pairs(poses, rng, pairs) for first, (_, poses) in zip(firsts, seen, strict=False)]
    columns = zip(*(images for images, _ in seen), strict=True)
    images = Images(*(None if c[0] is None else torch.from_numpy(np.concatenate(c)) for c in columns))
    poses = torch.from_numpy(np.concatenate([poses for _, poses in seen]))
    numbers = torch.arange(len(seen)).repeat_interleave(torch.from_numpy(np.diff(firsts)))
    return Views(images, poses, numbers, torch.from_numpy(np.concatenate(drawn, 1)))


def draw_pairs(poses: np.ndarray, rng: np.random.Generator, count: int) -> np.ndarray:
    """(2, count) numbers of poses (N, 3) of one room."""
    ones = rng.integers(0, len(poses), count)
    far, turned = apart(poses[ones, None], poses)
    others = np.arange(len(poses)) != ones[:, None]
    same = others & (far < SAME[0]) & (turned < SAME[1])
    close = others & (far < CLOSE[0]) & (turned < CLOSE[1])
    kind = rng.random((count, 1))
    wanted = np.where(kind < SHARES[0], same, np.where(kind < sum(SHARES), close, others))
    wanted = np.where(wanted.any(1, keepdims=True), wanted, others)
    return np.stack([ones, (wanted * rng.random(wanted.shape)).argmax(1)])


def apart(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Metres and radians between poses (..., 3)."""
    off = one - other
    return np.hypot(off[..., 0], off[..., 1]), np.abs(turn(off[..., 2]))


class Apart(NamedTuple):
    """Metres and radians between poses."""

    far: Tensor
    turned: Tensor

    def within(self, limits: tuple[float, float]) -> Tensor:
        return (self.far < limits[0]) & (self.turned < limits[1])


def appearance_losses(
    model: WorldModel, views: Views, generator: torch.Generator, depth_dropout: float
) -> dict[str, Tensor]:
    """places: of the plain distance of descriptors, by which a memory looks for them. same, near, pose: of what the
    matcher says of pairs, both ways.
    """
    latents = encoded(model, views, generator, depth_dropout)
    one, other = views.pairs
    ways = torch.cat([one, other]), torch.cat([other, one])
    pose, log_spread, says = model.views.one_way(latents[ways[0]], latents[ways[1]]).split([3, 3, 2], 1)
    match = Match(says[:, 0], says[:, 1], pose, log_spread)
    return {
        "places": _place_loss(model, latents, views),
        **match_losses(match, relative(views.poses[ways[0]], views.poses[ways[1]])),
    }


def match_losses(match: Match, true: Tensor) -> dict[str, Tensor]:
    """true: (P, 3) poses of the others as the ones see them."""
    off = Apart(true[:, :2].norm(dim=1), true[:, 2].abs())
    same, near = off.within(SAME), off.within(PLACE)
    error, log_spread = (match.pose - true)[near].abs(), match.log_spread[near]
    return {
        "same": told_apart(match.same[same], match.same[~off.within(OTHER)]),
        "near": F.softplus(-match.near[near]).mean() + F.softplus(match.near[~off.within(ANOTHER)]).mean(),
        "pose": (error * torch.exp(-log_spread) + log_spread).sum(1).mean(),  # a Laplace density
    }


def _place_loss(model: WorldModel, latents: Tensor, views: Views) -> Tensor:
    """Each view of the same place is likelier than all of others: InfoNCE (van den Oord 2018) of one positive at a
    time. Views from the same pose are left out: they are found in any case.
    """
    first = model.config.latent_dim
    descriptors = latents[:, first : first + model.config.descriptor_dim]
    likeness = model.appearance.likeness(descriptors, descriptors)
    off = views.poses[:, None] - views.poses
    off = Apart(off[..., :2].norm(dim=-1), turn(off[..., 2]).abs())
    room = (views.rooms[:, None] == views.rooms).fill_diagonal_(False)
    same = room & off.within(PLACE)
    unclear = (room & off.within(ANOTHER)).fill_diagonal_(True)
    others = likeness.masked_fill(unclear, -torch.inf).logsumexp(1, keepdim=True)
    return F.softplus(others - likeness)[same & ~off.within(SAME)].mean()


def encoded(model: WorldModel, views: Views, generator: torch.Generator, depth_dropout: float) -> Tensor:
    """Latents (M, V), each view under a light of its own, some without depth."""
    m = len(views.poses)
    pictures = network_input(views.images, torch.rand(m, generator=generator) < depth_dropout, model.config)
    gain = 1 + GAIN * (2 * torch.rand(m, 1, 1, 1, generator=generator) - 1)
    light = gain * (1 + TINT * torch.randn(m, 3, 1, 1, generator=generator))
    shades = 1 + SHADE * (torch.rand(m, 1, SHADES, SHADES, generator=generator) - 0.5)
    light = light * F.interpolate(shades, size=pictures.shape[-2:], mode="bilinear", align_corners=True)
    pictures[:, :3] = ((pictures[:, :3] + 0.5) * light).clamp(0, 1) - 0.5
    return model.latent(pictures)


def told_apart(same: Tensor, others: Tensor) -> Tensor:
    """Cross entropy of scores in which views that are alike and views that are not count the same, and of these the
    worst mistakes as much as all: one place like the goal is found among a thousand.
    """
    worst = torch.softmax(HARD * others.detach(), 0)
    mistaken = F.softplus(others)
    return F.softplus(-same).mean() + 0.5 * mistaken.mean() + 0.5 * (worst * mistaken).sum()
