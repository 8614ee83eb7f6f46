"""A new base from all other files of a memory, and from what can still be read of the damaged one."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from latentworld.memory import base, journal, schema
from latentworld.memory.files import publish
from latentworld.memory.layout import Layout, Sealed
from latentworld.memory.pictures import Pictures
from latentworld.memory.segment import Segment
from latentworld.types import LatentworldError

PIECE = 4096  # ids at a time


def rebuilt(layout: Layout, problem: str) -> str:
    """A new base from all other files, and from what can be read of the old one, which is moved aside."""
    temporary = Path(f"{layout.base}.writing")
    for path in files_of(temporary):
        path.unlink()
    new = sqlite3.connect(temporary, isolation_level=None)
    try:
        new.execute(f"PRAGMA page_size = {schema.PAGE}")
        schema.create(new)
        new.execute("BEGIN IMMEDIATE")
        for event, _ in journal.read(layout.catalogue):
            base.put(new, event)
        for sealed in layout.segments():
            _put_segment(new, sealed)
        for _, path in layout.journals():
            for event, rows in journal.read(path):
                base.put(new, event, rows)
        _salvage(new, layout.base)
        _index_pictures(new, Pictures(layout.folder))
        count, last = new.execute("SELECT count(*), max(id) FROM keyframe").fetchone()
        base.put(new, {"state": [["last_id", max(last or 0, base.state(new, "last_id"))]]})
        new.execute("COMMIT")
    finally:
        new.close()
    aside = _aside(layout.base)
    publish(temporary, layout.base)
    kept = f", kept as {aside}" if aside else ""
    return f"{layout.base} was damaged ({problem}){kept}; rebuilt {count} keyframes"


def _aside(path: Path) -> Path | None:
    """Put a damaged base and its log aside, so that a person can still recover from them; answers where. The base keeps
    its name as well, until the new one takes it: nobody must find none there.
    """
    now = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = path.with_name(f"{path.name}.damaged-{now}")
    kept = None
    for file in reversed(files_of(path)):
        name, kept = f"{aside}{str(file)[len(str(path)) :]}", aside
        if file == path:
            os.link(file, name)
        else:  # a log beside a new base would be put into it
            os.replace(file, name)
    return kept


def _put_segment(connection: sqlite3.Connection, sealed: Sealed) -> None:
    """Rows of a segment, as many of them as are sound."""
    try:
        part = Segment(sealed.path)
    except LatentworldError:
        return
    try:
        for at in range(0, part.count, PIECE):
            rows, sound = part.rows(at, min(at + PIECE, part.count))
            base.put_rows(connection, rows.only(sound))
    finally:
        part.close()


def _salvage(connection: sqlite3.Connection, aside: Path) -> None:
    """Rows of a damaged base that are as they were written."""
    for found in _readable(aside, base.state(connection, "last_id")):
        rows, sound = base.rows_of(found)
        base.put_rows(connection, rows.only(sound))


def _readable(path: Path, last: int) -> Iterator[list[tuple]]:
    """Records, of one model each time, wherever SQLite still finds its way to them."""
    try:
        old = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    except (sqlite3.Error, UnicodeDecodeError):
        return
    query = f"SELECT {base.KEYFRAME} FROM keyframe WHERE id BETWEEN ? AND ?"
    pieces = [(first, min(first + PIECE - 1, last)) for first in range(1, last + 1, PIECE)]
    while pieces:
        first, end = pieces.pop()
        try:
            found = [row for row in old.execute(query, (first, end)) if plausible(row)]
        except (sqlite3.Error, UnicodeDecodeError):
            if first == 1 and end == min(PIECE, last) and not _any(old):
                break
            if first < end:
                middle = (first + end) // 2
                pieces += [(middle + 1, end), (first, middle)]
            continue
        for size in {(row[3], len(row[10])) for row in found}:
            yield [row for row in found if (row[3], len(row[10])) == size]
    old.close()


def _any(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return True
    except (sqlite3.Error, UnicodeDecodeError):
        return False


def plausible(row: tuple) -> bool:
    """Whether its values are of the kinds that were written: damage may change them."""
    kinds = (int, int, int, int, float, float, float, bytes, float, float, bytes, int)
    numbers = all(type(value) is kind for value, kind in zip(row, kinds, strict=True))
    return numbers and len(row[7]) == 24 and all(abs(v) < 2**31 for v in row[2:4])


def files_of(path: Path) -> list[Path]:
    return [p for p in (path, Path(f"{path}-wal"), Path(f"{path}-shm")) if p.exists()]


def _index_pictures(connection: sqlite3.Connection, pictures: Pictures) -> None:
    for pack in pictures.packs():
        connection.executemany("INSERT OR REPLACE INTO picture VALUES (?, ?, ?, ?)", pictures.places(pack))
    connection.execute("DELETE FROM picture WHERE id NOT IN (SELECT id FROM keyframe)")
