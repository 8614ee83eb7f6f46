"""Opening a memory for writing: whatever one of its files lacks is put back from the others, and said.

What is small is checked row by row; of a large memory (``CHECKED`` bytes), structure and what is young, the rest when
asked (``thorough``).
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np

from latentworld.memory import base, forgetting, journal, migrate, schema
from latentworld.memory.journal import Journal, write_whole
from latentworld.memory.layout import Layout
from latentworld.memory.pictures import Pictures
from latentworld.memory.rebuild import PIECE, files_of, plausible, rebuilt
from latentworld.memory.sealing import from_base
from latentworld.memory.segment import Segment
from latentworld.types import LatentworldError

CHECKED = 256 << 20


def opened(layout: Layout, thorough: bool = False) -> tuple[sqlite3.Connection, list[str]]:
    """A writing connection to a base that is sound and complete, and a line for each thing that was repaired."""
    said: list[str] = []
    layout.folder.mkdir(exist_ok=True)
    layout.sweep()
    thorough = thorough or layout.size() + sum(p.stat().st_size for p in files_of(layout.base)) < CHECKED
    if problem := _problem(layout, thorough):
        said.append(rebuilt(layout, problem))
    try:
        return _checked(layout, thorough, said), said
    except sqlite3.DatabaseError as error:  # what a quick look missed
        if isinstance(error, sqlite3.OperationalError) and "malformed" not in str(error):
            raise
        said.append(rebuilt(layout, str(error)))
        return _checked(layout, thorough, said), said


def _checked(layout: Layout, thorough: bool, said: list[str]) -> sqlite3.Connection:
    """The connection, once everything was looked at; what was repaired is added to ``said``."""
    connection = schema.connect(layout.base, writable=True)
    try:
        schema.prepare(connection)
        if schema.schema_version(connection) < schema.VERSION:
            connection = migrate.migrated(layout, connection)
        said += _replay(layout, connection)
        said += _check_counters(layout, connection)
        if (going := forgetting.noted(layout)).any:
            forgetting.take_out(layout, connection, going)
            said.append(f"{len(going.keyframes)} keyframes were being forgotten when it was cut off; now they are")
        if thorough:
            said += _check_tables(layout, connection)
            said += _check_rows(layout, connection)
        said += _check_segments(layout, connection, thorough)
        said += _check_young(layout, connection)
        said += _check_catalogue(layout, connection)
        said += _check_boxes(connection)
        said += _check_pictures(layout, connection, thorough)
    except BaseException:
        connection.close()
        raise
    return connection


def _problem(layout: Layout, thorough: bool) -> str:
    """Why the base can't be used, "" where it can, or where there is nothing yet."""
    path = layout.base
    if path.exists() and path.stat().st_size:
        if thorough:
            return schema.damage(path)
        return schema.damage(path, deep=False)
    if layout.journals() or layout.segments() or layout.catalogue.exists():
        return "the base is missing"
    # SQLite itself would delete the log of an empty base without a word.
    log = Path(f"{path}-wal")
    return "the base is empty but its write-ahead log is not" if log.exists() and log.stat().st_size else ""


def _replay(layout: Layout, connection: sqlite3.Connection) -> list[str]:
    """What the journal holds and the base does not: a crash came between them, or the base lost its log."""
    done, before = base.state(connection, "events"), base.state(connection, "last_id")
    missing = [
        (event, rows) for _, path in layout.journals() for event, rows in journal.read(path) if _number(event) > done
    ]
    if not missing:
        return []
    connection.execute("BEGIN IMMEDIATE")
    for event, rows in missing:
        base.put(connection, event, rows)
    connection.execute("COMMIT")
    return [f"{base.state(connection, 'last_id') - before} keyframes were put into the base from the journal"]


def _number(event: base.Event) -> int:
    """Which of all events it is, or the last one that it tells of."""
    return dict(event["state"])["events"]


def _check_counters(layout: Layout, connection: sqlite3.Connection) -> list[str]:
    """No number may be given again: the counters against everything that was ever numbered."""
    events = [event for path in _event_files(layout) for event, _ in journal.read(path)]
    said = [dict(event["state"]) for event in events]
    ids = [state.get("last_id", 0) for state in said] + [s.last for s in layout.segments()]
    ids += [first - 1 for first, _ in layout.journals()]
    ids.append(connection.execute("SELECT max(id) FROM keyframe").fetchone()[0] or 0)
    least = {"last_id": max(ids), "events": max((state["events"] for state in said), default=0)}
    low = {name: value for name, value in least.items() if base.state(connection, name) < value}
    if low:
        base.put(connection, {"state": [list(item) for item in low.items()]})
    return [f"{', '.join(low)} of the base stood too low; put right"] if low else []


def _event_files(layout: Layout) -> list[Path]:
    return [layout.catalogue, *(path for _, path in layout.journals())]


def _check_tables(layout: Layout, connection: sqlite3.Connection) -> list[str]:
    """The small tables against what the checksummed files say they are, if those are not behind."""
    events = [event for path in _event_files(layout) for event, _ in journal.read(path)]
    if max((_number(event) for event in events), default=0) < base.state(connection, "events"):
        return []
    held = base.catalogue(connection)
    wrong: base.Event = {}
    for table in base.CATALOGUE:
        if table == "state":
            continue
        expected = {row[0]: row for event in events for row in base.told(event, table)}
        actual = {row[0]: row for row in held[table]}
        rows = [row for id, row in expected.items() if actual.get(id) != row]
        if rows:
            wrong[table] = rows
    if not wrong:
        return []
    connection.execute("BEGIN IMMEDIATE")
    base.put(connection, wrong)
    connection.execute("COMMIT")
    return [f"{sum(map(len, wrong.values()))} rows of {', '.join(wrong)} were damaged; put back from the catalogue"]


def _check_rows(layout: Layout, connection: sqlite3.Connection) -> list[str]:
    """Every keyframe against its checksum; those that are not sound, or not there, come from their second copy."""
    bad: set[int] = set()
    held: set[int] = set()
    last = base.state(connection, "last_id")
    for first in range(1, last + 1, PIECE):
        query = f"SELECT {base.KEYFRAME} FROM keyframe WHERE id BETWEEN ? AND ?"
        found = connection.execute(query, (first, min(last, first + PIECE - 1))).fetchall()
        held |= {row[0] for row in found}
        whole = [row for row in found if plausible(row)]
        bad |= {row[0] for row in found} - {row[0] for row in whole}
        for kind in {(row[3], len(row[10])) for row in whole}:
            rows, sound = base.rows_of([row for row in whole if (row[3], len(row[10])) == kind])
            bad |= set(rows.head["id"][~sound].tolist())
    put_back = 0
    connection.execute("BEGIN IMMEDIATE")
    for sealed in layout.segments():
        try:
            part = Segment(sealed.path)
        except LatentworldError:
            continue
        try:
            rows, sound = part.rows()
            wanted = sound & np.array([id in bad or id not in held for id in rows.head["id"].tolist()], bool)
            base.put_rows(connection, rows.only(wanted))
            put_back += int(wanted.sum())
            bad -= set(rows.head["id"][wanted].tolist())
        finally:
            part.close()
    for _, path in layout.journals():
        for _, rows in journal.read(path):
            if rows is not None:
                wanted = np.array([id in bad or id not in held for id in rows.head["id"].tolist()], bool)
                base.put_rows(connection, rows.only(wanted))
                put_back += int(wanted.sum())
                bad -= set(rows.head["id"][wanted].tolist())
    connection.execute("COMMIT")
    if not put_back + len(bad):
        return []
    lost = f", {len(bad)} in no other file" if bad else ""
    return [f"{put_back} keyframes of the base were damaged; put back{lost}"]


def _check_segments(layout: Layout, connection: sqlite3.Connection, thorough: bool) -> list[str]:
    """Segments that can't be read, or hold less than the base does, are written anew from it."""
    said, expected = [], 1
    for sealed in layout.segments():
        problem, count = "", 0
        try:
            part = Segment(sealed.path)
            try:
                count = part.count
                problem = f"{bad} damaged rows" if thorough and (bad := part.damaged()) else ""
            finally:
                part.close()
        except LatentworldError as error:
            problem = str(error)
        if not problem and thorough:
            held = _count(connection, sealed.first, sealed.last)
            problem = f"{count} rows where the base holds {held}" if count != held else ""
        if problem:
            from_base(layout, connection, sealed.first, sealed.last, sealed.turn + 1)
            said.append(f"{sealed.path} was damaged ({problem}); written anew")
        if sealed.first > expected and (lost := _count(connection, expected, sealed.first - 1)):
            from_base(layout, connection, expected, sealed.first - 1)
            said.append(f"a segment of {lost} keyframes was missing; written anew")
        expected = sealed.last + 1
    layout.sweep()
    return said


def _count(connection: sqlite3.Connection, first: int, last: int) -> int:
    return connection.execute("SELECT count(*) FROM keyframe WHERE id BETWEEN ? AND ?", (first, last)).fetchone()[0]


def _check_young(layout: Layout, connection: sqlite3.Connection) -> list[str]:
    """Rows that are in no segment must be in a journal."""
    begin = max((s.last for s in layout.segments()), default=0) + 1
    held = {
        id for _, path in layout.journals() for _, rows in journal.read(path) if rows is not None
        for id in rows.head["id"].tolist()
    }  # fmt: skip
    young = [id for (id,) in connection.execute("SELECT id FROM keyframe WHERE id >= ?", (begin,))]
    lost = [id for id in young if id not in held]
    newest = max((_number(e) for path in _event_files(layout) for e, _ in journal.read(path)), default=0)
    behind = newest < base.state(connection, "events")
    if not lost and not behind and layout.journals():
        return []
    first = layout.journals()[0][0] if layout.journals() else begin
    for _, path in layout.journals():
        path.unlink()
    new = Journal(layout.journal(min(first, begin)))
    try:
        events = base.catalogue(connection)
        new.append(events)
        for model, start, end in connection.execute(
            "SELECT model, min(id), max(id) FROM keyframe WHERE id >= ? GROUP BY model ORDER BY 2", (begin,)
        ).fetchall():
            query = f"SELECT {base.KEYFRAME} FROM keyframe WHERE model = ? AND id BETWEEN ? AND ? ORDER BY id"
            for at in range(start, end + 1, PIECE):
                found = connection.execute(query, (model, at, min(end, at + PIECE - 1))).fetchall()
                if found:
                    new.append({"state": events["state"]}, base.rows_of(found)[0])
        new.sync()
    finally:
        new.close()
    if lost:
        return [f"{len(lost)} keyframes were missing from the journal; written there again"]
    return ["the journal lacked its last events; written there again"] if behind and newest else []


def _check_catalogue(layout: Layout, connection: sqlite3.Connection) -> list[str]:
    if not layout.segments() or journal.read(layout.catalogue):
        return []
    was = layout.catalogue.exists()
    write_whole(layout.catalogue, base.catalogue(connection))
    return [f"{layout.catalogue} was {'damaged' if was else 'missing'}; written anew"]


def _check_boxes(connection: sqlite3.Connection) -> list[str]:
    """The R*Tree against the boxes that the submaps say they have."""
    expected = connection.execute("SELECT id, x0, x1, y0, y1, t0 / 1e9, t1 / 1e9 FROM submap ORDER BY id").fetchall()
    try:
        actual = connection.execute("SELECT id, x0, x1, y0, y1, t0, t1 FROM submap_box ORDER BY id").fetchall()
    except sqlite3.DatabaseError:
        actual = []
    if len(actual) == len(expected):
        a, b = np.array(expected, np.float64).reshape(-1, 7), np.array(actual, np.float64).reshape(-1, 7)
        room = 1e-5 + 1e-6 * np.abs(a)
        signs = np.array([0, -1, 1, -1, 1, -1, 1])  # the tree's boxes are rounded outwards
        if (np.abs(a - b) <= room).all() and ((b - a) * signs >= 0).all():
            return []
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("DROP TABLE submap_box")
    connection.execute("CREATE VIRTUAL TABLE submap_box USING rtree (id, x0, x1, y0, y1, t0, t1)")
    connection.executemany("INSERT INTO submap_box VALUES (?, ?, ?, ?, ?, ?, ?)", expected)
    connection.execute("COMMIT")
    return ["the index over places was damaged; built anew"]


def _check_pictures(layout: Layout, connection: sqlite3.Connection, thorough: bool) -> list[str]:
    """The index of pictures against the packs."""
    if not thorough:
        return []
    pictures = Pictures(layout.folder)
    held = connection.execute("SELECT id, pack, at, size FROM picture").fetchall()
    there = {place.id: tuple(place) for pack in pictures.packs() for place in pictures.places(pack)}
    lost = [row[0] for row in held if row[0] not in there]
    moved = [there[row[0]] for row in held if row[0] in there and there[row[0]] != row]
    if not lost and not moved:
        return []
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("DELETE FROM picture WHERE id = ?", [(id,) for id in lost])
    connection.executemany("INSERT OR REPLACE INTO picture VALUES (?, ?, ?, ?)", moved)
    connection.execute("COMMIT")
    said = [f"{len(lost)} pictures were damaged and are lost; their keyframes are not"] if lost else []
    return said + ([f"{len(moved)} pictures were not where the base had them; found"] if moved else [])
