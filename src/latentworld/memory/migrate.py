"""Bases of earlier schemas, made anew in the present one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np

from latentworld.memory import base, schema
from latentworld.memory.files import publish
from latentworld.memory.latent_format import BITS, LatentFormat
from latentworld.memory.layout import Layout
from latentworld.memory.pictures import Pictures
from latentworld.memory.rows import ROW, UPPER, Rows
from latentworld.memory.submaps import Submap

PIECE = 4096  # rows at a time
HALF = np.dtype("<f2")  # of latents, up to version 2


def migrated(layout: Layout, old: sqlite3.Connection) -> sqlite3.Connection:
    """A connection to the base in the schema of this version; the old one takes its place only once it is whole."""
    if schema.schema_version(old) >= 3:
        if schema.schema_version(old) == 3:
            _from_3(old)
        _from_4(old)
        return old
    temporary = Path(f"{layout.base}.writing")
    temporary.unlink(missing_ok=True)
    new = sqlite3.connect(temporary, isolation_level=None)
    try:
        new.execute(f"PRAGMA page_size = {schema.PAGE}")
        schema.create(new)
        new.execute("BEGIN IMMEDIATE")
        if schema.schema_version(old) == 1:
            _from_1(old, new, Pictures(layout.folder))
        else:
            _from_2(old, new)
        new.execute("COMMIT")
    finally:
        new.close()
    busy, _, _ = old.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:  # the log still holds what the base does not
        raise sqlite3.OperationalError("it is of an older version, and somebody reads it")
    old.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{layout.base}{suffix}").unlink(missing_ok=True)
    publish(temporary, layout.base)
    for path in (*(path for _, path in layout.journals()), *(sealed.path for sealed in layout.segments())):
        path.unlink()  # second copies in the format of that version; opening makes them anew
    layout.catalogue.unlink(missing_ok=True)
    connection = schema.connect(layout.base, writable=True)
    schema.prepare(connection)
    return connection


def _from_3(connection: sqlite3.Connection) -> None:
    """Version 3 knew of no things; the rest is as it was."""
    connection.execute("BEGIN IMMEDIATE")
    for table in schema.TABLES:
        if any(name in table for name in ("TABLE stay", "INDEX stay", "INDEX submap_first")):
            connection.execute(table)
    connection.execute("PRAGMA user_version = 4")
    connection.execute("COMMIT")


def _from_4(connection: sqlite3.Connection) -> None:
    """Version 4 kept all to 8 bits; what a memory holds of a model stays of one kind."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ALTER TABLE model ADD COLUMN bits INTEGER NOT NULL DEFAULT 8")
    connection.execute("PRAGMA user_version = 5")
    connection.execute("COMMIT")


def _from_1(old: sqlite3.Connection, new: sqlite3.Connection, pictures: Pictures) -> None:
    """Version 1 had poses in rows, without submaps, pictures in the base, and no second copy of anything."""
    event: base.Event = {
        "model": _models(old), "frame": [list(row) for row in old.execute("SELECT * FROM frame")]
    }  # fmt: skip
    last = old.execute("SELECT seq FROM sqlite_sequence WHERE name = 'keyframe'").fetchone()
    event["state"] = [["last_id", last[0] if last else 0]]
    base.put(new, event)
    submap: Submap | None = None
    query = """SELECT id, stamp, model, x, y, yaw, covariance, surprise, latent, frame FROM keyframe
        WHERE id > ? ORDER BY id LIMIT ?"""
    at = 0
    while found := old.execute(query, (at, PIECE)).fetchall():
        at = found[-1][0]
        head, touched = np.empty(len(found), ROW), {}
        for row, (id, stamp, model, *pose, covariance, surprise, _, frame) in zip(head, found, strict=True):
            pose = np.array(pose)
            if submap is None or not submap.takes(frame, stamp, pose):
                submap = Submap(submap.id + 1 if submap else 1, id, id, frame)
            submap.take(id, stamp, pose)
            touched[submap.id] = submap
            row["id"], row["stamp"], row["submap"], row["model"], row["surprise"] = (
                id,
                stamp,
                submap.id,
                model,
                surprise,
            )
            row["pose"], row["covariance"] = pose, np.frombuffer(covariance, "<f4").reshape(3, 3)[UPPER]
        base.put(new, {"submap": [submap.row() for submap in touched.values()]})
        _put_rows(new, head, [row[8] for row in found])
    places = [pictures.append(id, jpeg) for id, jpeg in old.execute("SELECT id, jpeg FROM thumbnail ORDER BY id")]
    pictures.close()
    base.put(new, {"picture": [list(place) for place in places]})


def _from_2(old: sqlite3.Connection, new: sqlite3.Connection) -> None:
    """Version 2 had latents to 16 bits in the base and in journals, and to 8 in segments."""
    event: base.Event = {t: [list(row) for row in old.execute(f"SELECT * FROM {t}")] for t in ("frame", "state")}
    event["submap"] = [
        [v.hex() if i == 7 else v for i, v in enumerate(row)] for row in old.execute("SELECT * FROM submap")
    ]
    event["picture"] = [list(row) for row in old.execute("SELECT * FROM picture")]
    base.put(new, event | {"model": _models(old)})
    query = """SELECT id, stamp, submap, model, x, y, yaw, covariance, surprise, latent FROM keyframe
        WHERE id > ? ORDER BY id LIMIT ?"""
    at = 0
    while found := old.execute(query, (at, PIECE)).fetchall():
        at, head = found[-1][0], np.empty(len(found), ROW)
        for row, (id, stamp, submap, model, *pose, covariance, surprise, _) in zip(head, found, strict=True):
            row["id"], row["stamp"], row["submap"], row["model"], row["surprise"] = id, stamp, submap, model, surprise
            row["pose"], row["covariance"] = pose, np.frombuffer(covariance, "<f4")
        _put_rows(new, head, [row[9] for row in found])


def _models(old: sqlite3.Connection) -> list[list]:
    """With all dimensions to be found by, as it was up to version 2."""
    return [[*row, row[2], BITS] for row in old.execute("SELECT id, model_id, dimensions FROM model")]


def _put_rows(new: sqlite3.Connection, head: np.ndarray, latents: list[bytes]) -> None:
    for model in np.unique(head["model"]):
        which = np.flatnonzero(head["model"] == model)
        wide = np.frombuffer(b"".join(latents[i] for i in which), HALF).reshape(len(which), -1)
        size = wide.shape[1]
        base.put_rows(new, Rows.of(head[which], wide, LatentFormat(size, size)))
