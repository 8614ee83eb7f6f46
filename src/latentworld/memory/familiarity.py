"""From which latent distance on nothing in the memory counts as the same: "never seen"."""

from __future__ import annotations

import math
import sqlite3
import threading

import numpy as np

from latentworld.memory.lookup import newest_views

SAME_PLACE = (0.5, math.radians(30))  # metres and radians within which two views are of one place
OTHER_PLACE = (1.0, math.radians(60))  # metres or radians beyond which they are not
MOST, LEAST = 500, 20  # keyframes it is calibrated with
GROWTH = 1.05  # of the memory before it is calibrated anew


class NeverSeenThreshold:
    """Set by a person, or calibrated from what is stored, with the poses as teacher.

    Of the newest 500 keyframes, how far is the nearest latent seen from the same place, and how far the nearest one
    that was not? The threshold is where both mistakes are as frequent (the equal error rate): known places called new,
    and new ones called known. Below 20 keyframes of either kind it is infinite: nothing is called never seen.
    """

    def __init__(self, model_id: str, distance: float = 0.0):
        """distance: used as it is where > 0."""
        self._model_id, self._fixed = model_id, distance
        self._lock = threading.Lock()
        self._calibrated, self._value = 0, math.inf  # the newest keyframe then

    def value(self, connection: sqlite3.Connection, looks: int) -> float:
        """Euclidean latent distance over the last ``looks`` dimensions."""
        if self._fixed > 0:
            return self._fixed
        with self._lock:
            newest = connection.execute("SELECT max(id) FROM keyframe").fetchone()[0] or 0
            if newest > GROWTH * self._calibrated:
                self._calibrated, self._value = newest, self._calibrate(connection, looks)
            return self._value

    def _calibrate(self, connection: sqlite3.Connection, looks: int) -> float:
        views = newest_views(connection, self._model_id, MOST, looks)
        if len(views.ids) < LEAST:
            return math.inf
        same, other = same_and_other_place(views.frames, views.poses)
        apart = pairwise_distances(views.looks)
        known, new = (np.where(pairs, apart, np.inf).min(1) for pairs in (same, other))
        known, new = known[np.isfinite(known)], new[np.isfinite(new)]
        return equal_error(known, new) if min(len(known), len(new)) >= LEAST else math.inf


def same_and_other_place(frames: np.ndarray, poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which pairs of views (N, N) are of one place, and which surely not; of two layings of odom nothing is known."""
    comparable = (frames[:, None] == frames) & ~np.eye(len(frames), dtype=bool)
    moved = np.hypot(*(poses[:, None, :2] - poses[None, :, :2]).transpose(2, 0, 1))
    turned = np.abs(np.remainder(poses[:, None, 2] - poses[:, 2] + np.pi, 2 * np.pi) - np.pi)
    same = (moved <= SAME_PLACE[0]) & (turned <= SAME_PLACE[1])
    other = (moved > OTHER_PLACE[0]) | (turned > OTHER_PLACE[1])
    return comparable & same, comparable & other


def pairwise_distances(latents: np.ndarray) -> np.ndarray:
    """Euclidean (N, N) between rows (N, D)."""
    rows = latents.astype(np.float64)
    squares = np.einsum("nd,nd->n", rows, rows)
    return np.sqrt(np.maximum(squares[:, None] - 2 * rows @ rows.T + squares, 0))


def equal_error(known: np.ndarray, new: np.ndarray) -> float:
    """The threshold t at which P(known > t) and P(new <= t) are nearest to each other."""
    candidates = np.sort(np.concatenate([known, new]))
    called_new = 1 - np.searchsorted(np.sort(known), candidates, side="right") / len(known)
    called_known = np.searchsorted(np.sort(new), candidates, side="right") / len(new)
    return float(candidates[np.abs(called_new - called_known).argmin()])
