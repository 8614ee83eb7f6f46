"""A map of the surfaces around a robot: points gathered in cells, and the mean and covariance of each neighbourhood.

This is the map of the normal distributions transform (NDT): Biber and Strasser, "The normal distributions transform: a
new approach to laser scan matching", IROS 2003. The grid rolls along with the robot, and forgets what was last seen
many metres of driving ago.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

CELL, SIDE = 0.1, 144  # metres a cell, cells a side
WINDOW = 3  # cells a side over which the points of a surface are gathered
FULL = 8.0  # weight of points in a cell from which on no more are added: the first ones lie best
FORGET = 15.0  # metres driven after which a cell that was not seen again is empty
FLAT = 0.01  # metres: least standard deviation across a surface
SMALL, LONG = 0.03, 0.06  # metres: standard deviation along a surface up to which it is a small thing; a wall


class Surfaces(NamedTuple):
    """The surface at each of N places.

    known: (N,) bool, whether there is one; elsewhere the rest means nothing. mean: (N, 2) metres. along: (N, 2) unit
    vector along it. variance_across, variance_along: (N,) m^2. small: (N,) 0-1, 1 for a thing that is short enough to
    tell where one is along it as well, 0 for a part of a wall.
    """

    known: np.ndarray
    mean: np.ndarray
    along: np.ndarray
    variance_across: np.ndarray
    variance_along: np.ndarray
    small: np.ndarray


class SurfaceMap:
    """Surfaces around one robot, in one fixed frame."""

    def __init__(self) -> None:
        # Sums over the points of a cell, indexed [y, x]: weight, x, y, x x, x y, y y.
        self._sums = np.zeros((SIDE, SIDE, 6))
        self._seen = np.full((SIDE, SIDE), -np.inf)  # metres driven when the cell was last seen
        self._corner: np.ndarray | None = None  # (2,) which cell of the frame cell [0, 0] is
        self._row = np.zeros((SIDE, SIDE), np.int32)  # of each cell in ``_surfaces``; the first one is no surface
        self._surfaces = _surfaces(np.zeros((0, 6)))

    @property
    def empty(self) -> bool:
        return len(self._surfaces.known) == 1

    def add(self, points: np.ndarray, weights: np.ndarray, position: np.ndarray, driven: float) -> None:
        """Take in points. points: (N, 2) metres. weights: (N,). position: (2,) metres, of the robot. driven: metres
        driven so far.
        """
        self._roll(position)
        cell, inside = self._cells(points)
        cell, points, weights = cell[inside], points[inside], weights[inside]
        sums, seen = self._sums.reshape(-1, 6), self._seen.reshape(-1)
        weights = np.where(sums[cell, 0] < FULL, weights, 0.0)
        x, y = points.T
        np.add.at(sums, cell, np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1) * weights[:, None])
        seen[cell] = driven
        sums[seen < driven - FORGET] = 0.0
        self._update()

    def at(self, points: np.ndarray) -> Surfaces:
        """The surfaces at points (N, 2) metres."""
        cell, inside = self._cells(points)
        row = np.where(inside, self._row.reshape(-1)[np.where(inside, cell, 0)], 0)
        return Surfaces(*(values[row] for values in self._surfaces))

    def _cells(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N,) index of the cell of each point, and whether it lies on the grid."""
        if self._corner is None:
            return np.zeros(len(points), np.int64), np.zeros(len(points), bool)
        column, row = (np.floor(points / CELL).astype(np.int64) - self._corner).T
        return row * SIDE + column, (column >= 0) & (column < SIDE) & (row >= 0) & (row < SIDE)

    def _roll(self, position: np.ndarray) -> None:
        """Bring the robot near the middle of the grid."""
        corner = np.floor(position / CELL).astype(np.int64) - SIDE // 2
        if self._corner is None:
            self._corner = corner
        dx, dy = corner - self._corner
        if max(abs(dx), abs(dy)) < SIDE // 8:
            return
        for grid, nothing in ((self._sums, 0.0), (self._seen, -np.inf)):
            grid[:] = np.roll(grid, (-dy, -dx), (0, 1))
            grid[_entered(dy)] = nothing
            grid[:, _entered(dx)] = nothing
        self._corner = corner

    def _update(self) -> None:
        sums = cv2.boxFilter(self._sums, -1, (WINDOW, WINDOW), normalize=False, borderType=cv2.BORDER_CONSTANT)
        known = sums[..., 0] > 0.5
        self._row[:] = 0
        self._row[known] = np.arange(1, np.count_nonzero(known) + 1)
        self._surfaces = _surfaces(sums[known])


def _entered(shift: int) -> slice:
    """Rows of the grid that are new after it has moved on by ``shift``."""
    return slice(max(SIDE - shift, 0), None) if shift > 0 else slice(0, -shift)


def _surfaces(sums: np.ndarray) -> Surfaces:
    """Of sums (M, 6) over points, M + 1 surfaces; the first one is none."""
    weight, x, y, xx, xy, yy = np.concatenate([[[1.0, 0, 0, 0, 0, 0]], sums]).T
    x, y = x / weight, y / weight
    xx, xy, yy = xx / weight - x * x, xy / weight - x * y, yy / weight - y * y
    half, apart = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)  # eigenvalues of the covariance: half +- apart
    variance_along = np.maximum(half + apart, 0)
    angle = np.arctan2(2 * xy, xx - yy) / 2
    return Surfaces(
        np.arange(len(x)) > 0,
        np.stack([x, y], -1),
        np.stack([np.cos(angle), np.sin(angle)], -1),
        np.maximum(half - apart, 0) + FLAT**2,
        variance_along,
        np.clip((LONG - np.sqrt(variance_along)) / (LONG - SMALL), 0, 1),
    )
