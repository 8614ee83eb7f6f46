"""The training loss: predict latents, keep them spread out, and read consequences off what is imagined."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from latentworld.model.latent_map import relative
from latentworld.model.losses import laplace, sigreg
from latentworld.model.world_model import Belief, WorldModel
from latentworld.training.driving.batches import Batch

OFFSETS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20)  # rows of the clip ahead, at which latents are predicted


@dataclass(frozen=True, slots=True)
class Weights:
    predict: float = 1.0
    sigreg: float = 5.0
    change: float = 2.0
    field: float = 2.0
    occupied: float = 1.0
    contact: float = 1.0
    ego: float = 4.0
    relative_pose: float = 0.3
    doubt: float = 0.1
    recall: float = 0.5


def track(model: WorldModel, latents: Tensor, motion: Tensor) -> list[Belief]:
    """Beliefs after each of T frames. latents: (n, T, D). motion: (n, T, 8)."""
    n, length, _ = latents.shape
    views = model.map.view(latents.flatten(0, 1)).unflatten(0, (n, length))
    belief = model.start(n)
    # A map's axes are those of odom, which lies anyhow: train under every heading.
    belief = belief._replace(place=torch.cat([belief.place[:, :2], _headings(motion).unsqueeze(1)], 1))
    beliefs = []
    # unbind, not indexing: the gradient of an index is a whole array of zeros a step.
    for latent, view, moved in zip(latents.unbind(1), views.unbind(1), motion.unbind(1), strict=True):
        belief = model.update(belief, latent, view, moved)
        beliefs.append(belief)
    return beliefs


def _headings(motion: Tensor) -> Tensor:
    """(n,) headings in [-pi, pi) that depend on nothing but the batch itself, so that runs repeat."""
    n = len(motion)
    return (torch.arange(n) / n * 2 - 1) * torch.pi


def losses(
    model: WorldModel,
    batch: Batch,
    latents: Tensor,
    goals: Tensor,
    generator: torch.Generator,
    starts: int = 6,
) -> dict[str, Tensor]:
    """Every term, unweighted. latents: (n, T, D) of the clip. goals: (n, D) of goal_rows."""
    n, length, _ = latents.shape
    beliefs = track(model, latents, batch.motion)
    t0 = torch.randperm(length - 2, generator=generator)[:starts].sort().values + 1
    picked = [beliefs[t] for t in t0]
    some = Belief(*(torch.cat(parts) for parts in zip(*picked, strict=True)))  # (starts * n, ...)

    # Spread over rooms alone, latents fill with what never changes in one; half of it must come from within a clip.
    other = latents[:, torch.randperm(length, generator=generator)]
    terms = {
        "sigreg": sigreg(torch.cat([latents.flatten(0, 1), goals]), generator),
        "change": sigreg((other - latents).flatten(0, 1), generator),
    }
    terms |= _free_space(model, batch, beliefs)
    terms |= _latent_prediction(model, batch, latents, some, t0)
    terms |= _imagination(model, batch, some, t0)
    terms |= _elsewhere(model, batch, latents, goals, some, t0, generator)
    return terms


def total(terms: dict[str, Tensor], weights: Weights) -> Tensor:
    return sum(getattr(weights, name) * term for name, term in terms.items())


def _free_space(model: WorldModel, batch: Batch, beliefs: list[Belief]) -> dict[str, Tensor]:
    memory = torch.stack([b.memory for b in beliefs], 1).flatten(0, 1)
    place = torch.stack([b.place for b in beliefs], 1).flatten(0, 1)
    x, y, clearance, ledge = batch.query.flatten(0, 1).unbind(-1)
    field = model.free_space(model.map.look_up(memory, place, torch.stack([x, y], -1)))
    radius = model.config.base_radius
    return {
        "field": laplace(field.clearance, field.spread, clearance.clamp(max=1.0))
        + laplace(field.ledge, field.ledge_spread, ledge.clamp(max=1.0)),
        "occupied": F.binary_cross_entropy_with_logits(field.contact, (clearance < radius).float())
        + F.binary_cross_entropy_with_logits(field.drop, (ledge < 0.5 * radius).float()),
    }


def _latent_prediction(model: WorldModel, batch: Batch, latents: Tensor, some: Belief, t0: Tensor) -> dict[str, Tensor]:
    """Mean squared error of latents foreseen from where the robot then was, over every offset that stays in the
    clip.
    """
    n, length, _ = latents.shape
    offsets = torch.tensor(OFFSETS)
    then = t0[:, None] + offsets  # (S, P)
    inside = (then < length).repeat_interleave(n, 0)
    then = then.clamp(max=length - 1)
    here = batch.odometry[:, t0].transpose(0, 1)  # (S, n, 3)
    there = batch.odometry[:, then].permute(1, 0, 2, 3)  # (S, n, P, 3)
    poses = relative(here.unsqueeze(2).expand_as(there), there).flatten(0, 1)
    ahead = (offsets * batch.stride * 0.1).expand(len(poses), -1).unsqueeze(-1)
    predicted, doubt = model.foresee(some, poses, ahead)
    target = latents[:, then].permute(1, 0, 2, 3).flatten(0, 1)
    error = (predicted - target).square().mean(-1)
    off = error.detach().clamp_min(1e-4).log()
    return {"predict": error[inside].mean(), "doubt": F.smooth_l1_loss(doubt[inside], off[inside])}


def _imagination(model: WorldModel, batch: Batch, some: Belief, t0: Tensor) -> dict[str, Tensor]:
    """Ego-motion, contact and drop along what the robot really did next."""

    def at(x: Tensor) -> Tensor:
        return x[:, t0].transpose(0, 1).flatten(0, 1)

    imagined = model.imagine(some, at(batch.velocity), at(batch.actions).unsqueeze(1), model.config.imagination_dt)
    valid, future = at(batch.valid), at(batch.future)
    poses = imagined.poses.squeeze(1)
    off = poses - future
    yaw = torch.remainder(off[..., 2] + torch.pi, 2 * torch.pi) - torch.pi
    ego = F.smooth_l1_loss(off[..., :2], torch.zeros_like(off[..., :2]), beta=0.1, reduction="none").sum(-1)
    ego = ego + 0.3 * F.smooth_l1_loss(yaw, torch.zeros_like(yaw), beta=0.1, reduction="none")
    # A drop ends the episode: its step is the last one known, so it is not masked out with what follows.
    risk = valid | at(batch.drop)
    contact = F.binary_cross_entropy_with_logits(imagined.contact.squeeze(1)[risk], at(batch.contact)[risk].float())
    drop = F.binary_cross_entropy_with_logits(imagined.drop.squeeze(1)[risk], at(batch.drop)[risk].float())
    return {"ego": ego[valid].mean(), "contact": contact + drop}


def _elsewhere(
    model: WorldModel,
    batch: Batch,
    latents: Tensor,
    goals: Tensor,
    some: Belief,
    t0: Tensor,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """The goal row and two rows of the clip, from each chosen belief: where were they taken, and what is to be seen
    there?

    The second is asked as of now (``ahead`` 0). Its targets stand still: a place never seen can't be foretold, and
    latents must not learn to say less for that.
    """
    n, length, _ = latents.shape
    s = len(t0)
    extra = torch.randint(length, (n, 2), generator=generator)
    each = torch.arange(n).unsqueeze(1)
    goal = torch.cat([goals.unsqueeze(1), latents[each, extra]], 1).repeat(s, 1, 1)
    pose = torch.cat([batch.goal_pose.unsqueeze(1), batch.odometry[each, extra]], 1)
    here = batch.odometry[:, t0].transpose(0, 1).flatten(0, 1).unsqueeze(1).expand(-1, 3, -1)
    target = relative(here, pose.repeat(s, 1, 1))
    hidden = some.hidden.unsqueeze(1).expand(-1, 3, -1)
    latent = some.latent.unsqueeze(1).expand(-1, 3, -1)
    where, spread = model.relative_pose(hidden, latent, goal)
    place = laplace(where[..., :2], spread.unsqueeze(-1), target[..., :2])
    recalled, _ = model.foresee(some, target, target.new_zeros(len(target), 3, 1))
    return {
        "relative_pose": place + (1 - (where[..., 2] - target[..., 2]).cos()).mean(),
        "recall": (recalled - goal.detach()).square().mean(),
    }
