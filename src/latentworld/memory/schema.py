"""The SQLite base of a memory: its schema, migrations, and the check that it is sound.

``PRAGMA user_version`` counts the migrations a file has been through; ``PRAGMA application_id`` says the file is ours.
Poses are kept as they were driven, in runs of keyframes (submaps); a correction moves a submap and none of its rows.
The R*Tree holds a box of each submap, 32-bit and rounded outwards: it only ever offers too much.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from latentworld.types import LatentworldError

APPLICATION_ID = 0x4C574D45  # "LWME"
LOG = 64 << 20  # bytes to which SQLite cuts its own log back
PAGE = 16384  # bytes: 35 rows of 320 dimensions, 64 of looks

TABLES = (
    """CREATE TABLE model (
        id INTEGER PRIMARY KEY, model_id TEXT NOT NULL UNIQUE, dimensions INTEGER NOT NULL,
        looks INTEGER NOT NULL,                              -- dimensions, the last ones, that latents are found by
        bits INTEGER NOT NULL DEFAULT 8)                     -- that these are kept to""",
    # A frame that poses hold in: odometry is laid anew at each start, and poses of two layings never compare.
    "CREATE TABLE frame (id INTEGER PRIMARY KEY, name TEXT NOT NULL, laid INTEGER NOT NULL)",
    """CREATE TABLE submap (
        id INTEGER PRIMARY KEY,
        first INTEGER NOT NULL, last INTEGER NOT NULL,       -- ids of its keyframes
        frame INTEGER NOT NULL REFERENCES frame,             -- that its keyframes are in now
        x REAL NOT NULL, y REAL NOT NULL, yaw REAL NOT NULL, -- from the frame they were driven in to that one
        covariance BLOB NOT NULL,                            -- float32 upper triangle, added to each of theirs
        x0 REAL, x1 REAL, y0 REAL, y1 REAL,                  -- box in that frame, m
        t0 INTEGER, t1 INTEGER,                              -- first and last stamp, ns
        u0 REAL, u1 REAL, v0 REAL, v1 REAL)                  -- box as they were driven, m""",
    """CREATE TABLE keyframe (
        id INTEGER PRIMARY KEY,
        stamp INTEGER NOT NULL,                              -- ns, exposure
        submap INTEGER NOT NULL,
        model INTEGER NOT NULL,
        x REAL NOT NULL, y REAL NOT NULL, yaw REAL NOT NULL, -- as it was driven
        covariance BLOB NOT NULL,                            -- float32 upper triangle of x, y, yaw
        surprise REAL NOT NULL,                              -- p-value
        step REAL NOT NULL,                                  -- what 1 of the latent's code is worth
        latent BLOB NOT NULL,                                -- int8: ``LatentFormat``
        crc INTEGER NOT NULL)                                -- CRC-32 of all this as it lies in other files""",
    """CREATE TABLE stay (                                    -- one thing at one place for a while
        id INTEGER PRIMARY KEY,
        object INTEGER NOT NULL,                             -- the thing
        frame INTEGER NOT NULL, model TEXT NOT NULL,         -- that its place is in; that its look is of
        x REAL NOT NULL, y REAL NOT NULL,                    -- as it was driven
        first INTEGER NOT NULL, last INTEGER NOT NULL,       -- stamps, ns: seen there
        gone INTEGER NOT NULL,                               -- seen empty since, 0: not
        seen INTEGER NOT NULL,
        keyframe INTEGER NOT NULL,                           -- that shows it best
        first_keyframe INTEGER NOT NULL, last_keyframe INTEGER NOT NULL,
        cells INTEGER NOT NULL, look BLOB NOT NULL)""",
    "CREATE TABLE picture (id INTEGER PRIMARY KEY, pack INTEGER NOT NULL, at INTEGER NOT NULL, size INTEGER NOT NULL)",
    "CREATE TABLE state (name TEXT PRIMARY KEY, value INTEGER NOT NULL)",
    "CREATE INDEX keyframe_stamp ON keyframe (stamp)",
    "CREATE INDEX stay_object ON stay (object)",
    "CREATE INDEX submap_first ON submap (first)",
    "CREATE VIRTUAL TABLE submap_box USING rtree (id, x0, x1, y0, y1, t0, t1)",  # m, m, s
)
VERSION = 5
COUNTERS = (
    "last_id",
    "events",
    "erasures",
)  # the highest id given; how much happened; how often something was taken out; later ``thinned``: how many made room,
# ``last_object`` and ``last_stay``: the highest of these numbers given


def connect(path: Path, *, writable: bool) -> sqlite3.Connection:
    """A connection of its own for the calling thread; transactions are begun by hand."""
    uri = f"{path.resolve().as_uri()}?mode={'rwc' if writable else 'ro'}"
    connection = sqlite3.connect(uri, uri=True, timeout=10.0, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA cache_size = -16384")  # KiB
    return connection


def damage(path: Path, deep: bool = True) -> str:
    """What is wrong with the file, "" where it is sound. A sound file of somebody else's is an error.

    deep: read all of it.
    """
    try:
        connection = connect(path, writable=True)
        try:
            refuse_foreign(path, connection)
            if not deep:
                connection.execute("SELECT max(id) FROM keyframe").fetchone()
                return ""
            found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        if "disk image" in str(error) or "malformed" in str(error):
            return str(error)
        raise  # not ours to open or to read: no sign of damage
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # malformed, or not a database at all
        return str(error)
    return "" if found == "ok" else found.replace("\n", " ")


def prepare(connection: sqlite3.Connection) -> None:
    """Make a connection the durable writer of a base with the tables of this version."""
    new = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if new:
        connection.execute(f"PRAGMA page_size = {PAGE}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")  # what is forgotten is overwritten
    connection.execute(f"PRAGMA journal_size_limit = {LOG}")
    if new:
        create(connection)


def create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for table in TABLES:
        connection.execute(table)
    connection.executemany("INSERT INTO state VALUES (?, 0)", [(name,) for name in COUNTERS])
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def schema_version(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA user_version").fetchone()[0]


def refuse_foreign(path: Path, connection: sqlite3.Connection) -> None:
    """An error where a sound file is another program's, or of a schema this version does not know yet."""
    application, version = connection.execute("PRAGMA application_id").fetchone()[0], schema_version(connection)
    if application != APPLICATION_ID and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise LatentworldError(f"memory {path}: expected a visual memory, got another program's SQLite file")
    if version > VERSION:
        raise LatentworldError(f"memory {path}: expected schema version {VERSION} or older, got {version}")
