"""Depth from colour: one picture, turned level -> what is floor, what stands on it, and how far away that is.

The encoder is the first eleven blocks of EfficientNet-Lite0 (Tan and Le 2019; Lite: no squeeze-and-excitation, ReLU6),
whose weights come from ImageNet: it knows textures that no simulator draws. Distances are told in camera heights, so
that one network serves a camera at 0.1 m and one at 1.4 m.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentworld.model.config import StoredConfig

FLOOR, ABOVE, BELOW = 0, 1, 2  # what a cell shows: the floor, something on it, a place lower than it
# Blocks of EfficientNet-Lite0: kernel, stride, expansion, channels; repeated.
BLOCKS = ((3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3))
MEAN, SCALE = 127.0, 128.0  # of its input


@dataclass(frozen=True, slots=True)
class DepthConfig(StoredConfig):
    """The level view that it reads, and widths of the decoder from coarse to fine."""

    columns: int = 192
    rows: int = 112
    pixel: float = 0.625  # degrees
    top: float = 12.0  # degrees of elevation of the upper edge
    widths: tuple[int, ...] = (96, 64, 48, 32)


class Estimate(NamedTuple):
    """Of N views, for cells of 2 x 2 pixels. kind: (N, 3, h, w) logits of FLOOR, ABOVE, BELOW. nearness: (N, h, w)
    log(camera height / metres over the floor to what is seen). spread: (N, h, w) log of nearness' expected error.
    """

    kind: Tensor
    nearness: Tensor
    spread: Tensor


class Block(nn.Module):
    """Inverted residual (Sandler et al. 2018), its batch norms folded into the convolutions."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = before * expansion
        self.expand = nn.Conv2d(before, wide, 1) if expansion > 1 else None
        self.depthwise = nn.Conv2d(wide, wide, kernel, stride, kernel // 2, groups=wide)
        self.project = nn.Conv2d(wide, after, 1)
        self.residual = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.residual else y


class _Up(nn.Module):
    """Coarse features, finer ones, and where in the view each cell is."""

    def __init__(self, coarse: int, fine: int, width: int):
        super().__init__()
        self.narrow = nn.Conv2d(coarse, width, 1)
        self.beside = nn.Conv2d(fine + PLACE, width, 1)
        self.mix = nn.Conv2d(width, width, 5, 1, 2, groups=width)
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, coarse: Tensor, fine: Tensor, place: Tensor) -> Tensor:
        x = F.interpolate(self.narrow(coarse), size=fine.shape[-2:], mode="bilinear")
        x = F.relu(x + self.beside(torch.cat([fine, place], 1)))
        return x + F.relu(self.out(F.relu(self.mix(x))))


PLACE = 4  # numbers that say where a cell is, and how high the camera


class DepthEstimator(nn.Module):
    model_id: str = "unsaved"

    def __init__(self, config: DepthConfig | None = None):
        super().__init__()
        self.config = config = config or DepthConfig()
        self.stem = nn.Conv2d(3, 32, 3, 2, 1)
        before, stages, channels = 32, [], []
        for kernel, stride, expansion, after, repeats in BLOCKS:
            blocks = []
            for n in range(repeats):
                blocks.append(Block(before, after, kernel, stride if n == 0 else 1, expansion))
                before = after
            stages.append(nn.Sequential(*blocks))
            channels.append(after)
        self.stages = nn.ModuleList(stages)
        deep, eighth, quarter, half = config.widths
        self.context = nn.ModuleList(
            nn.Sequential(nn.Conv2d(w, deep, 1), nn.ReLU(), nn.Conv2d(deep, deep, 7, 1, 3, groups=deep))
            for w in (channels[4] + PLACE, deep, deep)
        )
        self.ups = nn.ModuleList(
            [_Up(deep, channels[2], eighth), _Up(eighth, channels[1], quarter), _Up(quarter, channels[0], half)]
        )
        self.say = nn.Conv2d(half, 5, 1)
        rows = config.rows // 2
        elevation = math.radians(config.top) - math.radians(config.pixel) * 2 * (torch.arange(rows) + 0.5)
        self.register_buffer("elevation", elevation, persistent=False)

    def forward(self, rgb: Tensor, height: Tensor) -> Estimate:
        """rgb: (N, rows, columns, 3) uint8, 0 where nothing is seen. height: (N,) metres of the camera."""
        seen = (rgb > 0).any(-1, keepdim=True)
        x = torch.where(seen, (rgb.to(torch.float32) - MEAN) / SCALE, 0.0).permute(0, 3, 1, 2)
        x = F.relu6(self.stem(x.contiguous(memory_format=torch.channels_last)))
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        places = self._places(height, seen[:, :, :, 0])
        half, quarter, eighth, _, deep = levels
        x = torch.cat([deep, _at(places, deep)], 1)
        for n, layer in enumerate(self.context):
            y = F.relu(layer(x))
            x = y if n == 0 else x + y
        for up, fine in zip(self.ups, (eighth, quarter, half), strict=True):
            x = up(x, fine, _at(places, fine))
        said = self.say(x)
        floor = torch.log(torch.tan((-self.elevation).clamp_min(math.radians(1.0))))[:, None]
        return Estimate(said[:, :3], floor + said[:, 3], said[:, 4].clamp(-3, 2))

    def _places(self, height: Tensor, seen: Tensor) -> Tensor:
        """(N, PLACE, h, w)."""
        n, rows, columns = len(height), len(self.elevation), self.config.columns // 2
        tangent = torch.log(torch.tan((-self.elevation).clamp_min(math.radians(1.0))))
        rowwise = torch.stack([2 * self.elevation, 0.5 * tangent])[None, :, :, None].expand(n, 2, rows, columns)
        high = torch.log(height).view(n, 1, 1, 1).expand(n, 1, rows, columns)
        shown = F.avg_pool2d(seen[:, None].to(torch.float32), 2)
        return torch.cat([rowwise, high, shown], 1)


def _at(places: Tensor, level: Tensor) -> Tensor:
    return F.adaptive_avg_pool2d(places, level.shape[-2:])
