"""Which things stand there, where their middles are, and how each looks: what a memory of objects is made of.

Every pixel with depth votes for the middle of the thing that it is part of (Hough voting in metres, as VoteNet, Qi et
al. 2019), so that a thing is found where it stands whatever side of it is seen. No classes and no names: two views of
one thing look alike to it, whatever it is, wherever it stands, in any light.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentworld.model.appearance import DARK
from latentworld.model.config import StoredConfig
from latentworld.robot import VIEW

FAR = 6.0  # metres beyond which depth tells nothing


@dataclass(frozen=True, slots=True)
class ObjectConfig(StoredConfig):
    image_size: int = 64  # pixels, square
    field_of_view: float = VIEW.intrinsics.field_of_view[0]  # radians, of that square
    camera_forward: float = VIEW.forward  # metres from the middle of the base to the camera
    camera_height: float = VIEW.height  # metres above the floor
    camera_pitch: float = VIEW.pitch  # radians that it looks down
    widths: tuple[int, ...] = (24, 48, 64, 96)
    look_dim: int = 32  # numbers by which a thing is known again

    @property
    def cells(self) -> int:
        """A side, of what is said about a picture."""
        return self.image_size // 2


class Votes(NamedTuple):
    """Cell by cell, H = W = config.cells. thing: (N, H, W) logits that it shows a thing rather than floor, wall or
    nothing. middle: (N, H, W, 2) metres (x, y) from the base to the middle of that thing. points: (N, H, W, 3) metres
    of what is seen there, NaN where depth is unknown. looks: (N, L, H, W).
    """

    thing: Tensor
    middle: Tensor
    points: Tensor
    looks: Tensor


class _Down(nn.Sequential):
    def __init__(self, before: int, width: int):
        super().__init__(
            nn.Conv2d(before, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
        )  # fmt: skip


class _Up(nn.Module):
    def __init__(self, deep: int, beside: int, width: int):
        super().__init__()
        self.mix = nn.Sequential(
            nn.Conv2d(deep + beside, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )

    def forward(self, deep: Tensor, beside: Tensor) -> Tensor:
        return self.mix(torch.cat([F.interpolate(deep, scale_factor=2), beside], 1))


class ObjectFinder(nn.Module):
    """A small U-Net (Ronneberger et al. 2015) over colours and points."""

    model_id: str = "unsaved"

    def __init__(self, config: ObjectConfig | None = None):
        super().__init__()
        self.config = config = config or ObjectConfig()
        before, downs = 7, []
        for width in config.widths:
            downs.append(_Down(before, width))
            before = width
        self.downs = nn.ModuleList(downs)
        ups = []
        for beside in reversed(config.widths[:-1]):
            width = max(beside, 32)
            ups.append(_Up(before, beside, width))
            before = width
        self.ups = nn.ModuleList(ups)
        self.say = nn.Sequential(nn.Conv2d(before, 64, 1), nn.ReLU(inplace=True), nn.Conv2d(64, 3, 1))
        self.look = nn.Sequential(nn.Conv2d(before, 64, 1), nn.ReLU(inplace=True), nn.Conv2d(64, config.look_dim, 1))
        # Nats by which the look of a view and that of a thing as known differ in likelihood, one thing against two:
        # the first times their cosine, less the second. Calibrated on rooms that were not learned from.
        self.register_buffer("kinship", torch.tensor([10.0, 6.0]))
        self.aim(config.field_of_view, config.camera_forward, config.camera_height, config.camera_pitch)

    def aim(self, field_of_view: float, forward: float, height: float, pitch: float) -> None:
        """Another camera, or one that sits elsewhere: radians of the middle square of its picture; metres from the
        middle of the base, and above the floor; radians that it looks down.
        """
        seen = rays(self.config.image_size, field_of_view, pitch)
        self.register_buffer("rays", seen, persistent=False)
        self.register_buffer("origin", torch.tensor([forward, 0.0, height]), persistent=False)

    def forward(self, rgb: Tensor, depth: Tensor) -> Votes:
        """rgb: (N, S, S, 3) uint8. depth: (N, S, S) metres or uint16 mm, 0 or non-finite where unknown."""
        metres = depth.to(torch.float32) if depth.is_floating_point() else depth.to(torch.float32) / 1000
        known = torch.isfinite(metres) & (metres > 0) & (metres < 0.99 * FAR)
        points = self.rays * torch.where(known, metres, 0.0)[..., None] + self.origin
        colours = rgb.to(torch.float32) / 255
        colours = colours / (colours.mean((1, 2, 3), keepdim=True) + DARK) - 1
        seen = torch.where(known[..., None], points / 2, 0.0)
        x = torch.cat([colours, seen, known[..., None]], -1).permute(0, 3, 1, 2)
        x = x.contiguous(memory_format=torch.channels_last)
        levels = []
        for down in self.downs:
            x = down(x)
            levels.append(x)
        for up, beside in zip(self.ups, reversed(levels[:-1]), strict=True):
            x = up(x, beside)
        said = self.say(x)
        points = torch.where(known[..., None], points, torch.nan)[:, ::2, ::2]
        return Votes(said[:, 0], points[..., :2] + said[:, 1:].permute(0, 2, 3, 1), points, self.look(x))


def rays(side: int, field_of_view: float, pitch: float) -> Tensor:
    """(side, side, 3): where a pixel looks, x forward, y left, z up, for 1 m along the optical axis."""
    focal = side / 2 / math.tan(field_of_view / 2)
    line = (torch.arange(side) + 0.5 - side / 2) / focal
    down, right = torch.meshgrid(line, line, indexing="ij")
    c, s = math.cos(pitch), math.sin(pitch)
    return torch.stack([c - s * down, -right, -s - c * down], -1)
