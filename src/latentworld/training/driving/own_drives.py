"""Recordings of one robot -> the two data sets of recipe ``nav-own``, which ``Drives`` reads.

Each recording is converted once, into files of its own; the data sets are views of all of them (virtual data sets of
HDF5), so that nothing is stored twice and a new recording adds to what is there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from latentworld.robot import Robot
from latentworld.training.driving.own_rows import HELD_OUT, LEAST, PERIOD, Moment, drives
from latentworld.training.episodes import EpisodeWriter, dataset_file
from latentworld.types import LatentworldError, seconds

FORMAT = 1  # of the converted files: another number converts anew
PARTS = ("train", "validation")
LEAST_MINUTES = 3.0
NAME = "nav-own"

Read = Callable[[Path], Iterable[Moment]]


@dataclass(frozen=True, slots=True)
class OwnRecordings:
    """What a model learns from. robot: the description's name or file; called: its name for people. files: names of the
    recordings. minutes, held_out: of driving, to learn from and for validation. labelled: share of the points whose
    clearance was measured.
    """

    robot: str
    called: str
    files: tuple[str, ...]
    minutes: float
    held_out: float
    labelled: float


def convert(
    recordings: Sequence[Path], robot: Robot, robot_file: str, read: Read, settings: dict[str, str], data: Path
) -> OwnRecordings:
    """Make the data sets in the folder ``data`` of these recordings, and of no others; what was converted before is
    kept. read: the moments of a recording. settings: how it reads them, as topics; others convert anew.

    Raises LatentworldError where all of it is less than three minutes of driving, or nothing can be held out.
    """
    made: dict[str, list[Path]] = {part: [] for part in PARTS}
    with Progress(TextColumn("{task.description}"), TimeElapsedColumn()) as progress:
        for number, recording in enumerate(recordings, 1):
            bar = progress.add_task(f"convert {recording.name} ({number} of {len(recordings)})")
            files = _files(recording, robot, settings, data)
            if not files["train"].exists():
                _convert(recording, robot, read, files)
            progress.stop_task(bar)
            for part in PARTS:
                made[part].append(files[part])
    rows = {part: _join(made[part], dataset_file(NAME, part, data)) for part in PARTS}
    minutes = {part: count * seconds(PERIOD) / 60 for part, count in rows.items()}
    if sum(minutes.values()) < LEAST_MINUTES:
        raise LatentworldError(
            f"recordings: expected {LEAST_MINUTES:g} minutes of driving or more with a picture every 0.1 s, got"
            f" {sum(minutes.values()):.1f} in {len(recordings)} recording(s)"
        )
    if not all(rows.values()):
        raise LatentworldError(
            f"recordings: expected an unbroken drive of {2 * LEAST * seconds(PERIOD):g} s or more, of which the last"
            f" 1/{HELD_OUT} is held out; got shorter ones alone"
        )
    files = tuple(recording.name for recording in recordings)
    labelled = _labelled(dataset_file(NAME, "train", data))
    return OwnRecordings(
        robot_file, robot.name, files, round(minutes["train"], 2), round(minutes["validation"], 2), labelled
    )


def _files(recording: Path, robot: Robot, settings: dict[str, str], data: Path) -> dict[str, Path]:
    """Where a recording's rows lie: another robot, other topics or another file of the same name make other ones."""
    about = recording.stat()
    made = [FORMAT, recording.name, about.st_size, about.st_mtime_ns, robot.to_dict(), settings]
    digest = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:12]
    return {part: data / NAME / f"{recording.stem}-{digest}-{part}.h5" for part in PARTS}


def _convert(recording: Path, robot: Robot, read: Read, files: dict[str, Path]) -> None:
    """Whole or not at all."""
    partial = {part: path.with_suffix(".partial") for part, path in files.items()}
    for path in partial.values():
        path.unlink(missing_ok=True)
    seed = int(hashlib.sha256(recording.name.encode()).hexdigest()[:8], 16)
    writers = {part: EpisodeWriter(path) for part, path in partial.items()}
    try:
        for part, columns in drives(read(recording), robot, seed):
            writers[part].write(columns)
    finally:
        for writer in writers.values():
            writer.file.close()
    for part in reversed(PARTS):  # that of training last: where it is, all of it is there
        partial[part].replace(files[part])


def _join(files: Sequence[Path], out: Path) -> int:
    """One data set of the episodes of all files. Returns its rows."""
    lengths, columns = [], {}
    rows = 0
    for path in files:
        with h5py.File(path, "r") as file:
            lengths.append(file["ep_len"][:])
            count = int(lengths[-1].sum())
            for name in file if count else ():
                if not name.startswith("ep_"):
                    data = file[name]
                    columns.setdefault(name, []).append((rows, path, data.shape, data.dtype))
        rows += count
    partial = out.with_suffix(".partial")
    with h5py.File(partial, "w") as file:
        for name, parts in columns.items():
            _, _, shape, dtype = parts[0]
            layout = h5py.VirtualLayout((rows, *shape[1:]), dtype)
            for offset, path, shape, _ in parts:
                # Relative, so that the folder may be moved.
                layout[offset : offset + shape[0]] = h5py.VirtualSource(
                    path.relative_to(out.parent), name, shape, dtype
                )
            file.create_virtual_dataset(name, layout)
        joined = np.concatenate(lengths) if lengths else np.zeros(0, np.int64)
        file["ep_len"], file["ep_offset"] = joined, joined.cumsum() - joined
    partial.replace(out)
    return rows


def _labelled(path: Path) -> float:
    with h5py.File(path, "r") as file:
        return round(float(np.isfinite(file["query"][..., 2]).mean()), 3)
