"""What happens to a memory, as an event: a plain dict of table rows, put into the SQLite base in one transaction.

The same event lies in the journal. Putting it in twice changes nothing, so a base that lacks it is brought up to date
by replaying.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import numpy as np

from latentworld.memory.latent_format import KeptModel, LatentFormat
from latentworld.memory.rows import ROW, Rows, checksums
from latentworld.types import NANOSECONDS

Event = dict[str, Any]
Entry = tuple[Event, "Rows | None"]
COLUMNS = {"model": 5, "frame": 3, "submap": 18, "stay": 15, "picture": 4, "state": 2}
LATER = {"model": 8}  # of a table that got a column: what earlier events, which lack it, mean
BLOBS = {"submap": 7, "stay": 14}  # which column is one; in an event it is written in hexadecimal digits
CATALOGUE = (
    "model",
    "frame",
    "submap",
    "stay",
    "state",
)  # tables that a copy of is kept whole; of the others, in pieces
KEYFRAME = "id, stamp, submap, model, x, y, yaw, covariance, surprise, step, latent, crc"


def put(connection: sqlite3.Connection, event: Event, rows: Rows | None = None, new: bool = False) -> None:
    """Within a transaction of the caller's. new: none of the rows may be there yet."""
    for table, columns in COLUMNS.items():
        if table in event:
            marks = ", ".join("?" * columns)
            at = BLOBS.get(table)
            values = [[bytes.fromhex(v) if i == at else v for i, v in enumerate(row)] for row in told(event, table)]
            connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", values)
    box = [(row[0], *row[8:12], row[12] / NANOSECONDS, row[13] / NANOSECONDS) for row in event.get("submap", ())]
    connection.executemany("INSERT OR REPLACE INTO submap_box VALUES (?, ?, ?, ?, ?, ?, ?)", box)
    if rows is not None:
        put_rows(connection, rows, new)


def told(event: Event, table: str) -> list[list]:
    """Rows of a table that an event tells of, also one of an earlier version."""
    return [row if len(row) == COLUMNS[table] else [*row, LATER[table]] for row in event.get(table, ())]


def put_rows(connection: sqlite3.Connection, rows: Rows, new: bool = False) -> None:
    if not len(rows):
        return
    head, data, covariances = rows.head, rows.codes.tobytes(), rows.head["covariance"].tobytes()
    size = rows.codes.shape[1]
    columns = zip(
        *(head[name].tolist() for name in ("id", "stamp", "submap", "model")),
        *head["pose"].T.tolist(),
        (covariances[at : at + 24] for at in range(0, len(covariances), 24)),
        head["surprise"].tolist(),
        head["step"].tolist(),
        (data[at : at + size] for at in range(0, len(data), size)),
        checksums(head, rows.codes).tolist(),
        strict=True,
    )
    how = "INSERT" if new else "INSERT OR REPLACE"
    connection.executemany(f"{how} INTO keyframe ({KEYFRAME}) VALUES ({', '.join('?' * 12)})", columns)


def rows_of(found: list[tuple]) -> tuple[Rows, np.ndarray]:
    """Records of ``KEYFRAME`` of one model, and which of them (n,) are as they were written."""
    head = np.empty(len(found), ROW)
    columns = list(zip(*found, strict=True)) or [()] * 12
    for name, column in zip(("id", "stamp", "submap", "model"), columns, strict=False):
        head[name] = column
    head["pose"] = np.array(columns[4:7], np.float64).T
    head["covariance"] = np.frombuffer(b"".join(columns[7]), "<f4").reshape(-1, 6)
    head["surprise"], head["step"] = columns[8], columns[9]
    codes = np.frombuffer(b"".join(columns[10]), np.int8).reshape(len(found), -1 if found else 0)
    return Rows(head, codes), checksums(head, codes) == np.array(columns[11], np.int64)


def read_rows(connection: sqlite3.Connection, first: int, last: int) -> tuple[Rows, np.ndarray]:
    """Keyframes from one id to another, of one model, and which of them are sound."""
    return rows_of(
        connection.execute(
            f"SELECT {KEYFRAME} FROM keyframe WHERE id BETWEEN ? AND ? ORDER BY id", (first, last)
        ).fetchall()
    )


def model(connection: sqlite3.Connection, model_id: str) -> KeptModel | None:
    """``None`` where nothing of it is kept."""
    query = "SELECT id, dimensions, looks, bits FROM model WHERE model_id = ?"
    found = connection.execute(query, (model_id,)).fetchone()
    return None if found is None else KeptModel(found[0], LatentFormat(*found[1:]))


def catalogue(connection: sqlite3.Connection) -> Event:
    """All that ``CATALOGUE`` names, as one event."""
    event = {table: [list(row) for row in connection.execute(f"SELECT * FROM {table}")] for table in CATALOGUE}
    for table, at in BLOBS.items():
        for row in event[table]:
            row[at] = row[at].hex()
    return event


def state(connection: sqlite3.Connection, name: str) -> int:
    """A counter; 0 where nothing was counted yet."""
    found = connection.execute("SELECT value FROM state WHERE name = ?", (name,)).fetchone()
    return found[0] if found else 0
