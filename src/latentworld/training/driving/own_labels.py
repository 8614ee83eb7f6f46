"""Free space around a robot from what it measured itself, before and after: what a simulator would know from its map.

For every row of a drive two maps are at hand: what was known by then, from the range scans up to it, and what was found
afterwards, from the scans after it, taken in backwards. Both are evidence for occupied and free in log odds, as of
``tracking.measured_space``, limited, so that in either map the scan nearest in time counts most. Assumed is that ground
stays as it is between the last look at it before a row and the first one after it, where the two agree; where they do
not, something moved, nobody saw when, and nothing is said. Where there was but one look, it counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from latentworld.robot import Base
from latentworld.tracking.measured_space import CELL, IS_FREE, IS_OCCUPIED, MOST, SIDE, MeasuredGrid
from latentworld.training.driving.collect import label_points
from latentworld.types import RangeScan

FAR = 1.0  # metres: what is farther is labelled as that far, and training looks no farther
TOLERANCE = 0.05  # metres by which a thing may lie beyond the nearest unseen ground and still be the nearest thing
STEPS = 127 / (2 * MOST)  # of evidence, as one byte


def free_space_labels(
    scans: Sequence[RangeScan], poses: np.ndarray, base: Base, rng: np.random.Generator, count: int
) -> np.ndarray:
    """Labels of each of N rows at ``count`` random points, (N, count, 4) float16: x, y in the robot's frame, clearance
    (m, cut off at 1 m, negative inside things), distance to a ledge.

    NaN where it was not measured: the clearance where unseen ground is nearer than the nearest thing measured, and the
    distance to a ledge everywhere, as depth cameras tell ledges from ground too badly. scans: N, of one sensor.
    poses: (N, 3) x, y, yaw, free of drift.
    """
    before, ground = [], _Map(poses, base)
    for scan, pose in zip(scans, poses, strict=True):
        before.append(np.round(ground.observe(scan, pose) * STEPS).astype(np.int8))
    labels, ground = np.full((len(poses), count, 4), np.nan, np.float16), _Map(poses, base)
    read = MeasuredGrid(base, presume=False)
    for row in reversed(range(len(poses))):
        evidence = _agreed(before[row] / np.float32(STEPS), ground.observe(scans[row], poses[row]))
        points = label_points(rng, count)
        labels[row, :, :2] = points
        # The label belongs to the point as it is stored.
        labels[row, :, 2] = _clearance(read, evidence, poses[row], labels[row, :, :2].astype(float))
    return labels


class _Map:
    """Evidence all over where a drive leads, (rows, columns) of y, x in odom."""

    def __init__(self, poses: np.ndarray, base: Base) -> None:
        cells = np.round(poses[:, :2] / CELL).astype(int)
        self._first = cells.min(0) - SIDE // 2
        width, height = cells.max(0) - self._first + SIDE // 2
        self._evidence = np.zeros((height, width), np.float32)
        self._around = MeasuredGrid(base, presume=False)

    def observe(self, scan: RangeScan, pose: np.ndarray) -> np.ndarray:
        """Take in a scan. Returns the evidence (SIDE, SIDE) around the robot."""
        column, row = np.round(pose[:2] / CELL).astype(int) - SIDE // 2 - self._first
        part = self._evidence[row : row + SIDE, column : column + SIDE]
        self._around.observe((), pose)  # scrolls there
        self._around.evidence = part.copy()
        self._around.observe((replace(scan, ledge=np.full_like(scan.ledge, np.inf)),), pose)  # ledges are no things
        part[:] = self._around.evidence
        return self._around.evidence


def _agreed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Both pieces of evidence together, 0 where one says occupied and the other one free."""
    low, high = np.minimum(before, after), np.maximum(before, after)
    evidence = np.where((low < IS_FREE) & (high > IS_OCCUPIED), np.float32(0), before + after)
    # Single cells that no beam met, between free ones.
    free = cv2.morphologyEx((evidence < IS_FREE).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    return np.where((free > 0) & (low > IS_FREE) & (high < IS_OCCUPIED), np.float32(2 * IS_FREE), evidence)


def _clearance(read: MeasuredGrid, evidence: np.ndarray, pose: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(M,) metres from points (M, 2) in the robot's frame to the nearest thing, NaN where that is not known."""
    read.observe((), pose)
    read.evidence = evidence
    space = read.space()
    # Inside things, how far the ground is that is free: a thing begins in the middle of its first cell.
    deep = cv2.distanceTransform((evidence >= IS_FREE).astype(np.uint8), cv2.DIST_L2, 5) * np.float32(CELL) - CELL
    occupied = evidence > IS_OCCUPIED
    signed = np.where(occupied, -np.maximum(deep, 0), space.clearance)
    c, s = np.cos(pose[2]), np.sin(pose[2])
    cells = (points @ np.array([[c, s], [-s, c]]) + pose[:2] - space.origin) / space.cell
    clearance, unseen = (_between_cells(values, cells) for values in (signed, space.unseen))
    known = (clearance <= unseen + TOLERANCE) | (unseen >= FAR)
    column, row = np.round(cells).astype(int).T
    known &= (unseen > 0) | occupied[row, column]
    return np.where(known, np.minimum(clearance, FAR), np.nan)


def _between_cells(values: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Values (n, n), indexed [y, x], interpolated at places (M, 2) x, y in cells."""
    x, y = cells.astype(np.float32).T
    return cv2.remap(values.astype(np.float32), x[None], y[None], cv2.INTER_LINEAR)[0]
