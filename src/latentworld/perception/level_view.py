"""The picture of any camera, turned level: a column a bearing, a row an elevation against the horizon.

A camera that only turns sees the same things, so that this needs no depth. What is left of a camera in it is its
height: a point of the floor at elevation ``-e`` is ``height / tan(e)`` metres away, whatever lens and tilt it has.
"""

from __future__ import annotations

import cv2
import numpy as np

from latentworld.perception.camera_tables import PIXELS
from latentworld.perception.rectification import Grid, Lens, fitted
from latentworld.robot import Camera

COLUMNS, ROWS = 192, 112  # pixels
PIXEL = np.radians(0.625)
TOP = np.radians(12.0)  # elevation of the upper edge
CELL = 2  # pixels of a cell, in which depth is estimated
AWAY = 10.0  # metres at which directions are projected


def bearings(step: int = 1) -> np.ndarray:
    """(COLUMNS / step,) radians of the middles of columns, left is positive."""
    return PIXEL * (COLUMNS / 2 - step * (np.arange(COLUMNS // step) + 0.5))


def elevations(step: int = 1) -> np.ndarray:
    """(ROWS / step,) radians of the middles of rows."""
    return TOP - PIXEL * step * (np.arange(ROWS // step) + 0.5)


def directions(step: int = 1) -> np.ndarray:
    """(ROWS / step, COLUMNS / step, 3) unit vectors: forward, left, up."""
    elevation, bearing = np.meshgrid(elevations(step), bearings(step), indexing="ij")
    return np.stack([np.cos(elevation) * np.cos(bearing), np.cos(elevation) * np.sin(bearing), np.sin(elevation)], -1)


class LevelView:
    """Turns pictures of one camera level, and what is found out about them back.

    seen: (ROWS, COLUMNS) bool, pixels that the camera shows. reach: (rows, columns) of the blocks of its picture,
    metres along its optical axis for each metre over the floor. height: metres of the camera.
    """

    def __init__(self, camera: Camera, shape: tuple[int, ...]):
        """shape: of the picture, (height, width, …)."""
        intrinsics = fitted(camera.intrinsics, shape, camera.name)
        self.grid, lens = Grid(intrinsics, PIXELS), Lens(intrinsics)
        c, s = np.cos(camera.mount.yaw), np.sin(camera.mount.yaw)
        self._turned = camera.mount.rotation.T @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])  # level -> camera
        self.lens, self.height = lens, camera.mount.z
        across, down = self.pixels()
        self.seen = self.inside(across, down)
        self._map = [np.nan_to_num(w, nan=-9).astype(np.float32) for w in self.grid.coordinates(across, down)]
        ahead = lens.directions(*self.grid.pixels(self.grid.step // 2)) @ self._turned
        level = np.hypot(ahead[..., 0], ahead[..., 1])
        self.reach = (1 / np.maximum(level, 1e-3)).astype(np.float32)
        column = (COLUMNS / 2 - np.arctan2(ahead[..., 1], ahead[..., 0]) / PIXEL) / CELL - 0.5
        row = (TOP - np.arctan2(ahead[..., 2], level)) / PIXEL / CELL - 0.5
        self._back = [np.nan_to_num(w, nan=-9).astype(np.float32) for w in (column, row)]

    def pixels(self, step: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Across and down in the camera's picture, (ROWS / step, COLUMNS / step) each; NaN where it shows nothing."""
        return self.lens.project(*np.moveaxis(AWAY * directions(step) @ self._turned.T, -1, 0))

    def inside(self, across: np.ndarray, down: np.ndarray) -> np.ndarray:
        """Whether pixels across and down lie in the picture."""
        height, width = self.grid.picture
        with np.errstate(invalid="ignore"):
            return (across >= 0) & (across <= width - 1) & (down >= 0) & (down <= height - 1)

    def look(self, rgb: np.ndarray) -> np.ndarray:
        """(ROWS, COLUMNS, 3) uint8; what is not ``seen`` is black."""
        level = cv2.remap(self.grid.shrunk(rgb), *self._map, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        level[~self.seen] = 0
        return level

    def back(self, level: np.ndarray) -> np.ndarray:
        """(rows, columns) of the camera's blocks, of a float32 value for each cell; NaN beyond the level view."""
        return cv2.remap(
            level, *self._back, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=float("nan")
        )
