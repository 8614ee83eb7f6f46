"""From rows that are young to segments: sealing, merging, and writing one anew from the base."""

from __future__ import annotations

import sqlite3

from latentworld.memory import base, segment
from latentworld.memory.journal import write_whole
from latentworld.memory.layout import Layout
from latentworld.memory.rows import Rows
from latentworld.memory.schema import connect
from latentworld.memory.segment import Segment
from latentworld.types import LatentworldError

FAN = 8  # segments of one sealing that become one


def seal(layout: Layout, first: int, last: int) -> None:
    """Segments of the base's rows from one id to another; then their journal is no longer needed."""
    connection = connect(layout.base, writable=False)
    try:
        from_base(layout, connection, first, last)
        write_whole(layout.catalogue, base.catalogue(connection))
    finally:
        connection.close()
    layout.journal(first).unlink(missing_ok=True)


def from_base(layout: Layout, connection: sqlite3.Connection, first: int, last: int, turn: int = 0) -> None:
    """Segments for ids from one to another, one for each run of a model."""
    for begin, end in spans(connection, first, last):
        rows, sound = base.read_rows(connection, begin, end)
        if not sound.all():
            raise LatentworldError(f"{(~sound).sum()} of rows {begin} to {end} are damaged in {layout.base}")
        segment.write(layout.segment(begin, end, turn), (begin, end), rows, looks_of(connection, rows))


def looks_of(connection: sqlite3.Connection, rows: Rows) -> int:
    """How many numbers, the last ones, of these rows' latents they are found by; all where nothing is said of them."""
    query = "SELECT looks FROM model WHERE id = ?"
    said = connection.execute(query, (int(rows.head["model"][0]),)).fetchone() if len(rows) else None
    return min(said[0], rows.codes.shape[1]) if said else rows.codes.shape[1]


def spans(connection: sqlite3.Connection, first: int, last: int) -> list[tuple[int, int]]:
    """Runs of ids of one model that together make up ``first`` to ``last``."""
    rows = connection.execute(
        """SELECT id FROM (SELECT id, model, lag(model) OVER (ORDER BY id) AS before FROM keyframe
        WHERE id BETWEEN ? AND ?) WHERE model != before""",
        (first, last),
    ).fetchall()
    starts = [first, *(id for (id,) in rows)]
    return list(zip(starts, [start - 1 for start in starts[1:]] + [last], strict=True))


def merge(layout: Layout, connection: sqlite3.Connection, rows: int) -> None:
    """Every ``FAN`` neighbours that are of the size of one sealing and of one model become one.

    What is not sound in them comes from the base.
    """
    sealed = layout.segments()
    for at in range(len(sealed) - FAN + 1):
        some = sealed[at : at + FAN]
        apart = any(after.first != before.last + 1 for before, after in zip(some, some[1:], strict=False))
        if apart or any(s.last - s.first + 1 >= FAN * rows // 2 for s in some):
            continue
        first, last, turn = some[0].first, some[-1].last, 1 + max(s.turn for s in some)
        parts = [Segment(s.path) for s in some]
        try:
            full = [part for part in parts if part.count]
            if len({(part.model, part.looks) for part in full}) > 1:
                continue
            if not full or any(part.damaged() for part in full):
                from_base(layout, connection, first, last, turn)
            else:
                segment.merge(layout.segment(first, last, turn), (first, last), full)
        finally:
            for part in parts:
                part.close()
        layout.sweep()
        return
