"""Depth of cameras that measure none: estimated from one picture, as a depth picture and as a range scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from latentworld.model.depth_estimator import ABOVE, BELOW, FLOOR, DepthEstimator
from latentworld.perception.canonical_view import CanonicalView
from latentworld.perception.level_view import CELL, COLUMNS, PIXEL, ROWS, LevelView, bearings, elevations
from latentworld.perception.range_scan import SECTORS, sector, top_of
from latentworld.robot import Camera, Depth, Robot
from latentworld.types import Frame, RangeScan

FAR = 8.0  # metres beyond which an estimate says nothing
ESTIMATED = Depth(least=0.02, most=FAR, noise=0.1)
UNSURE = 0.35  # expected error of log distance from which on a cell is unknown
STEP = 0.25  # metres over the floor that one cell may cover, for a scan to count there
LOWEST = 0.05  # metres above the floor from which on something hangs
AGREE = 3  # cells of a column that must say so
ABOUT = 0.1  # metres below the camera from which on a thing is as high as it
NEARER = 0.8  # share of the distance to its foot from which on something hangs over it
SURE = 0.5  # probability of its kind from which on a cell counts in a scan


class Cells(NamedTuple):
    """What the cells of a level view show. kind: (3, h, w) probabilities of FLOOR, ABOVE, BELOW. far: (h, w) metres
    over the floor to what is seen. unsure: (h, w) expected error of its logarithm. seen: (h, w) bool.
    """

    kind: np.ndarray
    far: np.ndarray
    unsure: np.ndarray
    seen: np.ndarray


class EstimatedDepth:
    """Estimates for the cameras of one robot."""

    def __init__(self, model: DepthEstimator, view: CanonicalView):
        """view: the model's view through the robot's cameras, which measure no depth."""
        self.model = model
        robot = view.robot
        self.robot = replace(robot, cameras=tuple(replace(c, depth=ESTIMATED) for c in robot.cameras))
        self._view = view.of(self.robot)
        self._levels: dict[tuple, LevelView] = {}

    def look(self, frames: Sequence[Frame]) -> tuple[CanonicalView, list[Frame], tuple[RangeScan, ...]]:
        """The view to look at them through, the frames with depth (NaN where it is unknown), and scans of the ground.

        Raises LatentworldError for a picture that is not the described camera's.
        """
        deep, scans = [], []
        for frame in frames:
            camera = self._view.camera_of(frame)
            key = camera.name, frame.rgb.shape
            if key not in self._levels:
                self._levels[key] = LevelView(camera, frame.rgb.shape)
            level = self._levels[key]
            cells = self.cells(level, frame.rgb)
            deep.append(replace(frame, depth=depth_picture(cells, level)))
            scans.append(ground_scan(cells, level, self.robot, camera))
        return self._view, deep, tuple(scans)

    def cells(self, level: LevelView, rgb: np.ndarray) -> Cells:
        """What a picture shows."""
        turned = np.maximum(level.look(rgb), level.seen[..., None].view(np.uint8))
        with torch.inference_mode():
            height = torch.tensor([level.height], dtype=torch.float32)
            said = self.model(torch.from_numpy(turned)[None], height)
            kind, near, spread = said.kind[0].softmax(0).numpy(), said.nearness[0].numpy(), said.spread[0].numpy()
        seen = level.seen.reshape(ROWS // CELL, CELL, COLUMNS // CELL, CELL).all((1, 3))
        return Cells(kind, level.height * np.exp(-near), np.exp(spread), seen)


def floor_reach(height: float, elevation: np.ndarray) -> np.ndarray:
    """Metres over the floor to where a ray of this elevation meets it; infinite above the horizon."""
    return np.where(elevation < -1e-3, height / np.tan(np.maximum(-elevation, 1e-3)), np.inf)


def depth_picture(cells: Cells, level: LevelView) -> np.ndarray:
    """(rows, columns) float32 metres along the optical axis, of the blocks of the camera's picture."""
    floor = floor_reach(level.height, elevations(CELL))[:, None]
    kind = cells.kind.argmax(0)
    far = np.where(kind == ABOVE, np.minimum(cells.far, floor), np.maximum(cells.far, floor))
    far = np.where(kind == FLOOR, floor, far)
    known = cells.seen & ((kind == FLOOR) | (cells.unsure < UNSURE)) & (far < FAR)
    return level.back(np.where(known, far, np.nan).astype(np.float32)) * level.reach


class Feet(NamedTuple):
    """Where the ground ends at each bearing of a level view, (w,) each, metres from the camera over the ground. seen:
    bool, whether any ground is told about. near, free: it is free from here to there, free is 0 where it is not.
    nearest: the foot of what stands there, infinite for nothing.
    """

    seen: np.ndarray
    near: np.ndarray
    free: np.ndarray
    nearest: np.ndarray


def feet(cells: Cells, height: float, top: float) -> Feet:
    """height: metres of the camera. top: of the robot; what hangs lower is in its way, as the top of a table.

    Only cells count that cover little of the floor: farther away, one more or less is too far.
    """
    elevation = elevations(CELL)
    below = np.flatnonzero(elevation < -PIXEL * CELL / 2)[::-1]  # from the lower edge of the view up
    elevation, column = elevation[below], np.arange(cells.seen.shape[1])
    floor, above, lower = (cells.kind[kind][below] for kind in (FLOOR, ABOVE, BELOW))
    far = cells.far[below]
    reach = floor_reach(height, elevation)
    seen = cells.seen[below] & ((height**2 + reach**2) / height * PIXEL * CELL < STEP)[:, None]
    told = seen.any(0)
    begin = np.where(told, seen.argmax(0), 0)
    end = len(below) - np.where(told, seen[::-1].argmax(0), len(below))
    other = seen & (floor < SURE)
    first = np.where(other.any(0), other.argmax(0), end)  # cell that is not floor
    at, before = np.minimum(first, len(below) - 1), np.maximum(first - 1, 0)
    upper = np.minimum(first + 1, len(below) - 1)
    # One above the other, they must agree that it is not floor; an edge is not told from a foot by its first cell.
    taller = above[at, column] + above[upper, column] > lower[at, column] + lower[upper, column]
    stands = (first < end) & taller & (floor[upper, column] < SURE)
    # The foot is where, between the middles of two cells, half of the probability is reached.
    now, then = floor[at, column], floor[before, column]
    share = np.clip((then - SURE) / np.maximum(then - now, 1e-3), 0, 1)
    foot = floor_reach(height, elevation[before] + PIXEL * CELL * share)
    hidden = first <= begin  # it stands below the picture
    # What hides the floor, or hangs over it, begins where its own lowest cells are.
    lowest = np.minimum(first + np.arange(AGREE)[:, None], len(below) - 1)
    own = np.median(far[lowest, column], 0)
    foot = np.where(hidden, np.minimum(own, reach[begin]), foot)
    hangs = np.where(stands & ~hidden, own, np.inf)
    hangs = np.minimum(hangs, _at_eye_level(cells, height, top))
    over = hangs < NEARER * foot
    foot, stands = np.where(over, hangs, foot), stands | over
    free = np.where(told & ~hidden, foot, 0.0)
    return Feet(told, np.where(told, reach[begin], np.inf), free, np.where(told & stands, foot, np.inf))


def _at_eye_level(cells: Cells, height: float, top: float) -> np.ndarray:
    """(w,) metres to the nearest thing at each bearing that is about as high as the camera and not too high, by its
    own distance; infinite for none. The floor below it may be seen, as below a table.

    Single distances err: the third nearest of a column counts.
    """
    rise = height + cells.far * np.tan(elevations(CELL))[:, None]
    there = cells.seen & (cells.kind[ABOVE] >= SURE) & (cells.unsure < UNSURE)
    there &= (rise > max(height - ABOUT, LOWEST)) & (rise < top)
    away = np.where(there, cells.far, np.inf)
    return np.partition(away, AGREE - 1, axis=0)[AGREE - 1]


def ground_scan(cells: Cells, level: LevelView, robot: Robot, camera: Camera) -> RangeScan:
    """How far the ground is free around the robot, up to the foot of the first thing that stands, or to an edge."""
    found = feet(cells, level.height, top_of(robot))
    nearest, near, free = (np.full(SECTORS, np.inf, np.float32) for _ in range(3))
    places = sector(bearings(CELL) + camera.mount.yaw)
    for values, told in ((nearest, found.nearest), (near, found.near), (free, found.free)):
        np.minimum.at(values, places[found.seen], told[found.seen].astype(np.float32))
    free = np.where(np.isfinite(free), free, 0)  # it ends at a ledge as well, where the belief says how far that is
    none = np.full_like(nearest, np.inf)
    return RangeScan(camera.mount.position[:2], nearest, near, free, none, none, estimated=True)
