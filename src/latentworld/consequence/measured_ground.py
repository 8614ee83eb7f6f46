"""Belief and measurement fused: a planner is told what was measured, and what is believed where nothing was seen."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from latentworld.model.latent_map import rotate
from latentworld.types import MeasuredSpace

SPREAD = 0.03  # metres by which a measured distance is expected to be wrong
FAR = 10.0  # metres: what lies farther than the grid reaches
PATIENCE = 0.03  # metres a second by which what was seen free may have changed by then


class MeasuredGround:
    """A ``MeasuredSpace`` on the device, asked at points of the robot's frame. pose: (3,) of the robot, in odom."""

    def __init__(self, space: MeasuredSpace, pose: Tensor):
        maps = torch.from_numpy(np.stack([space.clearance, space.unseen, space.floor]))
        self.maps = maps.to(pose.device).unsqueeze(0)  # (1, 3, n, n)
        cells = space.clearance.shape[0]
        self.pose, self.scale = pose, 2 / (cells - 1) / space.cell
        self.first = pose.new_tensor(space.origin)

    def fuse(
        self, points: Tensor, ahead: Tensor, clearance: Tensor, spread: Tensor, radius: Tensor | float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Clearance at points (..., 2), as believed, with its spread (...), metres -> the same with what was measured,
        and metres (...) to the nearest ground that was not seen to be floor: no ledge is nearer; and to the nearest
        that was not seen at all, below 0 within it.

        ahead: seconds from now; radius: metres of the body at each point; both of a shape that fits (...).

        An obstacle is one that was measured, or one that is believed where nothing was seen. The spread is such that
        the probability of touching is that of whichever of the two is likelier to be touched: what was measured is
        nearer, but what is believed may be nearer still.
        """
        measured, unseen, floor = self._at(points)
        unseen = unseen - PATIENCE * ahead
        fused = torch.minimum(measured, torch.maximum(clearance, unseen))
        over, beyond = fused - radius, (unseen - radius).clamp(min=1e-6)
        # Laplace tails of the same height: exp(-over / told) = exp(-(clearance - radius) / spread), but none before
        # what is unseen begins.
        told = spread * over / (clearance - radius).clamp(min=1e-6)
        told = torch.where(over > 0, torch.minimum(told, SPREAD * over / beyond), spread)
        believed = (clearance > unseen) & ((over > 0) | (fused == clearance))
        return fused, torch.where(believed, told, SPREAD).clamp(min=SPREAD), floor, unseen

    def _at(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Metres from points (..., 2) to the nearest measured thing, to unseen ground, to ground not seen as floor."""
        odom = rotate(points, self.pose[2].expand(points.shape[:-1])) + self.pose[:2]
        at = (odom - self.first) * self.scale - 1
        found = F.grid_sample(self.maps, at.reshape(1, 1, -1, 2), padding_mode="border", align_corners=True)
        measured, unseen, floor = found[0, :, 0].unflatten(1, points.shape[:-1])
        inside = (at.abs() <= 1).all(-1)
        return torch.where(inside, measured, FAR), unseen * inside, floor * inside
