"""From which latent distance on nothing in the memory counts as the same: "never seen"."""

from __future__ import annotations

import math
import sqlite3
import threading

import numpy as np

from latentworld.memory.lookup import matrix

MOST, LEAST = 2000, 20  # pairs of keyframes it is calibrated with
GROWTH = 1.05  # of the memory before it is calibrated anew


class NeverSeenThreshold:
    """Set by a person, or calibrated from what is stored.

    Two consecutive keyframes show one place from poses a gate apart (0.25 m or 15 degrees), and a place that is seen
    again is seen from nearer than that to one of its keyframes; so a high quantile of the distances between consecutive
    keyframes, the newest 2,000 of them, bounds how far a known place may lie. Below 20 pairs it is infinite: nothing is
    called never seen.
    """

    def __init__(self, model_id: str, quantile: float, distance: float = 0.0):
        """distance: used as it is where > 0."""
        self._model_id, self._quantile, self._fixed = model_id, quantile, distance
        self._lock = threading.Lock()
        self._calibrated, self._value = 0, math.inf  # the newest keyframe then

    def value(self, connection: sqlite3.Connection) -> float:
        """Euclidean latent distance."""
        if self._fixed > 0:
            return self._fixed
        with self._lock:
            newest = connection.execute("SELECT max(id) FROM keyframe").fetchone()[0] or 0
            if newest > GROWTH * self._calibrated or math.isinf(self._value):
                self._calibrated, self._value = newest, self._calibrate(connection)
            return self._value

    def _calibrate(self, connection: sqlite3.Connection) -> float:
        rows = connection.execute(
            """SELECT frame, latent FROM keyframe WHERE model = (SELECT id FROM model WHERE model_id = ?)
            ORDER BY id DESC LIMIT ?""",
            (self._model_id, MOST + 1),
        ).fetchall()
        frames = np.array([frame for frame, _ in rows])
        pairs = np.flatnonzero(frames[1:] == frames[:-1])
        if len(pairs) < LEAST:
            return math.inf
        latents = matrix([latent for _, latent in rows]).astype(np.float64)
        return float(np.quantile(np.linalg.norm(latents[pairs + 1] - latents[pairs], axis=1), self._quantile))
