"""The file a memory lives in: its SQLite schema, migrations, and the check that it is sound.

``PRAGMA user_version`` counts the migrations a file has been through; ``PRAGMA application_id`` says the file is ours.
The R*Tree stores 32-bit floats rounded outwards, so its boxes only ever offer too much: every query checks the exact
columns of ``keyframe`` behind it.
"""

from __future__ import annotations

import os
import sqlite3
from datetime import datetime, timezone
from pathlib import Path

from latentworld.types import LatentworldError

APPLICATION_ID = 0x4C574D45  # "LWME"

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE model (id INTEGER PRIMARY KEY, model_id TEXT NOT NULL UNIQUE, dimensions INTEGER NOT NULL)",
        # A frame that poses hold in: odometry is laid anew at each start, and poses of two layings never compare.
        "CREATE TABLE frame (id INTEGER PRIMARY KEY, name TEXT NOT NULL, laid INTEGER NOT NULL)",
        """CREATE TABLE keyframe (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            stamp INTEGER NOT NULL,                         -- ns, exposure
            frame INTEGER NOT NULL REFERENCES frame,
            x REAL NOT NULL, y REAL NOT NULL, yaw REAL NOT NULL,
            covariance BLOB NOT NULL,                       -- float32 3x3 of x, y, yaw
            surprise REAL NOT NULL,                         -- p-value
            model INTEGER NOT NULL REFERENCES model,
            latent BLOB NOT NULL)                           -- float16, little-endian""",
        "CREATE INDEX keyframe_stamp ON keyframe (stamp)",
        "CREATE INDEX keyframe_model ON keyframe (model)",
        "CREATE TABLE thumbnail (id INTEGER PRIMARY KEY REFERENCES keyframe, jpeg BLOB NOT NULL)",
        "CREATE VIRTUAL TABLE place USING rtree (id, x0, x1, y0, y1, t0, t1)",  # m, m, s
    ),
)


def connect(path: Path, *, writable: bool) -> sqlite3.Connection:
    """A connection of its own for the calling thread; transactions are begun by hand."""
    uri = f"{path.resolve().as_uri()}?mode={'rwc' if writable else 'ro'}"
    connection = sqlite3.connect(uri, uri=True, timeout=10.0, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA cache_size = -16384")  # KiB
    return connection


def damage(path: Path) -> str:
    """What is wrong with the file, "" where it is sound or absent. A sound file of somebody else's is an error."""
    log = Path(f"{path}-wal")
    if not path.exists() or path.stat().st_size == 0:
        # SQLite itself would delete the log of an empty base without a word.
        return "the base is empty but its write-ahead log is not" if log.exists() and log.stat().st_size else ""
    try:
        connection = connect(path, writable=True)
        try:
            refuse_foreign(path, connection)
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.OperationalError:  # not ours to open or to read: no sign of damage
        raise
    except sqlite3.DatabaseError as error:  # malformed, or not a database at all
        return str(error)
    return "" if found == "ok" else found.replace("\n", " ")


def move_aside(path: Path) -> Path:
    """Rename a damaged base and its log, so that a person can still recover from them; answers the new name."""
    now = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = path.with_name(f"{path.name}.damaged-{now}")
    for suffix in ("", "-wal", "-shm"):  # a log left behind by a crash here is found at the next start
        if os.path.exists(f"{path}{suffix}"):
            os.replace(f"{path}{suffix}", f"{aside}{suffix}")
    return aside


def prepare(connection: sqlite3.Connection) -> None:
    """Make a connection the durable writer, and bring its file to the newest schema, one transaction a version."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    for version in range(schema_version(connection), len(MIGRATIONS)):
        connection.execute("BEGIN IMMEDIATE")
        for statement in MIGRATIONS[version]:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version + 1}")
        connection.execute("COMMIT")


def schema_version(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA user_version").fetchone()[0]


def refuse_foreign(path: Path, connection: sqlite3.Connection) -> None:
    """An error where a sound file is another program's, or of a schema this version does not know yet."""
    application, version = connection.execute("PRAGMA application_id").fetchone()[0], schema_version(connection)
    if application != APPLICATION_ID and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise LatentworldError(f"memory {path}: expected a visual memory, got another program's SQLite file")
    if version > len(MIGRATIONS):
        raise LatentworldError(f"memory {path}: expected schema version {len(MIGRATIONS)} or older, got {version}")
