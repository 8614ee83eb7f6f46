"""Imagination as fast as the machine multiplies matrices: the same as ``WorldModel.imagine``, for one belief.

What depends on the belief alone (maps foretold, the start of the drive train) is done once a belief. Of what depends
on the candidates only the drive train is sequential; the rest is a few multiplications of tall matrices, the points at
which the map is asked being their rows. Work is cut into pieces that stay in the cache, and big arrays are kept from
call to call. ``benchmark/planning.py`` says which part of the machine's own peak that reaches.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from latentworld.model.dynamics import integrate
from latentworld.model.heads import ASPECTS, spread_of
from latentworld.model.latent_map import rotate
from latentworld.model.world_model import Belief, Imagined, WorldModel

PIECE = 2048  # points at a time
LANES = 16  # numbers that a core handles at once


class Prepared(NamedTuple):
    """What is the same for all candidates. maps: (1 + maps_ahead, cells², C). motor: (1, M). place: (3,)."""

    maps: Tensor
    motor: Tensor
    place: Tensor


class RolloutEngine:
    """Imagines candidates from one belief at a time. Not for several threads at once: its buffers are its own."""

    def __init__(self, model: WorldModel):
        self.model, self.config = model, model.config
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
        # Of the drive train, what is added before both gates need not be added step by step.
        cell = model.drive_train.cell
        self.given_bias = cell.bias_ih.clone()
        self.given_bias[: 2 * cell.hidden_size] += cell.bias_hh[: 2 * cell.hidden_size]
        # What the state of the drive train and the field add to a risk, apart, so that they need not be put together.
        risk = model.risk.net[0]
        self.risk_bias, points = risk.bias, len(model.probe)
        by_motor, by_field = risk.weight[:, : cell.hidden_size], risk.weight[:, cell.hidden_size :]
        self.risk_by_motor = by_motor.T.contiguous()  # (M, 64)
        by_field = by_field.unflatten(1, (ASPECTS, points)).permute(2, 1, 0)
        self.risk_by_field = by_field.reshape(points * ASPECTS, -1).contiguous()  # (P * ASPECTS, 64)
        self.buffers: dict[tuple, Tensor] = {}

    def prepare(self, belief: Belief, velocity: Tensor) -> Prepared:
        """belief: of one robot. velocity: (1, 4) measured and commanded v, w."""
        model = self.model
        maps = model.foresight(belief.memory)
        motor = torch.tanh(model.drive_train.start(torch.cat([belief.hidden, velocity], -1)))
        return Prepared(maps[0].flatten(2).transpose(1, 2).contiguous(), motor, belief.place[0])

    def imagine(self, prepared: Prepared, actions: Tensor, dt: float) -> Imagined:
        """actions: (K, H, 2) m/s, rad/s. Parts of what comes are (1, K, H, ...), and good until the next call.

        In between all is (H, K, ...): a step's rows lie together, and nothing that is wide is turned over.
        """
        k, horizon, _ = actions.shape
        motor, poses = self._drive(prepared.motor, actions.transpose(0, 1), dt)
        probe = self.model.probe
        points = rotate(probe, poses[..., 2:].expand(horizon, k, len(probe))) + poses[..., None, :2]
        field = self._field(prepared, points, dt)  # (H, K, P, ASPECTS + n)
        said = self._buffer("said", horizon * k, len(probe), ASPECTS)
        said.copy_(field[..., :ASPECTS].reshape(said.shape))
        spreads = said[..., 1:4:2]  # of clearance and of ledge
        spreads.copy_(spread_of(spreads))
        hidden = torch.addmm(self.risk_bias, motor.view(horizon * k, -1), self.risk_by_motor)
        hidden.addmm_(said.flatten(1), self.risk_by_field).relu_()
        last = self.model.risk.net[2]
        contact, drop = torch.addmm(last.bias, hidden, last.weight.T).view(horizon, k, 2).unbind(-1)
        here = said.view(horizon, k, *said.shape[1:])[:, :, 0]
        doubt = _spread(field[:, :, 0, ASPECTS:])
        parts = (
            motor, poses, contact + here[..., 4], drop + here[..., 5], here[..., 0], here[..., 1], here[..., 2], doubt
        )  # fmt: skip
        return Imagined(*(part.transpose(0, 1).unsqueeze(0) for part in parts))

    def _drive(self, start: Tensor, actions: Tensor, dt: float) -> tuple[Tensor, Tensor]:
        """actions: (H, K, 2). Motor states (H, K, M) and poses (H, K, 3): a GRU, of which only what needs the state is
        in the loop.
        """
        horizon, k, _ = actions.shape
        cell = self.model.drive_train.cell
        m = cell.hidden_size
        steps = self._buffer("steps", horizon, k, 3)
        steps[..., :2], steps[..., 2] = actions, dt
        given = self._buffer("given", horizon * k, 3 * m)
        torch.addmm(self.given_bias, steps.view(-1, 3), cell.weight_ih.T, out=given)
        given = given.view(horizon, k, 3 * m)
        states, recalled = self._buffer("states", horizon, k, m), self._buffer("recalled", k, 3 * m)
        state, weight, bias = start.expand(k, m), cell.weight_hh.T, cell.bias_hh[2 * m :]
        to_gates, to_new = recalled[:, : 2 * m], recalled[:, 2 * m :]
        for gates, new, out in zip(given[..., : 2 * m], given[..., 2 * m :], states, strict=True):
            torch.mm(state, weight, out=recalled)
            gates.add_(to_gates).sigmoid_()
            new.addcmul_(gates[:, :m], to_new.add_(bias)).tanh_()
            state = torch.lerp(new, state, gates[:, m:], out=out)
        velocity = self.model.drive_train.velocity
        moved = torch.addmm(velocity.bias, states.view(-1, m), velocity.weight.T).view(horizon, k, 2).add_(actions)
        return states, integrate(moved.transpose(0, 1), dt).transpose(0, 1)

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
        cell, points = self.model.drive_train.cell, len(self.model.probe)
        m = cell.hidden_size
        step = 3 * m * (3 + m) + 2 * m
        point = self.first.numel() + sum(weight.numel() for weight, _ in self.second) + len(self.last) * self.said
        risk = sum(layer.weight.numel() for layer in self.model.risk.net if hasattr(layer, "weight"))
        return 2 * k * horizon * (step + points * point + risk)


def _spread(said: Tensor) -> Tensor:
    """Standard deviation along the last axis, of few numbers: term by term that is ten times as quick."""
    parts = said.unbind(-1)
    mean = sum(parts) / len(parts)
    return (sum((part - mean).square() for part in parts) / max(len(parts) - 1, 1)).sqrt()
