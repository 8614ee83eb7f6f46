"""The write-ahead journal: what was submitted since the last segment was sealed, whole and in order, in one file.

It is the second copy of rows that are young. A frame is a header (length, CRC-32) and a JSON line that says what it
is, with arrays behind it; the first frame that is not whole ends what can be read.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from latentworld.memory.files import publish, settle
from latentworld.memory.rows import ROW, Rows

HEADER = struct.Struct("<4sIII")  # mark, length of the JSON, length of the arrays, CRC-32 of both
MARK = b"LWJ2"
Entry = tuple[dict[str, Any], "Rows | None"]
"""What happened, and the rows that it happened with."""


class Journal:
    """One file that grows. Opened for appending behind its last whole frame."""

    def __init__(self, path: Path):
        self.path = path
        whole = sum(size for _, size in _frames(path)) if path.exists() else 0
        self._file = open(path, "r+b" if path.exists() else "x+b", buffering=0)
        self.back_to(whole)
        settle(path.parent)

    @property
    def end(self) -> int:
        """Bytes so far."""
        return self._file.tell()

    def back_to(self, end: int) -> None:
        """Take back what was appended since it ended there."""
        self._file.seek(end)
        self._file.truncate()

    def append(self, event: dict[str, Any], rows: Rows | None = None) -> None:
        text = json.dumps(event if rows is None else event | {"dimensions": rows.codes.shape[1]}).encode()
        arrays = b"" if rows is None else rows.head.tobytes() + rows.codes.tobytes()
        check = zlib.crc32(arrays, zlib.crc32(text))
        frame = memoryview(HEADER.pack(MARK, len(text), len(arrays), check) + text + arrays)
        while frame:  # a full disk takes a part
            frame = frame[self._file.write(frame) :]

    def sync(self) -> None:
        """Return once all that was appended is on disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def write_whole(path: Path, event: dict[str, Any]) -> None:
    """A file of one entry, there whole or not at all."""
    temporary = path.with_suffix(".writing")
    temporary.unlink(missing_ok=True)
    journal = Journal(temporary)
    try:
        journal.append(event)
        journal.sync()
    finally:
        journal.close()
    publish(temporary, path)


def read(path: Path) -> list[Entry]:
    """All whole frames from the first on."""
    return [entry for entry, _ in _frames(path)] if path.exists() else []


def _frames(path: Path) -> Iterator[tuple[Entry, int]]:
    """Frames and their sizes in bytes."""
    with open(path, "rb") as file:
        while len(header := file.read(HEADER.size)) == HEADER.size:
            mark, text_size, arrays_size, check = HEADER.unpack(header)
            if mark != MARK or text_size + arrays_size > os.fstat(file.fileno()).st_size:
                return
            text, arrays = file.read(text_size), file.read(arrays_size)
            if len(arrays) < arrays_size or zlib.crc32(arrays, zlib.crc32(text)) != check:
                return
            event = json.loads(text)
            yield (event, _rows(event, arrays)), HEADER.size + text_size + arrays_size


def _rows(event: dict[str, Any], arrays: bytes) -> Rows | None:
    if not arrays:
        return None
    dimensions = event.pop("dimensions")
    count = len(arrays) // (ROW.itemsize + dimensions)
    head = np.frombuffer(arrays, ROW, count)
    return Rows(head, np.frombuffer(arrays, np.int8, offset=head.nbytes).reshape(count, dimensions))
