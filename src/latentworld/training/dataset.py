"""Drives on disk: HDF5 in the layout of stable-worldmodel and LeWorldModel, so that either tool reads the other's.

One dataset a column, all episodes end to end, and ``ep_len`` / ``ep_offset`` to tell them apart. Columns:

    pixels     (N, 64, 64, 3) uint8
    depth      (N, 64, 64)    uint16, millimetres, 0 unknown
    action     (N, 2)         float32, m/s and rad/s, commanded from this row to the next
    odometry   (N, 5)         float32, x, y, yaw, measured m/s, rad/s
    contact    (N,)           bool, touched something since the row before
    drop       (N,)           bool, has left the floor
    query      (N, M, 4)      float16, free space at points: x, y from the robot, clearance, distance to a ledge (m)
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from latentworld.types import LatentworldError

CHUNK = 25  # rows
SMALL = ("action", "odometry", "contact", "drop")
REQUIRED = ("pixels", *SMALL, "query")


class EpisodeWriter:
    """Appends episodes; the first one fixes the columns. ``attributes`` are kept on the file (how it was made)."""

    def __init__(self, path: str | Path, attributes: dict | None = None):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.file = h5py.File(self.path, "a", libver="latest")
        for name in ("ep_len", "ep_offset"):
            if name not in self.file:
                self.file.create_dataset(name, (0,), np.int64, maxshape=(None,), chunks=(1024,))
        self.file.attrs.update(attributes or {})

    def __enter__(self) -> EpisodeWriter:
        return self

    def __exit__(self, *_) -> None:
        self.file.close()

    def __len__(self) -> int:
        return len(self.file["ep_len"])

    def write(self, columns: dict[str, np.ndarray]) -> None:
        rows = len(columns["action"])
        offset = int(self.file["ep_len"][:].sum())
        for name, values in columns.items():
            if name not in self.file:
                shape = values.shape[1:]
                self.file.create_dataset(
                    name, (0, *shape), values.dtype, maxshape=(None, *shape), chunks=(CHUNK, *shape)
                )
            self.file[name].resize(offset + rows, 0)
            self.file[name][offset:] = values
        for name, value in (("ep_offset", offset), ("ep_len", rows)):
            self.file[name].resize(len(self.file[name]) + 1, 0)
            self.file[name][-1] = value
        self.file.flush()


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
        self.pixels = self.file["pixels"]
        self.depth = self.file["depth"] if "depth" in self.file else None
        self.query = self.file["query"]

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def rows(self) -> int:
        return len(self.small["action"])

    def starts(self, rng: np.random.Generator, n: int, span: int) -> tuple[np.ndarray, np.ndarray]:
        """n random clip starts (row numbers) with ``span`` rows inside one episode, and their episodes."""
        fitting = np.flatnonzero(self.lengths >= span)
        if not len(fitting):
            raise LatentworldError(
                f"dataset {self.path}: expected an episode of {span} rows, longest is {self.lengths.max()}"
            )
        episodes = rng.choice(fitting, n, p=self.lengths[fitting] / self.lengths[fitting].sum())
        return self.offsets[episodes] + rng.integers(0, self.lengths[episodes] - span + 1), episodes

    def images(self, start: int, stop: int, stride: int = 1) -> tuple[np.ndarray, np.ndarray | None]:
        """pixels (T, 64, 64, 3) uint8 and depth (T, 64, 64) uint16 or None."""
        depth = None if self.depth is None else self.depth[start:stop][::stride]
        return self.pixels[start:stop][::stride], depth
