"""Episodes on disk: HDF5 in the layout of stable-worldmodel and LeWorldModel, so that either tool reads the other's.

One dataset a column, all episodes end to end, and ``ep_len`` / ``ep_offset`` to tell them apart.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from latentworld.sim.processes import processes
from latentworld.types import LatentworldError

CHUNK = 25  # rows


def dataset_file(name: str, part: str, data: str | Path) -> Path:
    """Where a recipe's data lie. part: train, validation, calibration."""
    return Path(data) / f"{name}-{part}.h5"


class EpisodeWriter:
    """Appends episodes; the first one fixes the columns. ``attributes`` are kept on the file (how it was made)."""

    def __init__(self, path: str | Path, attributes: dict | None = None):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Not libver="latest": a file of that format whose writer was killed can't be opened again.
        self.file = h5py.File(self.path, "a")
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
        rows = len(next(iter(columns.values())))
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


def gather(
    path: str | Path,
    settings: Any,
    count: int,
    make: Callable[[Any, int], dict[str, np.ndarray]],
    unit: str,
    workers: int = 2,
) -> None:
    """Write episodes ``make(settings, seed)`` of ``count`` seeds from ``settings.first_seed`` on.

    Goes on where an interrupted run stopped; what comes out does not depend on the number of workers.
    """
    made = json.dumps(_all_but_count(settings, unit))
    if _is_complete(Path(path), made, count):
        return  # without opening it to write, which others who read it would not allow
    with EpisodeWriter(path) as writer:
        before = writer.file.attrs.get("settings")
        if before is not None and json.loads(before) != json.loads(made):
            raise LatentworldError(f"dataset {path}: expected settings {made}, it was begun with {before}")
        writer.file.attrs["settings"] = made
        seeds = range(settings.first_seed + len(writer), settings.first_seed + count)
        columns = (TextColumn("collect"), BarColumn(), MofNCompleteColumn(), TextColumn(unit), TimeRemainingColumn())
        with Progress(*columns) as progress, processes(workers) as pool:
            bar = progress.add_task("", total=count, completed=len(writer))
            for episode in pool.map(partial(make, settings), seeds, chunksize=2):
                writer.write(episode)
                progress.advance(bar)


def _is_complete(path: Path, made: str, count: int) -> bool:
    if not path.exists():
        return False
    try:
        with h5py.File(path, "r") as file:
            same = json.loads(file.attrs.get("settings", "null")) == json.loads(made)
            return same and len(file["ep_len"]) >= count
    except (OSError, KeyError):  # cut off in its first moment, or no such file: the writer says what is wrong
        return False


def _all_but_count(settings: Any, unit: str) -> dict[str, Any]:
    """More episodes may be added to a file, made in no other way."""
    return {key: value for key, value in asdict(settings).items() if key != unit}
