"""Colour and depth of one exposure, found by their stamps."""

from __future__ import annotations

from collections import deque

import numpy as np

from latentworld.types import Frame


class FramePairer:
    """Newest wins: an image waits for its depth until the next image comes, then it is given up.

    tolerance: ns between the two stamps.
    """

    def __init__(self, tolerance: int) -> None:
        self._tolerance = tolerance
        self._waiting: tuple[int, np.ndarray, str] | None = None
        self._depths: deque[tuple[int, np.ndarray]] = deque(maxlen=4)
        self.missed = 0  # images given up one after the other
        self.nearest: int | None = None  # ns from the last one given up to the depth nearest to it

    def image(self, stamp: int, rgb: np.ndarray, frame_id: str) -> Frame | None:
        if self._waiting is not None:
            self.missed += 1
            self.nearest = min((abs(s - self._waiting[0]) for s, _ in self._depths), default=None)
        self._waiting = (stamp, rgb, frame_id)
        return self._matched()

    def depth(self, stamp: int, depth: np.ndarray) -> Frame | None:
        self._depths.append((stamp, depth))
        return self._matched()

    def _matched(self) -> Frame | None:
        if self._waiting is None or not self._depths:
            return None
        stamp, rgb, frame_id = self._waiting
        distance, depth = min(((abs(s - stamp), d) for s, d in self._depths), key=lambda pair: pair[0])
        if distance > self._tolerance:
            return None
        self._waiting, self.missed = None, 0
        return Frame(stamp, rgb, depth, frame_id)
