"""Putting what was remembered before a restart to where it lies in odometry as it was laid anew."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

import numpy as np

from latentworld.memory.rows import full
from latentworld.memory.submaps import moved, placed, turned, upper


class Join(NamedTuple):
    """Laying ``frame`` of odometry lies in a later one, ``into``, where a transform (3,) carries it: metres, radians.

    stamp, pose: ns and (3,) in ``into``, where the robot was when that was known; odometry drifts on. covariance:
    (3, 3) of what lies there; what is farther away is the less certain, the less the heading is.
    """

    frame: int
    into: int
    transform: np.ndarray
    covariance: np.ndarray
    stamp: int
    pose: np.ndarray


def joined(connection: sqlite3.Connection, join: Join) -> list[list]:
    """Rows of the submaps of the one frame, moved into the other."""
    found = connection.execute("SELECT * FROM submap WHERE frame = ?", (join.frame,)).fetchall()
    return _moved(found, join.into, join.transform, join.covariance, join.pose)


def carried(connection: sqlite3.Connection, frame: int, before: int, into: int, transform: np.ndarray) -> list[list]:
    """Rows of the submaps that were joined to a frame, those of keyframes ``before`` an id, moved by a transform (3,)
    into a frame.
    """
    found = connection.execute("SELECT * FROM submap WHERE frame = ? AND last < ?", (frame, before)).fetchall()
    return _moved(found, into, transform, np.zeros((3, 3)), np.zeros(3))


def count_carried(connection: sqlite3.Connection, frame: int, before: int) -> int:
    """How many submaps those of ``carried`` are."""
    query = "SELECT count(*) FROM submap WHERE frame = ? AND last < ?"
    return connection.execute(query, (frame, before)).fetchone()[0]


def _moved(
    found: list[tuple], into: int, transform: np.ndarray, covariance: np.ndarray, about: np.ndarray
) -> list[list]:  # fmt: skip
    """covariance: (3, 3) of what lies at a pose ``about`` (3,) after the transform."""
    if not found:
        return []
    transforms = placed(transform[None], np.array([row[4:7] for row in found], np.float64))
    driven = np.array([row[14:18] for row in found], np.float64)
    middles = np.column_stack([driven[:, :2].mean(1), driven[:, 2:].mean(1), np.zeros(len(found))])
    arms = placed(transforms, middles)[:, :2] - about[:2]
    lever = np.tile(np.eye(3), (len(found), 1, 1))
    lever[:, 0, 2], lever[:, 1, 2] = -arms[:, 1], arms[:, 0]
    own = full(np.frombuffer(b"".join(row[7] for row in found), "<f4").reshape(-1, 6).astype(np.float64))
    spread = upper(turned(transform[None], own) + lever @ covariance @ lever.swapaxes(1, 2))
    return moved(found, into, transforms, [part.tobytes().hex() for part in spread])
