"""The spatial half of the belief: a map of latent features laid around the robot.

The map's axes stay parallel to ``odom`` and it scrolls by whole cells, so that what has been seen is moved
exactly, never blurred by resampling, however long it is out of sight. What one latent says is laid into it at the
robot's pose by one bilinear resampling and fused by a gate.

Cells are indexed [y, x]; ``grid_sample`` speaks of (x, y), which keeps x forward and y left as in REP-103.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentworld.model.config import ModelConfig


def rotate(points: Tensor, angle: Tensor) -> Tensor:
    """Turn points (..., 2) counter-clockwise by angle (...)."""
    c, s = angle.cos(), angle.sin()
    x, y = points.unbind(-1)
    return torch.stack([c * x - s * y, s * x + c * y], -1)


def compose(pose: Tensor, motion: Tensor) -> Tensor:
    """pose ∘ motion, both (..., 3) of x, y, yaw: the motion is in the frame of the pose."""
    return torch.cat([pose[..., :2] + rotate(motion[..., :2], pose[..., 2]), pose[..., 2:] + motion[..., 2:]], -1)


def relative(pose: Tensor, other: Tensor) -> Tensor:
    """``other`` seen from ``pose``: the motion with compose(pose, motion) = other, yaw in [-pi, pi)."""
    yaw = other[..., 2:] - pose[..., 2:]
    yaw = torch.remainder(yaw + torch.pi, 2 * torch.pi) - torch.pi
    return torch.cat([rotate(other[..., :2] - pose[..., :2], -pose[..., 2]), yaw], -1)


def cell_centres(cells: int, cell: float) -> Tensor:
    """(cells, cells, 2) metres (x, y) of each cell, the middle of the map being the origin."""
    line = (torch.arange(cells) + 0.5 - cells / 2) * cell
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y], -1)


class LatentLift(nn.Module):
    """What one latent says about the floor ahead of the camera: (N, V) -> (N, channels, across, ahead)."""

    def __init__(self, config: ModelConfig, channels: int):
        super().__init__()
        ahead, across = config.view_cells
        self.latent_dim, self.small = config.latent_dim, (64, across // 4, ahead // 4)
        self.linear = nn.Linear(config.latent_dim, 64 * (across // 4) * (ahead // 4))
        self.spread = nn.Sequential(
            nn.ReLU(),
            nn.ConvTranspose2d(64, 32, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(32, channels, 4, 2, 1),
        )

    def forward(self, latent: Tensor) -> Tensor:
        return self.spread(self.linear(latent[:, : self.latent_dim]).unflatten(1, self.small))


class LatentMap(nn.Module):
    """Lays latents into a map, scrolls it, looks things up in it."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        c = config.map_channels
        ahead, across = config.view_cells
        self.lift = nn.Sequential(LatentLift(config, c), nn.GroupNorm(1, c))
        self.fuse = nn.Conv2d(2 * c + 1, 2 * c, 3, padding=1)
        # What is seen is taken in, what is not stays: so from the start, or the map learns constants for good.
        with torch.no_grad():
            self.fuse.bias[:c] = -2.0
            self.fuse.weight[:c, 2 * c, 1, 1] += 3.0
        self.register_buffer("centres", cell_centres(config.map_cells, config.cell), persistent=False)
        self.register_buffer("view_extent", torch.tensor([ahead, across]) * config.cell, persistent=False)
        self.half = config.map_cells * config.cell / 2

    def view(self, latent: Tensor) -> Tensor:
        """(N, V) -> (N, C + 1, across, ahead): what is ahead of the camera, and a plane of ones where it can speak."""
        return F.pad(self.lift(latent), (0, 0, 0, 0, 0, 1), value=1.0)

    def scroll(self, memory: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        """Move the map by whole cells so that the robot at ``place`` (N, 3, in the map's frame) is in its middle cell.

        Returns the map (N, C, cells, cells) and the place in its new frame, within half a cell of the origin.
        """
        shift = (place[:, :2] / self.config.cell).round() * self.config.cell
        grid = (self.centres + shift[:, None, None]) / self.half
        moved = F.grid_sample(memory, grid, mode="nearest", align_corners=False)
        return moved, torch.cat([place[:, :2] - shift, place[:, 2:]], 1)

    def update(self, memory: Tensor, place: Tensor, view: Tensor) -> Tensor:
        """Lay ``view`` (N, C + 1, across, ahead), seen from ``place`` (N, 3), into the map and fuse."""
        c = self.config.map_channels
        local = rotate(self.centres - place[:, None, None, :2], -place[:, 2, None, None])
        # The view begins at the robot and reaches ahead; across it is centred.
        grid = 2 * local / self.view_extent - local.new_tensor([1.0, 0.0])
        seen = F.grid_sample(view, grid, align_corners=False)
        gate, candidate = self.fuse(torch.cat([memory, seen], 1)).split(c, 1)
        return torch.lerp(memory, seen[:, :c] + torch.tanh(candidate), torch.sigmoid(gate))

    def look_up(self, memory: Tensor, place: Tensor, points: Tensor) -> Tensor:
        """Features at points (N, P, 2), metres in the robot's frame, robot at ``place``. Returns (N, P, C)."""
        inside = rotate(points, place[:, None, 2]) + place[:, None, :2]
        found = F.grid_sample(memory, (inside / self.half).unsqueeze(2), align_corners=False)
        return found.squeeze(3).transpose(1, 2)
