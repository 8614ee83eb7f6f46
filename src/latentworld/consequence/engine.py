"""Imagination for any body, as fast as the machine multiplies matrices.

Where the body goes is said by its motion model; what is there is read off the predicted maps at the discs that cover
its footprint (``robot.Base.discs``). Risk follows from clearance and its spread, so that one model serves every
body. What depends on the belief alone is computed once a belief; the rest is a few multiplications of tall matrices,
the points at which the map is asked being their rows. Work is cut into pieces that stay in the cache, and big arrays
are kept from call to call. ``benchmark/planning.py`` says which part of the machine's own peak that reaches.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from latentworld.consequence.measured_ground import SPREAD, MeasuredGround
from latentworld.consequence.motion import MotionModel
from latentworld.model.heads import ASPECTS, spread_of
from latentworld.model.latent_map import rotate
from latentworld.model.world_model import Belief, WorldModel
from latentworld.robot import Base

HIDDEN = 0.05  # least probability of contact where the base is on ground that was never seen
PIECE = 2048  # points at a time
LANES = 16  # numbers that a core handles at once


class Prepared(NamedTuple):
    """What is the same for all candidates. maps: (1 + maps_ahead, cells², C). velocity, command: (A,). place: (3,).
    ground: as it was measured, if it was.
    """

    maps: Tensor
    velocity: Tensor
    command: Tensor
    place: Tensor
    ground: MeasuredGround | None = None


class Rollout(NamedTuple):
    """K futures of H steps from one belief, all (K, H, ...).

    poses: (K, H, 3) in the robot's frame at the start. contact, drop: probabilities. clearance: metres from the body to
    the nearest obstacle. spread, doubt: metres, of the clearance, there where it is least. ledge: metres from the
    body to a ledge.
    """

    poses: Tensor
    contact: Tensor
    drop: Tensor
    clearance: Tensor
    spread: Tensor
    ledge: Tensor
    doubt: Tensor


class RolloutEngine:
    """Imagines candidates from one belief at a time. Not for several threads at once: its buffers are its own."""

    def __init__(self, model: WorldModel, base: Base, motion: MotionModel):
        self.model, self.config, self.motion = model, model.config, motion
        discs = self.first_like(base.discs)
        self.centres, self.radii = discs[:, :2].contiguous(), discs[:, 2].contiguous()
        opinions = (model.free_space.net, *model.free_space.others)
        self.opinions = len(opinions)
        first, second, last = ([net[i] for net in opinions] for i in (0, 2, 4))
        self.first = torch.cat([layer.weight for layer in first]).T.contiguous()  # (C, 64 n)
        self.first_bias = torch.cat([layer.bias for layer in first])
        self.second = [(layer.weight.T.contiguous(), layer.bias) for layer in second]  # n of (64, 64), (64,)
        # All opinions' mean, and beside it each one's clearance; as wide as a matrix product is quick with.
        n, width = self.opinions, len(self.second[0][1])
        self.said = ASPECTS + n
        self.last = self.first.new_zeros(n, width, -(-self.said // LANES) * LANES)
        self.last_bias = self.first.new_zeros(self.last.shape[2])
        for i, layer in enumerate(last):
            self.last[i, :, :ASPECTS] = layer.weight.T / n
            self.last[i, :, ASPECTS + i] = layer.weight[0]
            self.last_bias[:ASPECTS] += layer.bias / n
            self.last_bias[ASPECTS + i] = layer.bias[0]
        self.last = self.last.flatten(0, 1)  # (64 n, LANES or more)
        self.buffers: dict[tuple, Tensor] = {}

    def first_like(self, values: np.ndarray) -> Tensor:
        """Numbers where the model lies."""
        return next(self.model.parameters()).new_tensor(values)

    def prepare(
        self, belief: Belief, velocity: Tensor, command: Tensor, ground: MeasuredGround | None = None
    ) -> Prepared:
        """belief: of one robot. velocity, command: (A,) measured and commanded."""
        maps = self.model.foresight(belief.memory)
        return Prepared(maps[0].flatten(2).transpose(1, 2).contiguous(), velocity, command, belief.place[0], ground)

    def imagine(self, prepared: Prepared, actions: Tensor, dt: float) -> Rollout:
        """actions: (K, H, A) m/s, rad/s, m/s. What comes is good until the next call.

        In between all is (H, K, ...): a step's rows lie together, and nothing that is wide is turned over.
        """
        poses = self.motion(prepared.velocity, prepared.command, actions, dt)
        along = poses.transpose(0, 1)
        points = rotate(self.centres, along[..., 2:].expand(*along.shape[:2], len(self.centres))) + along[..., None, :2]
        field = self._field(prepared, points, dt)  # (H, K, P, ASPECTS + n)
        spread, ledge_spread = spread_of(field[..., 1]), spread_of(field[..., 3])
        clearance, ledge = field[..., 0], field[..., 2]
        if prepared.ground is not None:
            ahead = dt * torch.arange(1, len(points) + 1, device=points.device)[:, None, None]
            clearance, spread, floor, unseen = prepared.ground.fuse(points, ahead, clearance, spread, self.radii)
            ledge_spread = torch.where(floor > ledge, SPREAD, ledge_spread)
            ledge = torch.maximum(ledge, floor)
        clearance, ledge = clearance - self.radii, ledge - self.radii
        contact = below_zero(clearance, spread)
        if prepared.ground is not None:
            contact = torch.where(unseen < self.radii, contact.clamp(min=HIDDEN), contact)
        # Half of a disc may hang over an edge before the body tips.
        drop = below_zero(ledge + self.radii / 2, ledge_spread)
        doubt = _spread(field[..., ASPECTS:])
        if len(self.radii) == 1:
            parts = (contact, drop, clearance, spread, ledge, doubt)
            return Rollout(poses, *(part[..., 0].T for part in parts))
        nearest = clearance.argmin(-1, keepdim=True)
        at = (part.gather(-1, nearest)[..., 0].T for part in (clearance, spread, doubt))
        near, spread, doubt = at
        return Rollout(poses, contact.amax(-1).T, drop.amax(-1).T, near, spread, ledge.amin(-1).T, doubt)

    def _field(self, prepared: Prepared, points: Tensor, dt: float) -> Tensor:
        """What every opinion's mean says at points (H, K, P, 2), and the clearance by each: (H, K, P, ASPECTS + n)."""
        horizon = len(points)
        rows, shares = self._rows(prepared, points)
        maps = prepared.maps
        steps = torch.arange(horizon, device=points.device)
        rows += steps[:, None, None, None] * maps.shape[1]
        maps = torch.mm(self.model.foresight.shares((steps + 1) * dt), maps.flatten(1))
        rows, shares, table = rows.view(-1, 4), shares.view(-1, 4), maps.view(-1, prepared.maps.shape[-1])
        width = len(self.second[0][1])
        found = self._buffer("found", len(rows), len(self.last_bias))
        for begin in range(0, len(rows), PIECE):
            end = min(begin + PIECE, len(rows))
            features = F.embedding_bag(rows[begin:end], table, per_sample_weights=shares[begin:end], mode="sum")
            one, two = (self._buffer(name, PIECE, len(self.first_bias))[: end - begin] for name in ("one", "two"))
            torch.addmm(self.first_bias, features, self.first, out=one).relu_()
            for i, (weight, bias) in enumerate(self.second):
                mine = slice(i * width, (i + 1) * width)
                torch.addmm(bias, one[:, mine], weight, out=two[:, mine])
            torch.addmm(self.last_bias, two.relu_(), self.last, out=found[begin:end])
        return found[:, : self.said].view(*points.shape[:3], -1)

    def _rows(self, prepared: Prepared, points: Tensor) -> tuple[Tensor, Tensor]:
        """The four cells around each point (H, K, P, 2), as rows of a map, and the share of each: (H, K, P, 4)."""
        cells = self.config.map_cells
        x, y = points.unbind(-1)
        place = prepared.place
        c, s = place[2].cos() / self.config.cell, place[2].sin() / self.config.cell
        middle = place[:2] / self.config.cell + (cells - 1) / 2
        column, row = c * x - s * y + middle[0], s * x + c * y + middle[1]
        left, low = column.floor(), row.floor()
        right_share, high_share = column - left, row - low
        columns = torch.stack([left, left + 1, left, left + 1], -1)
        rows = torch.stack([low, low, low + 1, low + 1], -1)
        along = torch.stack([1 - right_share, right_share], -1).repeat(1, 1, 1, 2)
        across = torch.stack([1 - high_share, high_share], -1).repeat_interleave(2, -1)
        inside = (columns >= 0) & (columns < cells) & (rows >= 0) & (rows < cells)
        at = (rows * cells + columns).clamp_(0, cells * cells - 1).long()
        return at, along * across * inside

    def _buffer(self, name: str, *shape: int) -> Tensor:
        """An array of this shape that is used again in the next call."""
        key = (name, *shape)
        if key not in self.buffers:
            for other in [other for other in self.buffers if other[0] == name]:
                del self.buffers[other]
            self.buffers[key] = self.first.new_empty(shape)
        return self.buffers[key]

    def flops(self, k: int, horizon: int) -> int:
        """Multiplications and additions in matrix products for K candidates of H steps."""
        point = self.first.numel() + sum(weight.numel() for weight, _ in self.second) + len(self.last) * self.said
        return 2 * k * horizon * len(self.radii) * point


def below_zero(median: Tensor, spread: Tensor) -> Tensor:
    """Probability that what has this median and spread of a Laplace distribution is less than 0."""
    tail = 0.5 * torch.exp(-median.abs() / spread)
    return torch.where(median < 0, 1 - tail, tail)


def _spread(said: Tensor) -> Tensor:
    """Standard deviation along the last axis, of few numbers: term by term that is ten times as quick."""
    parts = said.unbind(-1)
    mean = sum(parts) / len(parts)
    return (sum((part - mean).square() for part in parts) / max(len(parts) - 1, 1)).sqrt()
