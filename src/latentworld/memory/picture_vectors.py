"""What a text encoder made of thumbnails, beside the base: made from the pictures alone, so a damaged file costs time.

One file an encoder: a header, then a record a picture. Whoever appends or takes out holds the folder's lock.
"""

from __future__ import annotations

import fcntl
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from latentworld.memory.files import write_whole
from latentworld.memory.rows import quantised

HEADER = struct.Struct("<4sI")  # mark, dimensions
MARK = b"LWV1"
SUFFIX = ".vectors"
PIECE = 65_536  # vectors compared at once


class PictureVectors:
    """Of one encoder. Any number of threads and processes may read and append."""

    def __init__(self, folder: Path, encoder_id: str, dimensions: int):
        self._path = folder / f"{encoder_id}{SUFFIX}"
        self._dimensions = dimensions
        self._seen: tuple[int, int] | None = None  # inode and size then
        self._sound = 0  # records from the beginning on that are known to be sound
        self._held = np.empty(0, _record(dimensions))

    def ids(self) -> np.ndarray:
        """(N,) keyframes whose pictures have a vector."""
        return self._read()["id"]

    def distances(self, vector: np.ndarray, which: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Ids (n,) and Euclidean distances (n,) from a unit vector (D,): of all, or of keyframes ``which``."""
        held = self._read()
        if which is not None:
            held = held[np.isin(held["id"], which)]
        parts = [held[at : at + PIECE] for at in range(0, len(held), PIECE)]
        alike = [part["step"] * (part["codes"].astype(np.float32) @ vector) for part in parts]
        cosine = np.concatenate(alike) if alike else np.empty(0)
        return held["id"].copy(), np.sqrt(np.maximum(2 - 2 * cosine, 0))

    def append(self, ids: np.ndarray, vectors: np.ndarray, there: Callable[[np.ndarray], np.ndarray]) -> None:
        """Vectors (N, D) of keyframes (N,). there: which of some ids the base holds; asked under the lock, so that what
        is forgotten meanwhile does not come back.
        """
        with _locked(self._path.parent):
            held = self._read()
            keep = np.isin(ids, there(ids)) & ~np.isin(ids, held["id"])
            new = np.zeros(int(keep.sum()), held.dtype)
            new["id"] = ids[keep]
            new["codes"], new["step"] = quantised(vectors[keep])
            new["check"] = _checks(new)
            size = HEADER.size + len(held) * held.dtype.itemsize
            if self._seen is None or self._seen[1] != size:  # none yet, or damaged
                write_whole(self._path, HEADER.pack(MARK, self._dimensions) + held.tobytes() + new.tobytes())
            else:
                with open(self._path, "ab") as file:
                    file.write(new.tobytes())

    def _read(self) -> np.ndarray:
        """Sound records; only what is new is checked."""
        try:
            there = self._path.stat()
            if self._seen == (there.st_ino, there.st_size):
                return self._held
            found = _records(self._path, self._dimensions)
        except OSError:
            self._seen, self._sound, self._held = None, 0, self._held[:0]
            return self._held
        known = self._sound if self._seen is not None and self._seen[0] == there.st_ino else 0
        sound = _checks(found[known:]) == found["check"][known:]
        self._sound = known + (len(sound) if sound.all() else int(sound.argmin()))
        self._held = found if sound.all() else found[np.concatenate([np.ones(known, bool), sound])]
        self._seen = there.st_ino, there.st_size
        return self._held


def take_out(folder: Path, ids: set[int]) -> None:
    """Of every encoder's file; nothing that is not sound stays either."""
    if not any(folder.glob(f"*{SUFFIX}")):
        return
    gone = np.fromiter(ids, np.int64, len(ids))
    with _locked(folder):
        for path in folder.glob(f"*{SUFFIX}"):
            try:
                mark, dimensions = HEADER.unpack(path.read_bytes()[: HEADER.size])
            except struct.error:
                mark, dimensions = b"", 0
            if mark != MARK:
                path.unlink()
                continue
            found = _records(path, dimensions)
            keep = (_checks(found) == found["check"]) & ~np.isin(found["id"], gone)
            if not keep.all():
                write_whole(path, HEADER.pack(MARK, dimensions) + found[keep].tobytes())


def _record(dimensions: int) -> np.dtype:
    return np.dtype([("id", "<i8"), ("step", "<f4"), ("codes", "i1", (dimensions,)), ("check", "<u4")])


def _records(path: Path, dimensions: int) -> np.ndarray:
    """Whole records of a file; none where it is not of so many dimensions."""
    record = _record(dimensions)
    with open(path, "rb") as file:
        if file.read(HEADER.size) != HEADER.pack(MARK, dimensions):
            return np.empty(0, record)
    count = (path.stat().st_size - HEADER.size) // record.itemsize
    return np.memmap(path, record, "r", HEADER.size, count) if count else np.empty(0, record)


def _checks(records: np.ndarray) -> np.ndarray:
    """(N,) uint32: CRC-32 of all of each record but this."""
    data, size = records.tobytes(), records.dtype.itemsize
    each = (zlib.crc32(data[at : at + size - 4]) for at in range(0, len(data), size))
    return np.fromiter(each, np.uint32, len(records))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with open(folder / "vectors.lock", "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
