"""A world model of a scene before a camera at rest: patches become latents, a recurrent grid keeps what is hidden.

No action, no map: what moves, moves by physics. The belief is laid out like the picture, so that what is known about a
place stays there until it moves on, whether it can be seen or not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentworld.model.config import StoredConfig

CELLS = 8  # a side
SIDE = 64  # pixels
COLOURS = 2  # numbers that say the colour of a cell
DARK = 0.02  # mean brightness of a picture, 1 being half of white, below which there is nothing to see by


@dataclass(frozen=True, slots=True)
class SceneConfig(StoredConfig):
    latent_dim: int = 14  # learned numbers a cell; two more say its colour
    hidden_dim: int = 64
    stride: int = 2  # frames of film from one look to the next
    reach: int = 4  # looks ahead that are foretold
    horizons: tuple[int, ...] = (2, 3, 4)  # those by which surprise is judged

    def within(self, looks: int) -> SceneConfig:
        """For films of no more than so many looks: what lies beyond can't be learned from them."""
        reach = min(self.reach, looks - 1)
        return replace(self, reach=reach, horizons=tuple(ahead for ahead in self.horizons if ahead <= reach))


class SceneBelief(NamedTuple):
    """hidden: (N, H, 8, 8), the recurrent grid. latents: (N, L, 8, 8), the last seen."""

    hidden: Tensor
    latents: Tensor


class Foreseen(NamedTuple):
    """The next K looks. latents: (N, K, L, 8, 8). doubt: (N, K, A, 8, 8), log of the squared errors to be expected."""

    latents: Tensor
    doubt: Tensor


class PatchEncoder(nn.Module):
    """Pixels -> latents of unit variance. A cell's latent comes from 12 pixels squared and no more.

    An encoder that sees farther learns to leave out what moves and to speak of the background around it, which is easy
    to predict; this one has nothing else to speak of. Colour it would still leave out, for where things are changes
    more: so the mean of the eye's two opponent channels over the cell stands beside what is learned.
    """

    def __init__(self, config: SceneConfig) -> None:
        super().__init__()
        self.look = nn.Sequential(
            nn.Conv2d(3, 48, 8, 4, 2), nn.ReLU(),
            nn.Conv2d(48, 96, 2, 2), nn.BatchNorm2d(96), nn.ReLU(),
            nn.Conv2d(96, config.latent_dim, 1), nn.BatchNorm2d(config.latent_dim, affine=False),
        )  # fmt: skip
        self.colour = nn.BatchNorm2d(COLOURS, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 64, 64) in [-1, 1] -> (N, D + 2, 8, 8).

        Brightness is measured in that of the whole picture: a lamp that is dimmed changes nothing.
        """
        x = x + 1
        x = x / x.mean((1, 2, 3), keepdim=True).clamp_min(DARK) - 1
        red, green, blue = F.adaptive_avg_pool2d(x, CELLS).unbind(1)
        opponent = torch.stack([red - green, blue - (red + green) / 2], 1)
        return torch.cat([self.look(x.contiguous(memory_format=torch.channels_last)), self.colour(opponent)], 1)


class Foresight(nn.Module):
    """From a belief to the next K = reach looks, all at once.

    No look is made of the one before it: rolled out, errors add up, and four minutes of training are worth less (58 %
    of pairs told apart, against 72).
    """

    def __init__(self, config: SceneConfig, numbers: int, aspects: int) -> None:
        """numbers: that are foretold of a cell. aspects: their errors to be expected."""
        super().__init__()
        known = config.hidden_dim + config.latent_dim + COLOURS
        self.looks = config.reach
        self.change = self._head(known, 128, self.looks * numbers)
        self.doubt = self._head(known, 48, self.looks * aspects)

    def forward(self, hidden: Tensor, latents: Tensor, last: Tensor) -> Foreseen:
        """last: (N, numbers, 8, 8), what changes."""
        known = torch.cat([hidden, latents], 1)
        change, doubt = (out.unflatten(1, (self.looks, -1)) for out in (self.change(known), self.doubt(known.detach())))
        return Foreseen(last.unsqueeze(1) + change, doubt)

    @staticmethod
    def _head(known: int, width: int, out: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(known, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, out, 1))


class SceneModel(nn.Module):
    """Joint-embedding prediction (JEPA, LeCun 2022) with a convolutional recurrent belief (ConvGRU, arXiv 1511.06432).

    Beside its neighbours, every cell of the belief hears of its whole row and column: a wall that stands up behind a
    screen says what will come of a ball that went behind it.
    """

    model_id: str = "unsaved"

    def __init__(self, config: SceneConfig = SceneConfig()) -> None:
        super().__init__()
        self.config = config
        latent, hidden = config.latent_dim + COLOURS, config.hidden_dim
        self.encoder = PatchEncoder(config)
        self.gates = nn.Conv2d(2 * latent + hidden, 2 * hidden, 3, padding=1)
        self.candidate = nn.Conv2d(2 * latent + hidden, hidden, 3, padding=1)
        nn.init.constant_(self.gates.bias, -1.0)  # to begin with, keep what is known
        self.along = nn.ModuleList(nn.Linear(hidden, 3 * hidden, bias=False) for _ in range(2))  # rows, columns
        for layer in self.along:
            nn.init.normal_(layer.weight, std=0.02)
        self.foresight = Foresight(config, latent, 2)
        # How possible clips score (tracking.scene_surprise): mean and spread of two statistics, quantiles.
        self.register_buffer("surprise_scale", torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
        self.register_buffer("surprise_quantiles", torch.linspace(-3, 3, 513))
        self.to(memory_format=torch.channels_last)

    def encode(self, pixels: Tensor) -> Tensor:
        """(N, T, 64, 64, 3) uint8 -> latents (N, T, L, 8, 8) of unit variance, L = D + 2."""
        x = pixels.flatten(0, 1).permute(0, 3, 1, 2).float().div(127.5).sub(1)
        return self.encoder(x).unflatten(0, pixels.shape[:2])

    def start(self, latents: Tensor) -> SceneBelief:
        """The belief after one frame (N, L, 8, 8), nothing being known before it."""
        hidden = latents.new_zeros(len(latents), self.config.hidden_dim, CELLS, CELLS)
        return self.update(SceneBelief(hidden, latents), latents)

    def update(self, belief: SceneBelief, latents: Tensor) -> SceneBelief:
        """Take in the next frame."""
        return SceneBelief(self.recur(belief.hidden, belief.latents, latents), latents)

    def recur(self, hidden: Tensor, before: Tensor, latents: Tensor) -> Tensor:
        """The recurrent grid after another frame; beside it stands its change since the last: motion at first sight."""
        seen = torch.cat([latents, latents - before], 1)
        gates, candidate = self._lines(hidden).split([2 * self.config.hidden_dim, self.config.hidden_dim], 1)
        reset, update = torch.sigmoid(self.gates(torch.cat([seen, hidden], 1)) + gates).chunk(2, 1)
        new = torch.tanh(self.candidate(torch.cat([seen, reset * hidden], 1)) + candidate)
        return hidden + update * (new - hidden)

    def _lines(self, hidden: Tensor) -> Tensor:
        """What each cell hears of its row and of its column: (N, 3 H, 8, 8)."""
        rows, columns = (
            layer(hidden.mean(axis).mT).mT.unsqueeze(axis) for layer, axis in zip(self.along, (3, 2), strict=True)
        )
        return rows + columns

    def track(self, latents: Tensor) -> SceneBelief:
        """Beliefs after each of T frames: parts (N, T, ...). latents: (N, T, L, 8, 8)."""
        belief = self.start(latents[:, 0])
        beliefs = [belief]
        for frame in latents.unbind(1)[1:]:
            belief = self.update(belief, frame)
            beliefs.append(belief)
        return SceneBelief(*(torch.stack(parts, 1) for parts in zip(*beliefs, strict=True)))

    def foresee(self, belief: SceneBelief) -> Foreseen:
        """The next looks, if everything goes by physics."""
        return self.foresight(belief.hidden, belief.latents, belief.latents)

    def errors(self, foreseen: Tensor, came: Tensor) -> Tensor:
        """Mean squared error of each aspect, look and colour: latents (..., L, 8, 8) -> (..., A, 8, 8)."""
        off = (foreseen - came).square()
        return torch.stack([part.mean(-3) for part in off.split([self.config.latent_dim, COLOURS], -3)], -3)
