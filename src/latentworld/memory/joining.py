"""Putting what was remembered before a restart to where it lies in odometry as it was laid anew."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

import numpy as np

from latentworld.memory.base import Event
from latentworld.memory.rows import full
from latentworld.memory.submaps import moved, placed, turned, upper


class Join(NamedTuple):
    """Laying ``frame`` of odometry lies in a later one, ``into``, where a transform (3,) carries it: metres, radians.

    covariance: (3, 3) of that. stamp, pose: ns and (3,) in ``into``, where the robot was when that was known; odometry
    drifts on.
    """

    frame: int
    into: int
    transform: np.ndarray
    covariance: np.ndarray
    stamp: int
    pose: np.ndarray


def joined(connection: sqlite3.Connection, join: Join) -> Event:
    """The event that moves all that lies in the one frame into the other."""
    found = connection.execute("SELECT * FROM submap WHERE frame = ?", (join.frame,)).fetchall()
    return {"submap": _carried(found, join.into, join.transform, join.covariance)}


def followed(connection: sqlite3.Connection, frame: int, before: int, transform: np.ndarray) -> Event:
    """The event that moves by a transform (3,) what was joined to a frame: its keyframes ``before`` an id."""
    found = connection.execute("SELECT * FROM submap WHERE frame = ? AND last < ?", (frame, before)).fetchall()
    return {"submap": _carried(found, frame, transform, np.zeros((3, 3)))}


def _carried(found: list[tuple], frame: int, transform: np.ndarray, covariance: np.ndarray) -> list[list]:
    if not found:
        return []
    transforms = placed(transform[None], np.array([row[4:7] for row in found], np.float64))
    own = full(np.frombuffer(b"".join(row[7] for row in found), "<f4").reshape(-1, 6).astype(np.float64))
    spread = upper(turned(transform[None], own) + covariance)
    return moved(found, frame, transforms, [part.tobytes().hex() for part in spread])
