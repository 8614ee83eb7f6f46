"""A sealed run of keyframes in one file that never changes: their second copy, and an index over their latents.

Latents lie as int8 in lists about centroids (an inverted file; Jegou et al. 2011, without the product quantiser), so
that a query reads the few lists that are near. Centroids come from k-means in two levels. Every row has a checksum.
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
from latentworld.memory.rows import HALF, ROW, Rows, checksums, quantised
from latentworld.types import LatentworldError

SUFFIX = ".segment"
LIST = 256  # rows a list, about
COARSE = 48  # lists of the first level at most; of the second, as many as it takes
SAMPLE = 12_288  # rows that a k-means learns from
ROUNDS = 5
HEADER = struct.Struct(
    "<4sIqqqIIII"
)  # mark, model, first and last id, rows, dimensions, lists, CRC-32 of these, of lists
MARK = b"LWS2"


class Segment:
    """Opened for reading, by any number of threads: it reads by offset and keeps what every query needs. Closed when
    nobody holds it any more, or by ``close``.

    centroids: (L, D) float32. radii: (L,) distance of the farthest row of each list. offsets: (L + 1,).
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
        fields = HEADER.unpack(start) if len(start) == HEADER.size else (b"",) * 9
        mark, self.model, self.first, self.last, self.count, self.dimensions, lists, check, lists_check = fields
        if mark != MARK or zlib.crc32(start[:-8]) != check:
            raise LatentworldError(f"memory {self.path}: expected a segment, got a damaged header")
        n, d = self.count, self.dimensions
        layout = [
            ("centroids", "<f4", (lists, d)), ("radii", "<f4", (lists,)), ("offsets", "<i8", (lists + 1,)),
            ("steps", "<f4", (n,)), ("squares", "<f4", (n,)), ("checks", "<u4", (n,)),
            ("heads", ROW, (n,)), ("codes", "<i1", (n, d)),
        ]  # fmt: skip
        self._at, at = {}, HEADER.size
        for name, kind, shape in layout:
            self._at[name] = at, np.dtype(kind), shape
            at += np.dtype(kind).itemsize * int(np.prod(shape))
        if os.fstat(self._descriptor).st_size != at:
            raise LatentworldError(f"memory {self.path}: expected {at} bytes, got {os.fstat(self._descriptor).st_size}")
        kept = [self._read(name) for name in ("centroids", "radii", "offsets", "steps", "squares")]
        if zlib.crc32(b"".join(part.tobytes() for part in kept)) != lists_check:
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
        return self._read("codes", begin, end)

    def heads(self, begin: int, end: int) -> np.ndarray:
        """(n,) of ROW, as they lie."""
        return self._read("heads", begin, end)

    def ids(self, places: np.ndarray) -> np.ndarray:
        """Ids (n,) of rows by where they lie."""
        start, kind, _ = self._at["heads"]
        read = (os.pread(self._descriptor, 8, start + int(at) * kind.itemsize) for at in places)
        return np.frombuffer(b"".join(read), "<i8")

    def rows(self, begin: int = 0, end: int | None = None) -> tuple[Rows, np.ndarray]:
        """Rows as they lie, latents to 8 bits, and which of them (n,) are sound."""
        end = self.count if end is None else end
        heads, codes = self.heads(begin, end), self.codes(begin, end)
        sound = checksums(heads, codes) == self._read("checks", begin, end)
        latents = (codes * self.steps[begin:end, None]).astype(HALF)
        return Rows(heads, latents), sound

    def damaged(self) -> int:
        """How many rows are not sound; reads all of the file."""
        return sum(int((~self.rows(at, min(at + 8192, self.count))[1]).sum()) for at in range(0, self.count, 8192))


def name(first: int, last: int, turn: int = 0) -> str:
    """Of the file of rows from one id to another; ``turn`` counts how often it was written anew."""
    return f"{first:012d}-{last:012d}.{turn}{SUFFIX}"


def write(path: Path, span: tuple[int, int], rows: Rows) -> None:
    """Rows of one model whose ids lie within ``span``, as a file that is there whole or not at all."""
    write_codes(path, span, rows.head, *quantised(rows.latents))


def write_codes(path: Path, span: tuple[int, int], heads: np.ndarray, codes: np.ndarray, steps: np.ndarray) -> None:
    """The same of latents that are codes (N, D) int8 already."""
    centroids, which = grouped(codes, steps)
    order = np.lexsort((heads["id"], which))
    heads, codes, steps, which = heads[order], codes[order], steps[order], which[order]
    offsets = np.searchsorted(which, np.arange(len(centroids) + 1)).astype("<i8")
    squares, away = np.empty(len(heads), "<f4"), np.empty(len(heads), "<f4")
    for at in range(0, len(heads), 8192):
        piece = slice(at, at + 8192)
        wide = codes[piece] * steps[piece, None]
        squares[piece] = np.einsum("nd,nd->n", wide, wide)
        away[piece] = np.linalg.norm(wide - centroids[which[piece]], axis=1)
    radii = np.zeros(len(centroids), "<f4")
    np.maximum.at(radii, which, away)
    lists = [np.ascontiguousarray(part, "<f4") for part in (centroids, radii)]
    lists += [offsets, np.ascontiguousarray(steps, "<f4"), squares]
    model = int(heads["model"][0]) if len(heads) else 0
    start = HEADER.pack(MARK, model, *span, len(heads), codes.shape[1], len(centroids), 0, 0)[:-8]
    check, lists_check = zlib.crc32(start), zlib.crc32(b"".join(part.tobytes() for part in lists))
    temporary = path.with_suffix(".writing")
    with open(temporary, "wb") as file:
        file.write(start + struct.pack("<II", check, lists_check))
        for part in (*lists, checksums(heads, codes), heads, np.ascontiguousarray(codes)):
            file.write(part.data if part.size else b"")
        file.flush()
        os.fsync(file.fileno())
    publish(temporary, path)


def merge(path: Path, span: tuple[int, int], parts: Sequence[Segment]) -> None:
    """What lies in several segments, one after the other, as one; nothing is rounded anew."""
    heads = np.concatenate([part.heads(0, part.count) for part in parts])
    codes = np.concatenate([part.codes(0, part.count) for part in parts])
    steps = np.concatenate([part.steps for part in parts])
    write_codes(path, span, heads, codes, steps)


def grouped(codes: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centroids (L, D) float32 of lists of about ``LIST`` rows, and the list of each row (N,); by k-means, twice."""
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
