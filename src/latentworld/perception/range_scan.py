"""From a depth picture to how far the ground is free in every direction: measured, nothing filled or learned."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from latentworld.perception.camera_tables import LOW, RISE, check, is_measured
from latentworld.perception.rectification import Lens, fitted
from latentworld.robot import Camera, Intrinsics, Lidar, Robot
from latentworld.types import Frame, LatentworldError, RangeScan

SECTORS = 256  # of equal bearing, all around
TABLES = 64  # of cameras, that are kept; one on a head is another at every turn
ROWS, COLUMNS = 96, 160  # pixels of a depth picture that are looked at, at most
TOP = 0.5  # metres above the floor up to which things stand in the way of every base; a higher base meets more
HEADROOM = 0.05  # metres above a base that must be free
BAND = 0.12  # metres above the floor: nearer than where a camera sees as low as that, it may miss something
TOGETHER = 0.12  # metres within which a second pixel must lie, or the nearest one counts as an error
FARTHEST = 5.0  # metres: beyond it depth cameras say too little
GAP = 0.07  # radians of elevation without depth, from which on something may stand there that gives none
JUMP = 0.15  # metres, and 2.5 rows of pixels, by which floor may lie beyond the floor before it: more is a ledge's


def range_scan(frame: Frame, robot: Robot) -> RangeScan | None:
    """What the depth of one frame says about the ground around the robot; None of a frame or camera without depth.

    Raises LatentworldError for arrays that are not what Frame promises, or are not the described camera's.
    """
    camera = next((c for c in robot.cameras if c.name == frame.frame_id), robot.camera)
    check(camera, frame)
    if frame.depth is None or camera.depth is None:
        return None
    return _table(camera, top_of(robot), frame.depth.shape).scan(frame.depth)


def top_of(robot: Robot) -> float:
    """Metres above the floor up to which things are in a robot's way."""
    return max(TOP, robot.base.height + HEADROOM)


def scan_of_lidar(ranges: np.ndarray, lidar: Lidar) -> RangeScan:
    """The same of a planar laser scan. ranges: (M,) metres, evenly from ``lidar.first`` to ``lidar.last``.

    It sees one height alone; where it meets nothing, the ground counts as free.
    """
    if ranges.ndim != 1 or len(ranges) < 2:
        raise LatentworldError(f"scan {lidar.name}: expected ranges (N,) of 2 or more beams, got {ranges.shape}")
    bearing = np.linspace(lidar.first, lidar.last, len(ranges)) + lidar.mount.yaw
    with np.errstate(invalid="ignore"):
        hit = (ranges >= max(lidar.least, 1e-3)) & (ranges <= lidar.most)
    nearest = np.full(SECTORS, np.inf)
    np.minimum.at(nearest, sector(bearing[hit]), ranges[hit])
    far = np.zeros(SECTORS)
    with np.errstate(invalid="ignore"):
        clear = ranges >= lidar.least  # infinite: nothing as far as it reaches
    np.maximum.at(far, sector(bearing[clear]), np.minimum(ranges[clear], lidar.most))
    near = np.full(SECTORS, lidar.least, np.float32)
    none = np.full(SECTORS, np.inf, np.float32)
    return RangeScan(lidar.mount.position[:2], nearest.astype(np.float32), near, far.astype(np.float32), none, none)


def sector(bearing: np.ndarray) -> np.ndarray:
    """Index of the sector in which each bearing (radians) lies."""
    return np.floor((bearing / (2 * np.pi) + 0.5) * SECTORS).astype(np.int64) % SECTORS


class _Table:
    """Directions of the pixels that are looked at, sorted by sector, of one camera's pictures of one size."""

    def __init__(self, camera: Camera, top: float, shape: tuple[int, int]):
        depth = self._depth = camera.depth
        name = camera.name if depth.registered else f"{camera.name}.depth"
        directions, pixels = _directions(fitted(depth.intrinsics or camera.intrinsics, shape, name), shape)
        mount = camera.mount if depth.registered else depth.mount or camera.mount
        x, y, rise = mount.rotation.astype(np.float32) @ directions
        sectors = sector(np.arctan2(y, x)).astype(np.uint16)  # numbers as small are sorted by radix
        elevation = np.arctan2(rise, np.hypot(x, y))
        order = np.lexsort((elevation, sectors))
        self._pixels, sectors = pixels[order], sectors[order]
        self._away = np.hypot(x, y)[order]  # metres along the ground per metre
        self._rise, elevation = rise[order], elevation[order]
        self._first = np.flatnonzero(np.diff(sectors.astype(np.int32), prepend=-1))
        self._sectors = sectors[self._first].astype(np.int64)
        self._group = np.repeat(np.arange(len(self._sectors)), np.diff([*self._first, len(sectors)]))
        # One number that grows with the sector and, in it, with elevation. Pixels count from the lowest that would show
        # the floor: nearer than ``least`` it gives no depth.
        self._order = (2 * np.pi * self._group + elevation).astype(np.float64)
        shows = (self._rise >= 0) | (mount.z > -1.1 * depth.least * self._rise)
        self._lowest = np.minimum.reduceat(np.where(shows, self._order, np.inf), self._first)[self._group]
        steps = np.diff(elevation)[np.diff(self._group) == 0]
        rows = 2.5 * float(np.median(steps[steps > 1e-4])) if (steps > 1e-4).any() else 0.0
        self._gap, self._rows = max(GAP, rows), np.float32(rows)
        self._height, self._top, self.origin = np.float32(mount.z), np.float32(top), mount.position[:2]
        # Where the lowest ray of a sector has come down to the floor, and before that to BAND.
        with np.errstate(divide="ignore"):
            falls = np.where(self._rise < 0, self._away / -self._rise, np.inf)
        falls = np.minimum.reduceat(falls, self._first)
        self._floor = np.maximum(falls * mount.z, depth.least)
        low = mount.z <= BAND
        self._near = np.full_like(falls, depth.least) if low else np.maximum(falls * (mount.z - BAND), depth.least)

    def scan(self, depth: np.ndarray) -> RangeScan:
        metres = depth.ravel()[self._pixels]
        with np.errstate(invalid="ignore"):
            measured = is_measured(metres, self._depth) & (metres < self._depth.most * 0.98)
            away = np.where(measured, self._away * metres, np.inf).astype(np.float32)
            measured &= away < FARTHEST
            height = self._height + self._rise * metres
            floor = LOW + RISE * away
            stands = measured & (height > floor) & (height < self._top)
            below = measured & (height < -floor)
            level = measured & (np.abs(height) <= floor)
            # Over an edge the line of sight leaves the ground nearer than where it ends.
            edge = np.where(below, away * self._height / np.maximum(self._height - height, 1e-3), np.inf)
        standing = np.where(stands, away, np.inf).astype(np.float32)
        nearest, ledge = self._first_of(standing), self._first_of(edge)
        known = self._known(measured, level, away)
        blocked = np.minimum(*(np.minimum.reduceat(part, self._first) for part in (standing, edge)))
        ground = np.where(level & known & (away < blocked[self._group]), away, 0.0).astype(np.float32)
        far = np.maximum.reduceat(ground, self._first)
        # Up to a thing's foot the ground is free, if nothing was missed on the way there.
        seen = np.logical_or.reduceat(known & stands & (away == blocked[self._group]), self._first)
        far = np.where(seen, blocked, far)
        none, nothing = np.full(SECTORS, np.inf, np.float32), np.zeros(SECTORS, np.float32)
        out = RangeScan(self.origin, none, none.copy(), nothing, none.copy(), none.copy())
        out.nearest[self._sectors], out.ledge[self._sectors] = nearest, ledge
        out.near[self._sectors], out.far[self._sectors], out.floor[self._sectors] = self._near, far, self._floor
        return out

    def _first_of(self, away: np.ndarray) -> np.ndarray:
        """Metres (sectors,) to the nearest pixel of each sector; a single one alone is an error."""
        nearest = np.minimum.reduceat(away, self._first)
        second = np.add.reduceat((away < nearest[self._group] + TOGETHER).astype(np.int32), self._first) > 1
        return np.where(second, nearest, np.inf).astype(np.float32)

    def _known(self, measured: np.ndarray, level: np.ndarray, away: np.ndarray) -> np.ndarray:
        """(N,) bool: measured pixels up to which, from the lowest of their sector, nothing can have been missed: depth
        has no gap in which something may stand, and the floor does not go on farther off, as it does beyond a ledge.
        """
        order = np.where(measured, self._order, -np.inf)
        before = np.maximum.accumulate(np.append(-np.inf, order[:-1]))
        end = measured & (self._order - np.maximum(before, self._lowest) > self._gap)
        offset = FARTHEST * self._group  # keeps the sectors apart
        floor = np.maximum.accumulate(np.where(level, offset + away, 0.0))
        last = np.append(0.0, floor[:-1]) - offset  # below 0: none yet in this sector
        row = self._rows * (last**2 + self._height**2) / self._height
        end |= level & (last > 0) & (away - last > JUMP + row)
        first = np.minimum.reduceat(np.where(end, self._order, np.inf), self._first)
        return measured & (self._order < first[self._group])


@lru_cache(maxsize=16)
def _directions(intrinsics: Intrinsics, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """(3, N) float32 directions in the camera's body frame of the pixels that are looked at, and (N,) their flat
    indices: the same however the camera is mounted.
    """
    rows, columns = (_spread(count, most) for count, most in zip(shape, (ROWS, COLUMNS), strict=True))
    across, down = np.meshgrid(columns.astype(float), rows.astype(float))
    rays = Lens(intrinsics).directions(across, down).reshape(-1, 3)
    usable = np.isfinite(rays).all(1)
    return np.ascontiguousarray(rays[usable].T.astype(np.float32)), (rows[:, None] * shape[1] + columns).ravel()[usable]


@lru_cache(maxsize=TABLES)
def _table(camera: Camera, top: float, shape: tuple[int, int]) -> _Table:
    return _Table(camera, top, shape)


def _spread(count: int, most: int) -> np.ndarray:
    """Indices of at most ``most`` of ``count`` rows, evenly spread."""
    if count <= most:
        return np.arange(count)
    return ((np.arange(most) + 0.5) * (count / most)).astype(int)
