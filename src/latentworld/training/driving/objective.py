"""The training loss: predict latents, keep them spread out, and read free space off maps, present and predicted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from latentworld.model.decoded_world_model import DecodedWorldModel, PixelWorldModel
from latentworld.model.latent_map import compose, relative, rotate
from latentworld.model.losses import laplace, sigreg
from latentworld.model.world_model import Belief, WorldModel
from latentworld.training.driving.batches import Batch

PAINTED = 2  # of OFFSETS at which pictures are painted, a step: a picture costs as much to paint as to encode
OFFSETS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20)  # rows of the clip ahead, at which latents are predicted


@dataclass(frozen=True, slots=True)
class Weights:
    predict: float = 1.0
    sigreg: float = 5.0
    change: float = 2.0
    field: float = 2.0
    doubt: float = 0.1
    recall: float = 0.5
    ahead: float = 2.0
    where: float = 0.6
    places: float = 0.5
    same: float = 1.0
    near: float = 0.5
    pose: float = 0.5
    paint: float = 1.0


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
    recall: bool = True,
    pictures: Tensor | None = None,
) -> dict[str, Tensor]:
    """Every term, unweighted. latents: (n, T, D) of the clip. goals: (n, G, D) of goal_rows. recall: with that term.
    pictures: (n, T, C, 64, 64) of the clip, as the encoder got them, for a model with a decoder.
    """
    n, length, _ = latents.shape
    beliefs = track(model, latents, batch.motion)
    t0 = torch.randperm(length - 2, generator=generator)[:starts].sort().values + 1
    picked = [beliefs[t] for t in t0]
    some = Belief(*(torch.cat(parts) for parts in zip(*picked, strict=True)))  # (starts * n, ...)

    by_pixels = isinstance(model, PixelWorldModel)
    terms = {} if by_pixels else _spread(latents, goals, generator)
    terms |= _free_space(model, batch, beliefs, generator)
    painted = torch.randperm(len(OFFSETS), generator=generator)[:PAINTED] if pictures is not None else None
    ahead = _foreseen(model, batch, some, t0, torch.tensor(OFFSETS)[painted] if by_pixels else torch.tensor(OFFSETS))
    if by_pixels:
        terms["predict"] = _painting(model, pictures, ahead)
    else:
        terms |= _latent_prediction(latents, ahead)
        if pictures is not None:
            seen = _variances(model.paint(latents[:, t0]) - pictures[:, t0], pictures)
            terms["paint"] = seen.mean() + _painting(model, pictures, ahead.pick(painted))
    terms |= _free_space_ahead(model, batch, some, t0, generator)
    terms |= _where(model, batch, latents, goals, some, t0, generator)
    if recall:
        terms |= _elsewhere(model, batch, latents, goals, some, t0, generator)
    return terms


def _spread(latents: Tensor, goals: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """Spread over rooms alone, latents fill with what never changes in one; half of it must come from within a clip."""
    other = latents[:, torch.randperm(latents.shape[1], generator=generator)]
    return {
        "sigreg": sigreg(torch.cat([latents.flatten(0, 1), goals.flatten(0, 1)]), generator),
        "change": sigreg((other - latents).flatten(0, 1), generator),
    }


def total(terms: dict[str, Tensor], weights: Weights) -> Tensor:
    return sum(getattr(weights, name) * term for name, term in terms.items())


def _free_space(
    model: WorldModel, batch: Batch, beliefs: list[Belief], generator: torch.Generator
) -> dict[str, Tensor]:
    memory = torch.stack([b.memory for b in beliefs], 1).flatten(0, 1)
    place = torch.stack([b.place for b in beliefs], 1).flatten(0, 1)
    return {"field": _held_against(model, memory, place, batch.query.flatten(0, 1), generator)}


def _held_against(
    model: WorldModel, memory: Tensor, place: Tensor, query: Tensor, generator: torch.Generator
) -> Tensor:
    """What maps (N, ...) say at labelled points (N, M, 4) in the frame of robots at ``place``; NaN labels are left out.

    Of several opinions each hears of half of the maps, drawn anew every step: their spread is then what more data
    would change.
    """
    features = model.map.look_up(memory, place, query[..., :2])
    opinions = model.free_space.opinions
    loss = features.new_zeros(())
    for opinion in opinions:
        heard = slice(None)
        if len(opinions) > 1:
            heard = torch.randperm(len(query), generator=generator)[: (len(query) + 1) // 2]
        field = opinion(features[heard])
        clearance, ledge = query[heard, :, 2], query[heard, :, 3]
        loss += _of_labelled(field.clearance, field.spread, clearance.clamp(max=1.0))
        loss += _of_labelled(field.ledge, field.ledge_spread, ledge.clamp(max=1.0))
    return loss / len(opinions)


def _of_labelled(mean: Tensor, spread: Tensor, target: Tensor) -> Tensor:
    """The loss over points whose label is known; a robot that labels its own drives does not know all. NaN: unknown."""
    known = target.isfinite()
    if known.all():
        return laplace(mean, spread, target)
    return laplace(mean[known], spread[known], target[known]) if known.any() else mean.new_zeros(())


def _free_space_ahead(
    model: WorldModel, batch: Batch, some: Belief, t0: Tensor, generator: torch.Generator
) -> dict[str, Tensor]:
    """The same of maps foretold, by what was labelled later in the clip, as seen from where the robot stood."""
    n, length = batch.rows.shape
    every = round(model.config.map_period / (0.1 * batch.stride))  # rows of the clip from map to map
    maps = model.foresight(some.memory)
    memory, place, query = [], [], []
    for i, t in enumerate(t0.tolist()):
        reach = min(model.config.maps_ahead, (length - 1 - t) // every)
        if reach < 1:
            continue
        step = int(torch.randint(1, reach + 1, (), generator=generator))
        then = t + step * every
        seen = relative(batch.odometry[:, t], batch.odometry[:, then])[:, None]  # where the robot is then
        points = rotate(batch.query[:, then, :, :2], seen[..., 2]) + seen[..., :2]
        mine = slice(i * n, (i + 1) * n)
        memory.append(maps[mine, step])
        place.append(some.place[mine])
        query.append(torch.cat([points, batch.query[:, then, :, 2:]], -1))
    if not query:
        return {"ahead": maps.new_zeros(())}
    return {"ahead": _held_against(model, torch.cat(memory), torch.cat(place), torch.cat(query), generator)}


SCALES = ((0.12, 0.12), (0.4, 0.4))  # metres, radians: spreads of the poses tried about the true one
TRIED = 16  # poses at each scale about the true one, and as many anywhere as about it


def _where(
    model: WorldModel,
    batch: Batch,
    latents: Tensor,
    goals: Tensor,
    some: Belief,
    t0: Tensor,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Negative log likelihood, per square metre and radian, of the pose from which a goal was seen.

    The normalising integral over the map is estimated by importance sampling from poses near the true one, poses
    anywhere, and the true one itself: left out, a density ever narrower than the samples lie would be worth ever more.
    """
    n, length, _ = latents.shape
    which = int(torch.randint(len(t0), (), generator=generator))  # a belief that has seen little, or much
    belief = Belief(*(part[which * n : (which + 1) * n] for part in some))
    # Beside the goals, a view that was laid into the map itself, as long ago as the clip reaches.
    row = torch.randint(max(1, int(t0[which]) // 2), (n,), generator=generator)
    each = torch.arange(n)
    goal = torch.cat([goals.transpose(0, 1).flatten(0, 1), latents[each, row]])
    pose = torch.cat([batch.goal_pose.transpose(0, 1).flatten(0, 1), batch.odometry[each, row]])
    times = len(goal) // n
    true = relative(batch.odometry[:, t0[which]].repeat(times, 1), pose)
    true = compose(belief.place.repeat(times, 1), true)  # in the map's frame
    half = model.place.half
    inside = (true[:, :2].abs() < half - 0.1).all(1)

    poses, density = _tried(true, half, generator)
    score = model.place(model.place.mapped(belief.memory).repeat(times, 1, 1, 1), model.place.described(goal), poses)
    share = score - density.log() - math.log(poses.shape[1])
    within = (poses[..., :2].abs() <= half).all(-1)
    likelihood = score[:, 0] - share.masked_fill(~within, -torch.inf).logsumexp(1)
    return {"where": -(likelihood[inside].sum() / inside.sum().clamp_min(1))}


def _tried(true: Tensor, half: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Poses (N, Q, 3) about the true ones (N, 3), which come first, and anywhere on the map; how densely they lie."""
    n, near = len(true), TRIED * len(SCALES)
    spreads = true.new_tensor([(metres, metres, radians) for metres, radians in SCALES])
    noise = torch.randn((n, len(SCALES), TRIED, 3), generator=generator) * spreads[:, None]
    scale = true.new_tensor([half, half, torch.pi])
    anywhere = (torch.rand((n, near, 3), generator=generator) * 2 - 1) * scale
    poses = torch.cat([true[:, None], true[:, None] + noise.flatten(1, 2), anywhere], 1)
    off = poses - true[:, None]
    off = torch.cat([off[..., :2], torch.remainder(off[..., 2:] + torch.pi, 2 * torch.pi) - torch.pi], -1)
    density = poses.new_full(poses.shape[:2], 0.5 / float(8 * scale.prod()))
    for spread in spreads:
        normal = torch.exp(-0.5 * (off / spread).square().sum(-1)) / (spread.prod() * (2 * torch.pi) ** 1.5)
        density += 0.5 / len(SCALES) * normal
    return poses, density


class _Ahead(NamedTuple):
    """What is foreseen from S * n beliefs, P offsets ahead, from where the robot then was.

    latents: (S * n, P, D). doubt: (S * n, P). rows: (S, P) of the clip. inside: (S * n, P), which of them lie in it.
    """

    latents: Tensor
    doubt: Tensor
    rows: Tensor
    inside: Tensor

    def pick(self, index: Tensor) -> _Ahead:
        """Some of the offsets."""
        return _Ahead(*(part[:, index] for part in self))


def _foreseen(model: WorldModel, batch: Batch, some: Belief, t0: Tensor, offsets: Tensor) -> _Ahead:
    n, length = batch.rows.shape
    then = t0[:, None] + offsets
    inside = (then < length).repeat_interleave(n, 0)
    then = then.clamp(max=length - 1)
    here = batch.odometry[:, t0].transpose(0, 1)  # (S, n, 3)
    there = batch.odometry[:, then].permute(1, 0, 2, 3)  # (S, n, P, 3)
    poses = relative(here.unsqueeze(2).expand_as(there), there).flatten(0, 1)
    ahead = (offsets * batch.stride * 0.1).expand(len(poses), -1).unsqueeze(-1)
    return _Ahead(*model.foresee(some, poses, ahead), then, inside)


def _latent_prediction(latents: Tensor, ahead: _Ahead) -> dict[str, Tensor]:
    """Mean squared error over every offset that stays in the clip."""
    target = latents[:, ahead.rows].permute(1, 0, 2, 3).flatten(0, 1)
    error = (ahead.latents - target).square().mean(-1)
    off = error.detach().clamp_min(1e-4).log()
    doubt = F.smooth_l1_loss(ahead.doubt[ahead.inside], off[ahead.inside])
    return {"predict": error[ahead.inside].mean(), "doubt": doubt}


def _painting(model: DecodedWorldModel, pictures: Tensor, ahead: _Ahead) -> Tensor:
    """The same of pictures painted from what is foreseen; those that leave the clip are not painted."""
    came = pictures[:, ahead.rows].transpose(0, 1).flatten(0, 1)[ahead.inside]
    off = _variances(model.paint(ahead.latents[ahead.inside]) - came, pictures)
    return off.sum() / max(off.numel(), 1)  # far offsets may all leave the clip


def _variances(off: Tensor, pictures: Tensor) -> Tensor:
    """Squared errors (..., C, 64, 64) in units of the pictures' variance, as latents have variance one."""
    return off.square() / (pictures.var((0, 1, 3, 4)) + 1e-3)[:, None, None]


def _elsewhere(
    model: WorldModel,
    batch: Batch,
    latents: Tensor,
    goals: Tensor,
    some: Belief,
    t0: Tensor,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """The goal row and two rows of the clip, from each chosen belief: what is to be seen there?

    It is asked as of now (``ahead`` 0). The targets stand still: a place never seen can't be foretold, and latents must
    not learn to say less for that.
    """
    n, length, _ = latents.shape
    extra = torch.randint(length, (n, 2), generator=generator)
    each = torch.arange(n).unsqueeze(1)
    goal = torch.cat([goals[:, :1], latents[each, extra]], 1).repeat(len(t0), 1, 1)
    pose = torch.cat([batch.goal_pose[:, :1], batch.odometry[each, extra]], 1)
    here = batch.odometry[:, t0].transpose(0, 1).flatten(0, 1).unsqueeze(1).expand(-1, 3, -1)
    target = relative(here, pose.repeat(len(t0), 1, 1))
    recalled, _ = model.foresee(some, target, target.new_zeros(len(target), 3, 1))
    return {"recall": (recalled - goal.detach()).square().mean()}
