"""Taking keyframes out of every file: base, segments, journals, pictures, what was made of these, a network's
weights, and bases that were moved aside.

What is to go is written down first, so that a crash in the middle is finished at the next opening.
"""

from __future__ import annotations

import json
import os
import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from latentworld.memory import base, journal, picture_vectors, segment
from latentworld.memory.files import publish, settle
from latentworld.memory.journal import Journal, write_whole
from latentworld.memory.layout import Layout, Sealed
from latentworld.memory.pictures import Pictures
from latentworld.memory.rows import Rows
from latentworld.memory.sealing import from_base
from latentworld.memory.segment import Segment
from latentworld.types import LatentworldError

PIECE = 500  # ids a statement
CLOSED_UP = 8192  # ids whose rows are laid anew at once
PATIENCE = 3  # times that SQLite waits for readers, ten seconds each


class Going(NamedTuple):
    """Numbers of keyframes, and of stays of things, that are to go."""

    keyframes: set[int] = frozenset()
    stays: set[int] = frozenset()

    def __or__(self, other: Going) -> Going:
        return Going(self.keyframes | other.keyframes, self.stays | other.stays)

    @property
    def any(self) -> bool:
        return bool(self.keyframes or self.stays)


def told_by(connection: sqlite3.Connection, keyframes: set[int]) -> set[int]:
    """Stays that were made of these, or of some of these: what is known of such a thing can't be told apart."""
    known = sorted(keyframes)
    spans = connection.execute("SELECT id, first_keyframe, last_keyframe FROM stay").fetchall()
    return {id for id, first, last in spans if bisect_left(known, first) < bisect_right(known, last)}


def note(layout: Layout, going: Going) -> None:
    """Write down, durably, what is to go."""
    temporary = layout.forgetting.with_suffix(".writing")
    with open(temporary, "w") as file:
        json.dump({name: sorted(ids) for name, ids in going._asdict().items()}, file)
        file.flush()
        os.fsync(file.fileno())
    publish(temporary, layout.forgetting)


def noted(layout: Layout) -> Going:
    """What was written down and is not all gone yet; where that can't be read, nothing had been taken out."""
    try:
        return Going(**{name: set(ids) for name, ids in json.loads(layout.forgetting.read_text()).items()})
    except (OSError, ValueError):
        return Going()


def take_out(layout: Layout, connection: sqlite3.Connection, going: Going, for_good: bool = True) -> None:
    """Of all files; then nothing is noted any more. No journal may be open.

    for_good: nobody shall ever see them again. Else they only make room: what may still hold them elsewhere stays.
    """
    ids = going.keyframes
    pictures = Pictures(layout.folder)
    query = "SELECT DISTINCT pack FROM picture WHERE id IN (SELECT value FROM json_each(?))"
    named = {pack for some in _pieces(ids) for (pack,) in connection.execute(query, (some,))}
    pictures.drop(ids, named, everywhere=for_good)
    _from_base(connection, going, pictures, for_good)
    picture_vectors.take_out(layout.folder, ids, for_good)
    known = np.sort(np.fromiter(ids, np.int64, len(ids)))
    for sealed in layout.segments():
        if for_good or np.diff(np.searchsorted(known, (sealed.first, sealed.last + 1))):
            _from_segment(layout, connection, sealed, ids)
    layout.sweep()
    left = {table: {id for (id,) in connection.execute(f"SELECT id FROM {table}")} for table in ("submap", "stay")}
    for _, path in layout.journals():
        _from_journal(path, ids, left)
    if layout.catalogue.exists():
        write_whole(layout.catalogue, base.catalogue(connection))
    if for_good:
        for aside in layout.base.parent.glob(f"{layout.base.name}.damaged-*"):
            aside.unlink()
        layout.neural.unlink(missing_ok=True)  # whoever learns learns anew without them
    layout.forgetting.unlink(missing_ok=True)
    settle(layout.folder)


def _pieces(ids: set[int]) -> Iterator[str]:
    """Ids as JSON lists, so many to a statement."""
    listed = sorted(ids)
    for at in range(0, len(listed), PIECE):
        yield json.dumps(listed[at : at + PIECE])


def _from_segment(layout: Layout, connection: sqlite3.Connection, sealed: Sealed, ids: set[int]) -> None:
    """One that is not sound is written anew from the base, which lacks those ids by now."""
    try:
        part = Segment(sealed.path)
    except LatentworldError:
        from_base(layout, connection, sealed.first, sealed.last, sealed.turn + 1)
        return
    try:
        heads = part.heads(0, part.count)
        keep = ~np.isin(heads["id"], list(ids))
        if part.damaged():
            from_base(layout, connection, sealed.first, sealed.last, sealed.turn + 1)
        elif not keep.all():
            path = layout.segment(sealed.first, sealed.last, sealed.turn + 1)
            rows = Rows(heads[keep], part.codes(0, part.count)[keep])
            segment.write(path, (sealed.first, sealed.last), rows, part.looks)
    finally:
        part.close()


def _from_base(connection: sqlite3.Connection, going: Going, pictures: Pictures, for_good: bool) -> None:
    ids = going.keyframes
    connection.execute("BEGIN IMMEDIATE")
    gone, these = 0, "WHERE id IN (SELECT value FROM json_each(?))"
    for some in _pieces(ids):
        connection.execute(f"DELETE FROM picture {these}", (some,))
        gone += connection.execute(f"DELETE FROM keyframe {these}", (some,)).rowcount
    empty = "SELECT id FROM submap s WHERE NOT EXISTS (SELECT 1 FROM keyframe WHERE id BETWEEN s.first AND s.last)"
    emptied = connection.execute(empty).fetchall()
    for table in ("submap", "submap_box"):
        connection.executemany(f"DELETE FROM {table} WHERE id = ?", emptied)
    connection.executemany("DELETE FROM stay WHERE id = ?", [(id,) for id in going.stays])
    held = {pack for (pack,) in connection.execute("SELECT DISTINCT pack FROM picture")}
    moved = [list(place) for pack in pictures.packs() if pack not in held for place in pictures.places(pack)]
    if not for_good and ids:
        _close_up(connection, min(ids), max(ids))
    state = [["erasures", base.state(connection, "erasures") + 1]]
    if not for_good:
        state.append(["thinned", base.state(connection, "thinned") + gone])
    base.put(connection, {"state": state, "picture": moved})
    connection.execute("DELETE FROM picture WHERE id NOT IN (SELECT id FROM keyframe)")
    connection.execute("COMMIT")
    if not for_good:
        return
    for _ in range(PATIENCE):  # SQLite's log holds pages as they were; a reader may keep it
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not busy:
            return
    raise LatentworldError(
        "forget: expected readers to end, got one that goes on; what it may read is forgotten at the next opening"
    )


def _close_up(connection: sqlite3.Connection, first: int, last: int) -> None:
    """Lay the rows from one id to another anew: where every other one went, pages stay half empty."""
    for begin in range(first, last + 1, CLOSED_UP):
        some = (begin, min(begin + CLOSED_UP - 1, last))
        rows = connection.execute(f"SELECT {base.KEYFRAME} FROM keyframe WHERE id BETWEEN ? AND ?", some).fetchall()
        connection.execute("DELETE FROM keyframe WHERE id BETWEEN ? AND ?", some)
        connection.executemany(f"INSERT INTO keyframe VALUES ({', '.join('?' * 12)})", rows)


def _from_journal(path: Path, ids: set[int], left: dict[str, set[int]]) -> None:
    """Write it anew without those rows; of what it says of submaps and stays, only of those that are left."""
    temporary = path.with_suffix(".writing")
    temporary.unlink(missing_ok=True)
    new = Journal(temporary)
    try:
        for event, rows in journal.read(path):
            if rows is not None:
                rows = rows.only(~np.isin(rows.head["id"], list(ids)))
                rows = rows if len(rows) else None
            if "picture" in event:
                event["picture"] = []  # they may lie elsewhere now; packs say themselves what is in them
            for table, known in left.items():
                if table in event:
                    event[table] = [row for row in event[table] if row[0] in known]
            new.append(event, rows)
        new.sync()
    finally:
        new.close()
    publish(temporary, path)
