"""What a latent distance tells: how likely it is that two views are of one place, and from where on nothing in the
memory counts as the same: "never seen".
"""

from __future__ import annotations

import math
import sqlite3
import threading
from typing import NamedTuple

import numpy as np

from latentworld.memory.latent_format import LatentFormat
from latentworld.memory.lookup import newest_views

SAME_PLACE = (0.5, math.radians(30))  # metres and radians within which two views are of one place
OTHER_PLACE = (1.0, math.radians(60))  # metres or radians beyond which they are not
MOST, LEAST = 500, 20  # keyframes it is calibrated with
BINS = 20  # of distances, equally many in each
GROWTH = 1.05  # of the memory before it is calibrated anew


class Familiarity(NamedTuple):
    """threshold: Euclidean latent distance beyond which nothing counts as the same; infinite: too little is held to
    tell. curve: nats that a distance speaks for one place; ``None`` with too little.
    """

    threshold: float = math.inf
    curve: Curve | None = None

    def confidence(self, distance: np.ndarray) -> np.ndarray:
        """Probability (n,) that what lies at latent distances (n,) is of the same place, beforehand as likely as not;
        NaN where that can't be told.
        """
        if self.curve is None:
            return np.full(len(distance), math.nan)
        return 1 / (1 + np.exp(-self.curve(distance)))


class FamiliarityGauge:
    """Set by a person, or calibrated from what is stored, with the poses as teacher.

    Of the newest 500 keyframes, how far is the nearest latent seen from the same place, and how far the nearest one
    that was not? The threshold is where both mistakes are as frequent (the equal error rate): known places called new,
    and new ones called known. Below 20 keyframes of either kind it is infinite: nothing is called never seen.
    """

    def __init__(self, model_id: str, distance: float = 0.0):
        """distance: threshold that is used as it is where > 0."""
        self._model_id, self._fixed = model_id, distance
        self._lock = threading.Lock()
        self._calibrated, self._found = 0, Familiarity()  # the newest keyframe then

    def read(self, connection: sqlite3.Connection, format: LatentFormat) -> Familiarity:
        with self._lock:
            newest = connection.execute("SELECT max(id) FROM keyframe").fetchone()[0] or 0
            if newest > GROWTH * self._calibrated:
                self._calibrated, self._found = newest, self._calibrate(connection, format)
            return self._found._replace(threshold=self._fixed) if self._fixed > 0 else self._found

    def _calibrate(self, connection: sqlite3.Connection, format: LatentFormat) -> Familiarity:
        views = newest_views(connection, self._model_id, MOST, format)
        if len(views.ids) < LEAST:
            return Familiarity()
        same, other = same_and_other_place(views.frames, views.poses)
        apart = pairwise_distances(views.looks)
        known, new = (np.where(pairs, apart, np.inf).min(1) for pairs in (same, other))
        known, new = known[np.isfinite(known)], new[np.isfinite(new)]
        if min(len(known), len(new)) < LEAST:
            return Familiarity()
        return Familiarity(equal_error(known, new), Curve.between(known, new, LEAST))


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


class Curve:
    """Nats that a distance speaks for one kind of pairs and against another."""

    def __init__(self, at: np.ndarray, nats: np.ndarray):
        self.at, self.nats = at, nats

    def __call__(self, distance: np.ndarray) -> np.ndarray:
        return np.interp(distance, self.at, self.nats)

    @staticmethod
    def between(same: np.ndarray, other: np.ndarray, least: int) -> Curve | None:
        """Distances of either kind of pairs; ``None`` where one has fewer than ``least``."""
        if min(len(same), len(other)) < least:
            return None
        edges = np.quantile(np.concatenate([same, other[:: max(1, len(other) // len(same))]]), np.linspace(0, 1, BINS))
        inside = np.unique(edges[1:-1])
        inside = inside[inside > 0]  # a base that stands still sees the same again and again
        if not len(inside):
            return None
        bins = np.concatenate([[0.0], inside, [np.inf]])
        known, new = (np.histogram(part, bins)[0] + 1.0 for part in (same, other))
        nats = np.log(known / known.sum()) - np.log(new / new.sum())
        middle = np.concatenate([[0.5 * inside[0]], 0.5 * (inside[1:] + inside[:-1]), [inside[-1]]])
        return Curve(middle, np.minimum.accumulate(nats))  # farther is never more alike
