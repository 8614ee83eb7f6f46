"""Measured points of things that stand up from the floor, from a depth picture or a laser scan: what motion is matched
by.

Nothing is filled or guessed here: a pixel or a beam without a value gives no point.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from latentworld.perception.camera_tables import LOW, RISE, check, is_measured
from latentworld.perception.rectification import Lens, fitted
from latentworld.robot import Camera, Lidar, Robot
from latentworld.types import Frame, LatentworldError

COLUMNS, ROWS = 128, 64  # pixels of a depth picture that are looked at, at most
TOP = 1.0  # metres above the floor up to which things are looked at
FARTHEST = 8.0  # metres: beyond it depth cameras say too little
END, SIGMAS = 0.02, 4.0  # share of the range, and deviations of its noise, before its end within which depth is ignored


def standing_points(frame: Frame, robot: Robot) -> np.ndarray:
    """(N, 3) float32 metres in ``base_link`` at the exposure: what the depth of one frame shows above the floor.

    The frame belongs to the camera that its ``frame_id`` names, else to the robot's first. A frame or a camera without
    depth gives none. Values at the end of a camera's range are left out: what is farther is often reported there.

    Raises LatentworldError for arrays that are not what Frame promises, and for pictures that are not the described
    camera's.
    """
    camera = next((c for c in robot.cameras if c.name == frame.frame_id), robot.camera)
    check(camera, frame)
    if frame.depth is None or camera.depth is None:
        return np.zeros((0, 3), np.float32)
    return _table(camera, frame.depth.shape).points(frame.depth)


def scan_points(ranges: np.ndarray, lidar: Lidar) -> np.ndarray:
    """(N, 3) float32 metres in ``base_link``: where the beams of a planar scan ended. ranges: (M,) metres, evenly from
    ``lidar.first`` to ``lidar.last``; what is not between ``lidar.least`` and ``lidar.most`` gives no point.
    """
    if ranges.ndim != 1 or len(ranges) < 2:
        raise LatentworldError(f"scan {lidar.name}: expected ranges (N,) of 2 or more beams, got {ranges.shape}")
    turned, place = _beams(lidar, len(ranges))
    with np.errstate(invalid="ignore"):
        hit = (ranges >= max(lidar.least, 1e-3)) & (ranges <= lidar.most)
    return turned[hit] * ranges[hit, None].astype(np.float32) + place


class _Table:
    """Directions of the pixels that are looked at, of one camera's depth pictures of one size."""

    def __init__(self, camera: Camera, shape: tuple[int, int]):
        depth = self._depth = camera.depth
        name = camera.name if depth.registered else f"{camera.name}.depth"
        intrinsics = fitted(depth.intrinsics or camera.intrinsics, shape, name)
        mount = camera.mount if depth.registered else depth.mount or camera.mount
        self._rows, self._columns = (_spread(n, most) for n, most in zip(shape, (ROWS, COLUMNS), strict=True))
        across, down = np.meshgrid(self._columns.astype(float), self._rows.astype(float))
        rays = Lens(intrinsics).directions(across, down) @ mount.rotation.T
        self._rays = np.ascontiguousarray(rays.reshape(-1, 3).T.astype(np.float32))  # NaN where the lens has none
        self._place = mount.position.astype(np.float32)
        away = np.hypot(self._rays[0], self._rays[1])
        # Height above the least height of a thing that stands, and below TOP, are linear in depth.
        self._above, self._least = self._rays[2] - np.float32(RISE) * away, np.float32(LOW - mount.z)
        self._top = np.float32(TOP - mount.z)
        self._end = np.float32(min(depth.most * (1 - END - SIGMAS * depth.noise), FARTHEST))

    def points(self, depth: np.ndarray) -> np.ndarray:
        metres = depth[self._rows[:, None], self._columns].ravel()
        with np.errstate(invalid="ignore"):
            stands = is_measured(metres, self._depth) & (metres < self._end)
            stands &= (self._above * metres > self._least) & (self._rays[2] * metres < self._top)
        index = np.flatnonzero(stands)
        return (self._rays[:, index] * metres[index]).T + self._place


@lru_cache(maxsize=16)
def _table(camera: Camera, shape: tuple[int, int]) -> _Table:
    return _Table(camera, shape)


@lru_cache(maxsize=16)
def _beams(lidar: Lidar, count: int) -> tuple[np.ndarray, np.ndarray]:
    bearing = np.linspace(lidar.first, lidar.last, count)
    level = np.stack([np.cos(bearing), np.sin(bearing), np.zeros(count)], -1)
    return (level @ lidar.mount.rotation.T).astype(np.float32), lidar.mount.position.astype(np.float32)


def _spread(count: int, most: int) -> np.ndarray:
    """Indices of at most ``most`` of ``count`` rows, evenly spread."""
    if count <= most:
        return np.arange(count)
    return ((np.arange(most) + 0.5) * (count / most)).astype(int)
