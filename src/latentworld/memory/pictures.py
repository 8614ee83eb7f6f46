"""Thumbnails beside the base: packs that grow, each picture behind a header that names it, so that a pack explains
itself.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Set
from pathlib import Path
from typing import NamedTuple

from latentworld.memory.files import publish

HEADER = struct.Struct("<4sqII")  # mark, id of the keyframe, bytes, CRC-32 of id and bytes
MARK = b"LWP1"
PACK = 64 << 20  # bytes from which on another pack is begun
SUFFIX = ".pictures"


class Place(NamedTuple):
    """Where a picture lies: its pack, the first byte of it there, and how many they are."""

    id: int
    pack: int
    at: int
    size: int


class Pictures:
    """All packs of a memory. One thread may append while others read."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._file = None

    def path(self, pack: int) -> Path:
        return self.folder / f"{pack:06d}{SUFFIX}"

    def packs(self) -> list[int]:
        return sorted(int(path.stem) for path in self.folder.glob(f"*{SUFFIX}") if path.stem.isdigit())

    def append(self, id: int, picture: bytes) -> Place:
        """Not durable before ``sync``."""
        if self._file is None or self._file.tell() > PACK:
            self._begin()
        place = Place(id, self._pack, self._file.tell() + HEADER.size, len(picture))
        data = memoryview(HEADER.pack(MARK, id, len(picture), _check(id, picture)) + picture)
        while data:  # a full disk takes a part
            data = data[self._file.write(data) :]
        return place

    def _begin(self) -> None:
        self.close()
        self._pack = max(self.packs(), default=0) + 1  # one that is there may be cut off: never behind it
        self._file = open(self.path(self._pack), "xb", buffering=0)

    @property
    def end(self) -> tuple[int, int]:
        """The pack that grows, and how long it is."""
        return (self._pack, self._file.tell()) if self._file is not None else (0, 0)

    def back_to(self, end: tuple[int, int]) -> None:
        """Take back what was appended since it ended there."""
        if self._file is None or self.end == end:
            return
        self._file.seek(end[1] if end[0] == self._pack else 0)
        self._file.truncate()

    def sync(self) -> None:
        if self._file is not None:
            os.fsync(self._file.fileno())

    def read(self, place: Place) -> bytes | None:
        """None where it is not there as it was written."""
        try:
            with open(self.path(place.pack), "rb") as file:
                file.seek(place.at - HEADER.size)
                mark, id, size, check = HEADER.unpack(file.read(HEADER.size))
                picture = file.read(size) if (mark, id, size) == (MARK, place.id, place.size) else b""
        except (OSError, struct.error):
            return None
        return picture if picture and _check(id, picture) == check else None

    def places(self, pack: int) -> Iterator[Place]:
        """Every sound picture of a pack; what is damaged is skipped by looking for the next header."""
        data = self.path(pack).read_bytes()
        at = data.find(MARK)
        while 0 <= at <= len(data) - HEADER.size:
            _, id, size, check = HEADER.unpack_from(data, at)
            begin, end = at + HEADER.size, at + HEADER.size + size
            sound = end <= len(data) and _check(id, data[begin:end]) == check
            if sound:
                yield Place(id, pack, begin, size)
            at = data.find(MARK, end if sound else at + 1)

    def drop(self, ids: Set[int], named: Set[int] = frozenset(), everywhere: bool = True) -> list[Place]:
        """Write anew the packs that hold pictures of ``ids``, without them; answers where the rest of those lie now.

        named: packs that are known to hold some, though their headers may be damaged. everywhere: look into all others
        too.
        """
        self.close()
        moved = []
        for pack in self.packs() if everywhere else sorted(named):
            places = list(self.places(pack))
            if pack not in named and not any(place.id in ids for place in places):
                continue
            new = max(self.packs()) + 1
            temporary = self.path(new).with_suffix(".writing")
            with open(temporary, "wb") as file:
                for place in places:
                    if place.id not in ids and (picture := self.read(place)) is not None:
                        file.write(HEADER.pack(MARK, place.id, len(picture), _check(place.id, picture)))
                        moved.append(Place(place.id, new, file.tell(), len(picture)))
                        file.write(picture)
                file.flush()
                os.fsync(file.fileno())
                empty = not file.tell()
            if empty:
                temporary.unlink()
            else:
                publish(temporary, self.path(new))
            self.path(pack).unlink()
        return moved

    def close(self) -> None:
        if self._file is not None:
            self.sync()
            self._file.close()
            self._file = None


def _check(id: int, picture: bytes) -> int:
    return zlib.crc32(picture, id & 0xFFFFFFFF)
