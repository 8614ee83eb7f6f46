"""Keeping a memory within its disk for years: old ground is thinned, what tells least first, and nothing goes unsaid.

One sealed segment at a time loses half of its rows, the one that is old and dense: as that goes on, the density of what
is kept falls with age as 1 / age. Of a segment, every place under every heading keeps at least one view for as long as
there are others with more; of the views of one place, what surprised and what was asked for stays.
"""

from __future__ import annotations

import sqlite3
from collections import Counter

import numpy as np

from latentworld.memory.layout import Layout, Sealed
from latentworld.memory.segment import Segment
from latentworld.memory.submaps import placed

SHARE = 0.5  # of a segment's rows that go at once
FEW = 64  # rows of a segment that are left alone
CELL, TURN = 0.5, np.pi / 6  # metres, radians within which views count as of one place
USED = 1.0  # orders of magnitude of surprise that having been an answer twice as often counts for


def size_of(layout: Layout, connection: sqlite3.Connection) -> int:
    """Bytes that a memory takes, not counting pages of the base that are free to be used again, nor SQLite's own log,
    which stays small.
    """
    page, pages, free = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "page_count", "freelist_count")
    )
    return page * (pages - free) + layout.size()


def densest(layout: Layout, newest: int) -> Sealed | None:
    """The segment to be thinned next; None where there is none. newest: id."""
    best, most = None, 0.0
    for sealed in layout.segments():
        segment = Segment(sealed.path)
        count = segment.count
        segment.close()
        density, age = count / (sealed.last - sealed.first + 1), newest - (sealed.first + sealed.last) / 2
        if count > FEW and density * age > most:
            best, most = sealed, density * age
    return best


def least(connection: sqlite3.Connection, sealed: Sealed, uses: Counter[int]) -> set[int]:
    """Ids of the rows of a segment that tell least: ``SHARE`` of them. uses: how often each was an answer."""
    rows = connection.execute(
        """SELECT k.id, s.frame, k.x, k.y, k.yaw, k.surprise, s.x, s.y, s.yaw
        FROM keyframe k JOIN submap s ON s.id = k.submap WHERE k.id BETWEEN ? AND ?""",
        (sealed.first, sealed.last),
    ).fetchall()
    table = np.array(rows, np.float64).reshape(-1, 9)
    ids = table[:, 0].astype(np.int64)
    used = np.array([uses[id] for id in ids.tolist()], np.float64)
    worth = -np.log10(np.clip(table[:, 5], 1e-12, 1)) + USED * np.log2(1 + used)
    x, y, yaw = np.floor(placed(table[:, 6:], table[:, 2:5]) / (CELL, CELL, TURN)).astype(np.int64).T
    cells = np.stack([table[:, 1].astype(np.int64), x, y, yaw % round(2 * np.pi / TURN)], 1)
    _, cell = np.unique(cells, axis=0, return_inverse=True)
    order = np.lexsort((-ids, -worth, cell.ravel()))  # each place's best view first, of equals the newest
    sorted_cells = cell.ravel()[order]
    first = np.searchsorted(sorted_cells, sorted_cells)
    rank = np.empty(len(ids), np.int64)
    rank[order] = np.arange(len(ids)) - first
    going = np.lexsort((ids, worth, -rank))[: int(SHARE * len(ids))]
    return set(ids[going].tolist())
