"""A sealed run of keyframes in one file that never changes: their second copy, and an index over their latents.

Latents lie in lists about centroids (an inverted file; Jegou et al. 2011, without the product quantiser), so that a
query reads the few lists that are near, and of these only what latents are found by (their looks).
Centroids come from k-means in two levels. Every row has a checksum.
"""

from __future__ import annotations

import os
import struct
import weakref
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from latentworld.memory.files import publish
from latentworld.memory.rows import ROW, Rows, checksums
from latentworld.types import LatentworldError

SUFFIX = ".segment"
LIST = 256  # rows a list, about
COARSE = 48  # lists of the first level at most; of the second, as many as it takes
SAMPLE = 12_288  # rows that a k-means learns from
ROUNDS = 5
HEADER = struct.Struct("<4sIqqqIIIII")
"""Mark, model, first and last id, rows, dimensions, those of looks, lists, CRC-32 of these, of lists."""
MARK = b"LWS3"


class Segment:
    """Opened for reading, by any number of threads: it reads by offset and keeps what every query needs. Closed when
    nobody holds it any more, or by ``close``.

    centroids: (L, S) float32, S dimensions that latents are found by. radii: (L,) distance of the farthest row
    of each list. offsets: (L + 1,).
    """

    def __init__(self, path: Path):
        """Raises LatentworldError for a file that is not whole up to the lists; rows are checked as they are read."""
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY)
        self.close = weakref.finalize(self, os.close, self._descriptor)
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        start = os.pread(self._descriptor, HEADER.size, 0)
        fields = HEADER.unpack(start) if len(start) == HEADER.size else (b"",) * 10
        mark, self.model, self.first, self.last, self.count, self.dimensions, self.looks, lists, *checks = fields
        if mark != MARK or zlib.crc32(start[:-8]) != checks[0]:
            raise LatentworldError(f"memory {self.path}: expected a segment, got a damaged header")
        n, d, s = self.count, self.dimensions, self.looks
        layout = [
            ("centroids", "<f4", (lists, s)), ("radii", "<f4", (lists,)), ("offsets", "<i8", (lists + 1,)),
            ("steps", "<f4", (n,)), ("squares", "<f4", (n,)), ("checks", "<u4", (n,)),
            ("heads", ROW, (n,)), ("searched", "<i1", (n, s)), ("rest", "<i1", (n, d - s)),
        ]  # fmt: skip
        self._at, at = {}, HEADER.size
        for name, kind, shape in layout:
            self._at[name] = at, np.dtype(kind), shape
            at += np.dtype(kind).itemsize * int(np.prod(shape))
        if os.fstat(self._descriptor).st_size != at:
            raise LatentworldError(f"memory {self.path}: expected {at} bytes, got {os.fstat(self._descriptor).st_size}")
        kept = [self._read(name) for name in ("centroids", "radii", "offsets", "steps", "squares")]
        if zlib.crc32(b"".join(part.tobytes() for part in kept)) != checks[1]:
            raise LatentworldError(f"memory {self.path}: expected sound lists, got damaged ones")
        self.centroids, self.radii, self.offsets, self.steps, self.squares = kept

    def _read(self, name: str, begin: int = 0, end: int | None = None) -> np.ndarray:
        """Rows ``begin`` to ``end`` of a part."""
        start, kind, shape = self._at[name]
        end = shape[0] if end is None else end
        row = kind.itemsize * int(np.prod(shape[1:]))
        data = os.pread(self._descriptor, (end - begin) * row, start + begin * row)
        return np.frombuffer(data, kind).reshape(end - begin, *shape[1:])

    def codes(self, begin: int, end: int) -> np.ndarray:
        """(n, D) int8, as they lie."""
        return np.concatenate([self._read("rest", begin, end), self.searched(begin, end)], axis=1)

    def searched(self, begin: int, end: int) -> np.ndarray:
        """(n, S) int8 of what latents are found by."""
        return self._read("searched", begin, end)

    def heads(self, begin: int, end: int) -> np.ndarray:
        """(n,) of ROW, as they lie."""
        return self._read("heads", begin, end)

    def ids(self, places: np.ndarray) -> np.ndarray:
        """Ids (n,) of rows by where they lie."""
        start, kind, _ = self._at["heads"]
        read = (os.pread(self._descriptor, 8, start + int(at) * kind.itemsize) for at in places)
        return np.frombuffer(b"".join(read), "<i8")

    def rows(self, begin: int = 0, end: int | None = None) -> tuple[Rows, np.ndarray]:
        """Rows as they lie, and which of them (n,) are sound."""
        end = self.count if end is None else end
        rows = Rows(self.heads(begin, end), self.codes(begin, end))
        return rows, checksums(rows.head, rows.codes) == self._read("checks", begin, end)

    def damaged(self) -> int:
        """How many rows are not sound; reads all of the file."""
        return sum(int((~self.rows(at, min(at + 8192, self.count))[1]).sum()) for at in range(0, self.count, 8192))


def name(first: int, last: int, turn: int = 0) -> str:
    """Of the file of rows from one id to another; ``turn`` counts how often it was written anew."""
    return f"{first:012d}-{last:012d}.{turn}{SUFFIX}"


def write(path: Path, span: tuple[int, int], rows: Rows, looks: int) -> None:
    """Rows of one model whose ids lie within ``span``, as a file that is there whole or not at all. looks: the last
    numbers of latents, by which they are found.
    """
    searched, steps = rows.codes[:, rows.codes.shape[1] - looks :], rows.head["step"]
    centroids, which = grouped(searched, steps)
    order = np.lexsort((rows.head["id"], which))
    rows, searched, which = rows.only(order), searched[order], which[order]
    steps, count = np.ascontiguousarray(rows.head["step"], "<f4"), len(rows)
    offsets = np.searchsorted(which, np.arange(len(centroids) + 1)).astype("<i8")
    squares, away = np.empty(count, "<f4"), np.empty(count, "<f4")
    for at in range(0, count, 8192):
        piece = slice(at, at + 8192)
        wide = searched[piece] * steps[piece, None]
        squares[piece] = np.einsum("nd,nd->n", wide, wide)
        away[piece] = np.linalg.norm(wide - centroids[which[piece]], axis=1)
    radii = np.zeros(len(centroids), "<f4")
    np.maximum.at(radii, which, away)
    lists = [np.ascontiguousarray(part, "<f4") for part in (centroids, radii)] + [offsets, steps, squares]
    model = int(rows.head["model"][0]) if count else 0
    start = HEADER.pack(MARK, model, *span, count, rows.codes.shape[1], looks, len(centroids), 0, 0)[:-8]
    check, lists_check = zlib.crc32(start), zlib.crc32(b"".join(part.tobytes() for part in lists))
    rest = np.ascontiguousarray(rows.codes[:, : rows.codes.shape[1] - looks])
    temporary = path.with_suffix(".writing")
    with open(temporary, "wb") as file:
        file.write(start + struct.pack("<II", check, lists_check))
        for part in (*lists, checksums(rows.head, rows.codes), rows.head, np.ascontiguousarray(searched), rest):
            file.write(part.data if part.size else b"")
        file.flush()
        os.fsync(file.fileno())
    publish(temporary, path)


def merge(path: Path, span: tuple[int, int], parts: Sequence[Segment]) -> None:
    """What lies in several segments, one after the other, as one."""
    heads = np.concatenate([part.heads(0, part.count) for part in parts])
    codes = np.concatenate([part.codes(0, part.count) for part in parts])
    write(path, span, Rows(heads, codes), parts[0].looks)


def grouped(codes: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centroids (L, S) float32 of lists of about ``LIST`` rows, and the list of each row (N,); by k-means, twice."""
    count, random = len(codes), np.random.default_rng(0)
    if not count:
        return np.zeros((0, codes.shape[1]), np.float32), np.empty(0, np.int64)
    lists = -(-count // LIST)
    coarse = min(COARSE, max(1, round(lists**0.5)))

    def wide(which: np.ndarray | slice) -> np.ndarray:
        return codes[which] * steps[which, None]

    some = np.sort(random.choice(count, min(SAMPLE, count), replace=False))
    tops = means(wide(some), coarse, random)
    top = np.concatenate(
        [nearest(wide(slice(at, at + 8192)), tops) for at in range(0, count, 8192)] or [np.empty(0, int)]
    )
    centroids, which = [], np.empty(count, np.int64)
    for group in range(coarse):
        members = np.flatnonzero(top == group)
        if not len(members):
            continue
        some = np.sort(random.choice(members, min(SAMPLE, len(members)), replace=False))
        found = means(wide(some), max(1, round(len(members) / LIST)), random)
        first = sum(map(len, centroids))
        for at in range(0, len(members), 8192):
            piece = members[at : at + 8192]
            which[piece] = first + nearest(wide(piece), found)
        centroids.append(found)
    return np.concatenate(centroids), which


def means(rows: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """k-means (Lloyd 1982) from rows drawn at random; a mean that loses all its rows stays where it was."""
    centroids = rows[random.choice(len(rows), min(count, len(rows)), replace=False)].astype(np.float32)
    for _ in range(ROUNDS if len(centroids) > 1 else 1):
        which = nearest(rows, centroids)
        order = np.argsort(which, kind="stable")
        filled, starts = np.unique(which[order], return_index=True)
        sums = np.add.reduceat(rows[order], starts, axis=0)
        centroids[filled] = sums / np.diff(np.append(starts, len(rows)))[:, None]
    return centroids


def nearest(rows: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """(N,) which of the centroids (L, D) is nearest to each row (N, D)."""
    return (0.5 * np.einsum("ld,ld->l", centroids, centroids) - rows @ centroids.T).argmin(1)
