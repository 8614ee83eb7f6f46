"""Drives as they lie on disk (``training.episodes``), read clip by clip. Columns:

pixels     (N, 64, 64, 3) uint8
depth      (N, 64, 64)    uint16, millimetres, 0 unknown; gaps are filled
known      (N, 64, 8)     uint8, a bit a pixel: depth was measured there
flat       (N, 64, 64, 3) uint8, what is seen without depth
flat_known (N, 64, 8)     uint8, a bit a pixel: the camera sees that
action     (N, 2)         float32, m/s and rad/s, commanded from this row to the next
odometry   (N, 5)         float32, x, y, yaw, measured m/s, rad/s
contact    (N,)           bool, touched something since the row before
drop       (N,)           bool, has left the floor
query      (N, M, 4)      float16, free space at points: x, y from the robot, clearance, distance to a ledge (m);
                           NaN where that is not known
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from latentworld.types import LatentworldError

SMALL = ("action", "odometry", "contact", "drop")
REQUIRED = ("pixels", *SMALL, "query")


class Images(NamedTuple):
    """T pictures in the model's view, the columns of this module; None where the data set has none of a column."""

    pixels: np.ndarray
    depth: np.ndarray | None
    known: np.ndarray | None = None
    flat: np.ndarray | None = None
    flat_known: np.ndarray | None = None


class Drives:
    """Reads clips. The small columns live in memory; images are read as they are needed."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if not self.path.is_file():
            raise LatentworldError(f"dataset {path}: no such file; `latentworld collect` makes one")
        try:
            self.file = h5py.File(self.path, "r")
        except OSError as error:
            raise LatentworldError(f"dataset {path}: expected an HDF5 file: {error}") from None
        missing = [name for name in (*REQUIRED, "ep_len", "ep_offset") if name not in self.file]
        if missing:
            raise LatentworldError(f"dataset {path}: expected columns {list(REQUIRED)}, missing {missing}")
        self.lengths = self.file["ep_len"][:]
        self.offsets = self.file["ep_offset"][:]
        self.small = {name: self.file[name][:] for name in SMALL}
        self.pictures = [self.file[name] if name in self.file else None for name in Images._fields]
        self.query = self.file["query"]

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def rows(self) -> int:
        return len(self.small["action"])

    def starts(
        self, rng: np.random.Generator, n: int, span: int, rooms: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """n random clip starts (row numbers) with ``span`` rows inside one episode, and their episodes. rooms: of the
        first so many only.
        """
        fitting = np.flatnonzero(self.lengths[:rooms] >= span)
        if not len(fitting):
            raise LatentworldError(
                f"dataset {self.path}: expected an episode of {span} rows, longest is {self.lengths.max()}"
            )
        episodes = rng.choice(fitting, n, p=self.lengths[fitting] / self.lengths[fitting].sum())
        return self.offsets[episodes] + rng.integers(0, self.lengths[episodes] - span + 1), episodes

    def images(self, start: int, stop: int, stride: int = 1) -> Images:
        """T rows from ``start``; see ``Images``."""
        return Images(*(None if part is None else part[start:stop][::stride] for part in self.pictures))
