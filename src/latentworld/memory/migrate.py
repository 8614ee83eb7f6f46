"""Bases of earlier schemas, made anew in the present one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np

from latentworld.memory import base, schema
from latentworld.memory.files import publish
from latentworld.memory.layout import Layout
from latentworld.memory.pictures import Pictures
from latentworld.memory.rows import HALF, ROW, UPPER, Rows
from latentworld.memory.submaps import Submap

PIECE = 4096  # rows at a time


def migrated(layout: Layout, old: sqlite3.Connection) -> sqlite3.Connection:
    """A connection to the base in the schema of this version; the old one takes its place only once it is whole."""
    temporary = Path(f"{layout.base}.writing")
    temporary.unlink(missing_ok=True)
    new = sqlite3.connect(temporary, isolation_level=None)
    try:
        new.execute(f"PRAGMA page_size = {schema.PAGE}")
        schema.create(new)
        new.execute("BEGIN IMMEDIATE")
        _from_1(old, new, Pictures(layout.folder))
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
    connection = schema.connect(layout.base, writable=True)
    schema.prepare(connection)
    return connection


def _from_1(old: sqlite3.Connection, new: sqlite3.Connection, pictures: Pictures) -> None:
    """Version 1 had poses in rows, without submaps, pictures in the base, and no second copy of anything."""
    event: base.Event = {t: [list(row) for row in old.execute(f"SELECT * FROM {t}")] for t in ("model", "frame")}
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
        for model in np.unique(head["model"]):
            which = head["model"] == model
            latents = b"".join(row[8] for row, mine in zip(found, which, strict=True) if mine)
            base.put_rows(new, Rows(head[which], np.frombuffer(latents, HALF).reshape(int(which.sum()), -1)))
    places = [pictures.append(id, jpeg) for id, jpeg in old.execute("SELECT id, jpeg FROM thumbnail ORDER BY id")]
    pictures.close()
    base.put(new, {"picture": [list(place) for place in places]})
