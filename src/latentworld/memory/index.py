"""Nearest latents of a whole life: the lists of sealed segments that are near, and all that is young."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from latentworld.memory import base
from latentworld.memory.latent_format import KeptModel, LatentFormat
from latentworld.memory.layout import Layout, covered
from latentworld.memory.rows import ROW, Rows
from latentworld.memory.segment import Segment

READ, SHARE = 24_576, 0.006  # rows of segments that a query reads at least, and more of a long life: a share of all
ENOUGH = 4  # times as many candidates as asked for are measured exactly
GROWTH = 1.5

Matches = Callable[[np.ndarray], np.ndarray]
"""Which rows (n,) of ROW are wanted: (n,) bool."""


@dataclass(frozen=True, slots=True)
class Lists:
    """All lists of all segments, one after the other. part: (L,) segment of each; number: (L,) which list of it."""

    segments: tuple[Segment, ...]
    centroids: np.ndarray
    squares: np.ndarray
    part: np.ndarray
    number: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, segments: tuple[Segment, ...]) -> Lists:
        centroids = np.concatenate([part.centroids for part in segments])
        counts = [len(part.centroids) for part in segments]
        return cls(
            segments,
            centroids,
            np.einsum("ld,ld->l", centroids, centroids),
            np.repeat(np.arange(len(segments)), counts),
            np.concatenate([np.arange(count) for count in counts]),
            np.concatenate([np.diff(part.offsets) for part in segments]),
        )


class LatentIndex:
    """Latents of one model. Looks for new segments and new young rows at each query; many threads may ask."""

    def __init__(self, layout: Layout, model_id: str):
        self._layout, self._model_id = layout, model_id
        self._lock = threading.Lock()
        self._seen: tuple[int, int] = (-1, -1)  # of the folder, of the base's erasures
        self._open: dict[str, Segment] = {}
        self._lists: Lists | None = None
        self._young = Young()

    def candidates(
        self, connection: sqlite3.Connection, vector: np.ndarray, limit: int, matches: Matches | None = None
    ) -> np.ndarray:
        """Ids (n,) among which the ``limit`` nearest are: surely of what is young, most probably of what is sealed."""
        with self._lock:
            self._refresh(connection)
            lists, young = self._lists, self._young.view(base.state(connection, "last_id"))
        ids = [young.nearest(vector, limit, matches)]
        if lists is not None and lists.segments:
            ids.append(_sealed(lists, np.asarray(vector, np.float32), ENOUGH * limit, matches))
        return np.concatenate(ids)

    def _refresh(self, connection: sqlite3.Connection) -> None:
        erasures = base.state(connection, "erasures")
        folder = self._layout.folder.stat().st_mtime_ns if self._layout.folder.exists() else 0
        known = base.model(connection, self._model_id)
        if known is None:
            return
        if (folder, erasures) != self._seen:
            sealed = self._load(known.number)
            self._young.restart(sealed, erasures)
            self._seen = folder, erasures
        self._young.extend(connection, known)

    def _load(self, model: int) -> int:
        """Open what is new and let go of what is gone, which a query under way keeps as long as it needs; answers the
        id up to which all is sealed.
        """
        while True:
            there = self._layout.segments()
            try:
                self._open = {s.path.name: self._open.get(s.path.name) or Segment(s.path) for s in there}
                break
            except FileNotFoundError:  # merged since: look again
                continue
        segments = tuple(part for part in self._open.values() if part.model == model and part.count)
        self._lists = Lists.of(segments) if segments else None
        return covered(there)


class Young:
    """Keyframes that are in no segment yet, as arrays that grow."""

    def __init__(self) -> None:
        self._rows, self._after, self._erasures = YoungRows.none(), 0, 0

    def restart(self, after: int, erasures: int) -> None:
        """Hold what comes after an id; what is held of it already stays, unless something was taken out."""
        keep = self._rows.heads["id"] > after if erasures == self._erasures else np.zeros(len(self._rows.heads), bool)
        self._rows = self._rows.only(keep)
        self._after, self._erasures = after, erasures

    def extend(self, connection: sqlite3.Connection, model: KeptModel) -> None:
        held = self._rows.heads["id"]
        newest = int(held[-1]) if len(held) else self._after
        found = connection.execute(
            f"SELECT {base.KEYFRAME} FROM keyframe WHERE id > ? AND model = ? ORDER BY id", (newest, model.number)
        ).fetchall()
        if found:
            self._rows = self._rows.with_more(base.rows_of(found)[0], model.format)

    def view(self, newest: int) -> YoungRows:
        """What is held now up to an id; it never changes. Another thread may already have seen more than this one."""
        return self._rows.up_to(newest)


@dataclass(frozen=True, slots=True)
class YoungRows:
    """heads: (n,) of ROW. latents: (n, S) float32, what they are found by. squares: (n,) of their lengths. Views of
    arrays with room for more: rows once there stay as they are.
    """

    heads: np.ndarray
    latents: np.ndarray
    squares: np.ndarray

    @classmethod
    def none(cls) -> YoungRows:
        return cls(np.empty(0, ROW), np.empty((0, 0), np.float32), np.empty(0, np.float32))

    def only(self, which: np.ndarray) -> YoungRows:
        return YoungRows(self.heads[which], self.latents[which], self.squares[which])

    def up_to(self, newest: int) -> YoungRows:
        end = int(np.searchsorted(self.heads["id"], newest, side="right"))
        return YoungRows(self.heads[:end], self.latents[:end], self.squares[:end])

    def with_more(self, rows: Rows, format: LatentFormat) -> YoungRows:
        latents = format.decoded(rows.codes[:, rows.codes.shape[1] - format.look_bytes :], rows.head["step"])
        new = (rows.head, latents, np.einsum("nd,nd->n", latents, latents))
        held = (self.heads, self.latents.reshape(len(self.heads), latents.shape[1]), self.squares)
        return YoungRows(*(_appended(a, b) for a, b in zip(held, new, strict=True)))

    def nearest(self, vector: np.ndarray, limit: int, matches: Matches | None) -> np.ndarray:
        """Ids (n,): the ``limit`` nearest surely are among them.

        Squared distances by |a|^2 - 2ab in single precision choose, with room for the rounding of that sum.
        """
        some = self if matches is None else self.only(matches(self.heads))
        ids = some.heads["id"]
        if len(ids) <= limit:
            return ids
        vector = np.asarray(vector, np.float32)
        rough = some.squares - 2.0 * (some.latents @ vector)
        kth = np.partition(rough, limit - 1)[limit - 1]
        room = 4 * len(vector) * np.finfo(np.float32).eps * (float(vector @ vector) + float(some.squares.max()))
        return ids[rough <= kth + room]


def _appended(held: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Both, one after the other: behind ``held`` where the array that it is the beginning of has room, else copied.

    Only the newest view of an array may be appended to.
    """
    end, room = len(held) + len(new), held.base
    if room is None or room.dtype != held.dtype or room.ndim != held.ndim or len(room) < end:
        room = np.empty((max(int(GROWTH * end), 256), *new.shape[1:]), new.dtype)
        room[: len(held)] = held
    room[len(held) : end] = new
    return room[:end]


def _sealed(lists: Lists, vector: np.ndarray, wanted: int, matches: Matches | None) -> np.ndarray:
    """Ids (n,) of the ``wanted`` rows whose codes are nearest, from the nearest lists."""
    order = np.argsort(lists.squares - 2.0 * (lists.centroids @ vector))
    read = np.cumsum(lists.sizes[order])
    enough = READ + int(SHARE * read[-1])
    found: list[tuple[np.ndarray, np.ndarray, int]] = []  # distances, where they lie, in which segment
    at, held = 0, 0
    while at < len(order) and (at == 0 or held < wanted):
        end = int(np.searchsorted(read, (read[at - 1] if at else 0) + enough)) + 1
        some = order[at:end]
        for part in np.unique(lists.part[some]):
            segment = lists.segments[part]
            for number in np.sort(lists.number[some[lists.part[some] == part]]):
                begin, stop = segment.offsets[number : number + 2]
                places = np.arange(begin, stop)
                if matches is not None:
                    keep = matches(segment.heads(begin, stop))
                    places = places[keep]
                    if not len(places):
                        continue
                    codes = segment.searched(begin, stop)[keep]
                else:
                    codes = segment.searched(begin, stop)
                rough = segment.squares[places] - 2.0 * segment.steps[places] * (codes.astype(np.float32) @ vector)
                found.append((rough, places, int(part)))
                held += len(places)
        at = end
    if not found:
        return np.empty(0, np.int64)
    rough = np.concatenate([f[0] for f in found])
    places, parts = np.concatenate([f[1] for f in found]), np.repeat([f[2] for f in found], [len(f[0]) for f in found])
    best = np.argpartition(rough, wanted - 1)[:wanted] if len(rough) > wanted else np.arange(len(rough))
    return np.concatenate(
        [lists.segments[part].ids(places[best[parts[best] == part]]) for part in np.unique(parts[best])]
    )
