"""What a text encoder made of thumbnails, beside the base: made from the pictures alone, so a damaged file costs time.

One file an encoder: a header, then a record a picture. Whoever appends or takes out holds the folder's lock, also in
another process than the one that writes the base.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from latentworld.memory.files import publish, write_whole
from latentworld.memory.latent_format import LatentFormat
from latentworld.types import LatentworldError

HEADER = struct.Struct("<4sI")  # mark, dimensions
MARK = b"LWV1"
SUFFIX = ".vectors"
UNFINISHED = f"{SUFFIX}.writing"
LOCK = "vectors.lock"
PIECE = 65_536  # records taken at once


class PictureVectors:
    """Of one encoder. Any number of threads and processes may read and append."""

    def __init__(self, folder: Path, encoder_id: str, dimensions: int):
        self._path = folder / f"{encoder_id}{SUFFIX}"
        self._dimensions = dimensions
        self._reading = threading.Lock()  # of the following
        self._seen: tuple[int, int] | None = None  # inode and size then
        self._sound = 0  # records from the beginning on that are known to be sound
        self._held = np.empty(0, _record(dimensions))

    def ids(self) -> np.ndarray:
        """(N,) keyframes whose pictures have a vector."""
        return self._read()[0]["id"]

    def distances(self, vector: np.ndarray, which: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Ids (n,) and Euclidean distances (n,) from a unit vector (D,): of all, or of keyframes ``which``."""
        held, _ = self._read()
        if which is not None:
            held = held[np.isin(held["id"], which)]
        parts = [held[at : at + PIECE] for at in range(0, len(held), PIECE)]
        alike = [part["step"] * (part["codes"].astype(np.float32) @ vector) for part in parts]
        cosine = np.concatenate(alike) if alike else np.empty(0)
        return held["id"].copy(), np.sqrt(np.maximum(2 - 2 * cosine, 0))

    def append(self, ids: np.ndarray, vectors: np.ndarray, there: Callable[[np.ndarray], np.ndarray]) -> None:
        """Vectors (N, D) of keyframes (N,). there: which of some ids the base holds; asked under the lock, so that what
        is forgotten meanwhile does not come back.

        Raises LatentworldError where the folder can't be written.
        """
        with _locked(self._path.parent):
            held, size = self._read()
            keep = np.isin(ids, there(ids)) & ~np.isin(ids, held["id"])
            new = np.zeros(int(keep.sum()), held.dtype)
            new["id"] = ids[keep]
            new["codes"], new["step"] = LatentFormat(self._dimensions, self._dimensions, bits=8).coded(vectors[keep])
            new["check"] = _checks(new)
            if size != HEADER.size + len(held) * held.dtype.itemsize:  # none yet, or damaged
                write_whole(self._path, HEADER.pack(MARK, self._dimensions) + held.tobytes() + new.tobytes())
            else:
                with open(self._path, "ab") as file:
                    file.write(new.tobytes())

    def _read(self) -> tuple[np.ndarray, int]:
        """Sound records, and the size of the file that they are from; only what is new is checked."""
        with self._reading:
            try:
                with open(self._path, "rb") as file:
                    there = os.fstat(file.fileno())
                    if self._seen != (there.st_ino, there.st_size):
                        self._check(_records(file, self._dimensions), there)
            except OSError:
                self._seen, self._sound, self._held = None, 0, self._held[:0]
            return self._held, self._seen[1] if self._seen is not None else 0

    def _check(self, found: np.ndarray, there: os.stat_result) -> None:
        known = self._sound if self._seen is not None and self._seen[0] == there.st_ino else 0
        parts = [_sound(found[at : at + PIECE]) for at in range(known, len(found), PIECE)]
        sound = np.concatenate(parts) if parts else np.empty(0, bool)
        self._sound = known + (len(sound) if sound.all() else int(sound.argmin()))
        self._held = found if sound.all() else found[np.concatenate([np.ones(known, bool), sound])]
        self._seen = there.st_ino, there.st_size


def take_out(folder: Path, ids: set[int], for_good: bool = True) -> None:
    """Of every encoder's file. for_good: nothing that is not sound stays either, for it may be of them."""
    if not (folder / LOCK).exists():  # nobody ever made one
        return
    gone = np.fromiter(ids, np.int64, len(ids))
    with _locked(folder):
        for path in folder.glob(f"*{UNFINISHED}"):
            path.unlink()
        for path in folder.glob(f"*{SUFFIX}"):
            _take_out(path, gone, for_good)


def _take_out(path: Path, gone: np.ndarray, for_good: bool) -> None:
    with open(path, "rb") as file:
        head = file.read(HEADER.size)
        mark, dimensions = HEADER.unpack(head) if len(head) == HEADER.size else (b"", 0)
        if mark != MARK:
            path.unlink()
            return
        found = _records(file, dimensions)
        whole = os.fstat(file.fileno()).st_size == HEADER.size + len(found) * found.dtype.itemsize
    pieces = range(0, len(found), PIECE)

    def staying(at: int) -> np.ndarray:
        some = found[at : at + PIECE]
        keep = ~np.isin(some["id"], gone)
        return keep & _sound(some) if for_good else keep

    if whole and all(staying(at).all() for at in pieces):
        return
    temporary = path.with_name(f"{path.name}.writing")
    with open(temporary, "wb") as file:
        file.write(HEADER.pack(MARK, dimensions))
        for at in pieces:
            file.write(found[at : at + PIECE][staying(at)].tobytes())
        file.flush()
        os.fsync(file.fileno())
    publish(temporary, path)


def _record(dimensions: int) -> np.dtype:
    return np.dtype([("id", "<i8"), ("step", "<f4"), ("codes", "i1", (dimensions,)), ("check", "<u4")])


def _records(file, dimensions: int) -> np.ndarray:
    """Whole records of an open file; none where it is not of so many dimensions."""
    record = _record(dimensions)
    file.seek(0)
    if file.read(HEADER.size) != HEADER.pack(MARK, dimensions):
        return np.empty(0, record)
    count = (os.fstat(file.fileno()).st_size - HEADER.size) // record.itemsize
    return np.memmap(file, record, "r", HEADER.size, count) if count else np.empty(0, record)


def _sound(records: np.ndarray) -> np.ndarray:
    """(N,) bool."""
    return _checks(records) == records["check"]


def _checks(records: np.ndarray) -> np.ndarray:
    """(N,) uint32: CRC-32 of all of each record but this."""
    data, size = records.tobytes(), records.dtype.itemsize
    each = (zlib.crc32(data[at : at + size - 4]) for at in range(0, len(data), size))
    return np.fromiter(each, np.uint32, len(records))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    path = folder / LOCK
    try:
        file = open(path, "ab")
    except OSError as error:
        raise LatentworldError(f"memory {path}: expected a file that can be written, got: {error}") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
