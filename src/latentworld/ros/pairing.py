"""Pictures of one moment, found by their stamps: colour and depth of a camera, frames of several cameras."""

from __future__ import annotations

from collections import deque

import numpy as np

from latentworld.types import Frame

PATIENCE = 3  # frames of the first camera that wait in vain for another one, after which none waits for it


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


class FrameGatherer:
    """Newest wins: a frame of the first camera waits for those of the others until its next one comes, then it is given
    up. A camera that was waited for in vain ``PATIENCE`` times is left out until it is in time again.

    tolerance: ns between stamps of two cameras.
    """

    def __init__(self, cameras: int, tolerance: int) -> None:
        self._tolerance = tolerance
        self._waiting: Frame | None = None
        self._others: list[deque[Frame]] = [deque(maxlen=4) for _ in range(cameras - 1)]
        self._missed = [0] * (cameras - 1)  # frames of the first camera without one of each, one after the other

    @property
    def absent(self) -> list[int]:
        """Numbers of the cameras that are left out."""
        return [i for i, missed in enumerate(self._missed, 1) if missed >= PATIENCE]

    def take(self, camera: int, frame: Frame) -> list[Frame] | None:
        """A frame has come; those of one moment, the first camera's first, once they are together."""
        if camera > 0:
            self._others[camera - 1].append(frame)
        else:
            if self._waiting is not None:
                self._count(self._nearest(self._waiting))
            self._waiting = frame
        if self._waiting is None:
            return None
        found = self._nearest(self._waiting)
        if any(other is None and missed < PATIENCE for other, missed in zip(found, self._missed, strict=True)):
            return None
        self._count(found)
        first, self._waiting = self._waiting, None
        return [first, *(other for other in found if other is not None)]

    def _nearest(self, first: Frame) -> list[Frame | None]:
        """Of each other camera, the frame nearest in time, if it is near."""
        nearest = [min(frames, key=lambda f: abs(f.stamp - first.stamp), default=None) for frames in self._others]
        return [f if f is not None and abs(f.stamp - first.stamp) <= self._tolerance else None for f in nearest]

    def _count(self, found: list[Frame | None]) -> None:
        self._missed = [missed + 1 if f is None else 0 for f, missed in zip(found, self._missed, strict=True)]


class Pace:
    """Thins out what comes more often than every ``period`` ns, evenly on average."""

    EARLY = 0.4  # share of the period that one may come before it is due

    def __init__(self, period: int) -> None:
        self._period = period
        self._last = self._due = None

    def admits(self, stamp: int) -> bool:
        if self._last is None or stamp < self._last:  # the first, or the clock went back
            self._due = stamp
        if stamp < self._due - self.EARLY * self._period:
            return False
        self._last, self._due = stamp, max(self._due, stamp - self.EARLY * self._period) + self._period
        return True
