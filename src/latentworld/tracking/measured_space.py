"""The ground around the robot as it was measured: what is occupied, what is free, what was never seen.

A grid whose axes are those of ``odom``; it scrolls with the robot by whole cells. Range scans are laid into it as
evidence for occupied and free, in log odds (Moravec and Elfes 1985), so that errors of single frames are outvoted
and what went away is forgotten as soon as the ground is seen free again.
"""

from __future__ import annotations

import cv2
import numpy as np

from latentworld.robot import Base
from latentworld.types import MeasuredSpace, RangeScan

CELL, SIDE = 0.05, 144  # metres a cell, cells a side
OCCUPIED, FREE, MOST = 0.9, -0.5, 3.0  # evidence of a scan, and the most that is kept (log odds)
GUESSED = 0.45  # evidence for occupied, of a scan that is estimated from colour
IS_FREE, IS_OCCUPIED = -0.7, 0.5  # from where on it counts
BEFORE, BEHIND = 0.02, 0.08  # metres about a range within which the thing is: its face, and some of what is behind it
DEEP, PRESUMED = 0.25, 0.6  # metres that things are deep, presumably, until it is seen; evidence for that
RIM, ASIDE = 0.1, 0.5  # metres before the base in which what it touches lies; least cosine of the angle off its way
FLAT = 1.2  # metres from a camera within which it tells the floor from lower ground, however low it is
SEEN, COUNTED = 3, 10  # frames in which ground was seen to be floor, from which on it counts as that, and at most
REACH = 3.5  # metres within which a scan is laid in
SHORT = 0.03  # metres before a thing up to which the ground is free


class MeasuredGrid:
    """Keeps the grid of one robot. Ledges are occupied, as things are: the base must keep off either."""

    def __init__(self, base: Base, presume: bool = True) -> None:
        """presume: that things are ``DEEP``, where nothing of the ground behind their faces was seen yet."""
        self._discs, self._presume = base.discs, presume
        line = np.arange(SIDE) - SIDE // 2
        self._row, self._column = np.meshgrid(line, line, indexing="ij")
        self.reset()

    def reset(self) -> None:
        """Know nothing."""
        self.evidence = np.zeros((SIDE, SIDE), np.float32)
        self._floor = np.zeros((SIDE, SIDE), np.int8)  # frames in which it was seen to be floor
        self._middle: np.ndarray | None = None  # (2,) which cell of odom the middle cell is

    def observe(self, scans: tuple[RangeScan, ...], pose: np.ndarray) -> None:
        """Take in what was measured from ``pose`` (x, y, yaw in odom)."""
        self._scroll(pose)
        for scan in scans:
            self._lay(scan, pose)
        self._stand(pose)

    def touch(self, pose: np.ndarray, way: np.ndarray) -> None:
        """The base at ``pose`` can't go on in the direction ``way`` (2,), a unit vector in its frame: something stands
        there that was not seen. Most likely on ground of which nothing is known; else it is glass, or too low or thin.
        """
        c, s = np.cos(pose[2]), np.sin(pose[2])
        touched = np.zeros(self.evidence.shape, bool)
        for x, y, radius in self._discs:
            middle = (pose[:2] + [c * x - s * y, s * x + c * y]) / CELL - self._middle
            right, up = (self._column - middle[0]) * CELL, (self._row - middle[1]) * CELL
            away = np.hypot(right, up)
            along = right * (c * way[0] - s * way[1]) + up * (s * way[0] + c * way[1])
            touched |= (away > radius - CELL / 2) & (away < radius + RIM) & (along > ASIDE * away)
        unknown = touched & (self.evidence > IS_FREE)
        self.evidence[unknown if unknown.any() else touched] = MOST
        self._stand(pose)

    def space(self) -> MeasuredSpace | None:
        """What is known by now; None before anything was measured."""
        if self._middle is None:
            return None
        occupied = (self.evidence > IS_OCCUPIED).astype(np.uint8)
        known = (self.evidence < IS_FREE).astype(np.uint8) | occupied
        known[[0, -1]] = known[:, [0, -1]] = 0  # beyond the grid nothing is known
        # A thing begins, on the mean, in the middle of the first cell that is occupied.
        clearance, unseen = _distance(1 - occupied), _distance(known) - CELL / 2
        floor = (self._floor >= SEEN).astype(np.uint8)
        floor[[0, -1]] = floor[:, [0, -1]] = 0
        lower = np.maximum(_distance(floor) - CELL / 2, 0)
        return MeasuredSpace(clearance, np.maximum(unseen, 0), lower, (self._middle - SIDE // 2) * CELL, CELL)

    def _scroll(self, pose: np.ndarray) -> None:
        middle = np.round(pose[:2] / CELL).astype(int)
        if self._middle is not None and (middle != self._middle).any():
            shift = middle - self._middle  # columns, rows
            self.evidence, self._floor = _shifted(self.evidence, *shift), _shifted(self._floor, *shift)
        self._middle = middle

    def _lay(self, scan: RangeScan, pose: np.ndarray) -> None:
        c, s = np.cos(pose[2]), np.sin(pose[2])
        origin = pose[:2] + [c * scan.origin[0] - s * scan.origin[1], s * scan.origin[0] + c * scan.origin[1]]
        off = (self._middle * CELL - origin).astype(np.float32)
        x, y = self._column * np.float32(CELL) + off[0], self._row * np.float32(CELL) + off[1]
        away = np.hypot(x, y)
        inside = np.flatnonzero(away < REACH)
        x, y, away = x.ravel()[inside], y.ravel()[inside], away.ravel()[inside]
        count = len(scan.nearest)
        sector = np.floor(((np.arctan2(y, x) - pose[2]) / (2 * np.pi) + 0.5) * count).astype(np.int64) % count
        nearest = np.minimum(scan.nearest, scan.ledge)[sector]
        end = np.minimum(scan.far[sector], nearest - SHORT)
        change = np.where((away >= scan.near[sector]) & (away < end), FREE, 0.0)
        occupied = GUESSED if scan.estimated else OCCUPIED
        change = np.where((away > nearest - BEFORE) & (away < nearest + BEHIND), occupied, change)
        evidence = self.evidence.ravel()
        known = evidence[inside]
        if self._presume and not scan.estimated:
            deep = (change == 0) & (known == 0) & (away > nearest) & (away < nearest + DEEP)
            change = np.where(deep, PRESUMED, change)
        evidence[inside] = np.clip(known + change, -MOST, MOST)
        self.evidence = evidence.reshape(SIDE, SIDE)
        floor, ledge = self._floor.ravel(), scan.ledge[sector]
        seen = (away >= scan.floor[sector]) & (away < end) & (away < FLAT)
        count = np.minimum(floor[inside] + seen, COUNTED)
        floor[inside] = np.where((away > ledge - BEFORE) & (away < ledge + DEEP), 0, count)
        self._floor = floor.reshape(SIDE, SIDE)

    def _stand(self, pose: np.ndarray) -> None:
        """Where the base stands, the ground is free, and floor."""
        c, s = np.cos(pose[2]), np.sin(pose[2])
        for x, y, radius in self._discs:
            middle = (pose[:2] + [c * x - s * y, s * x + c * y]) / CELL - self._middle
            under = np.hypot(self._column - middle[0], self._row - middle[1]) * CELL < radius - CELL / 2
            self.evidence[under], self._floor[under] = -MOST, COUNTED


def _shifted(grid: np.ndarray, columns: int, rows: int) -> np.ndarray:
    """The same ground in a grid that has moved by so many cells; 0 where it was not."""
    moved, n = np.zeros_like(grid), SIDE
    if max(abs(columns), abs(rows)) < n:
        moved[max(0, -rows) : n - max(0, rows), max(0, -columns) : n - max(0, columns)] = (
            grid[max(0, rows) : n - max(0, -rows), max(0, columns) : n - max(0, -columns)]
        )  # fmt: skip
    return moved


def _distance(inside: np.ndarray) -> np.ndarray:
    """Metres from the middle of each cell to that of the nearest cell that is 0; far away where there is none."""
    return cv2.distanceTransform(inside, cv2.DIST_L2, 5) * np.float32(CELL)
