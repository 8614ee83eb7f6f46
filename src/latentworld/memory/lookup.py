"""Keyframes by place, time and id: the SQL, and nothing of latents but their bytes."""

from __future__ import annotations

import json
import math
import sqlite3

import numpy as np

from latentworld.memory.keyframes import Keyframe
from latentworld.memory.latents import HALF
from latentworld.memory.query import MemoryQuery
from latentworld.types import seconds

LAST = (1 << 63) - 1  # ns
_LISTED = "(SELECT value FROM json_each(?))"


def matching(
    connection: sqlite3.Connection, query: MemoryQuery, frame: int, radius: float, model_id: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Ids (n,) of all within the query's time and within ``radius`` of its place, and their place distances (n,)."""
    after, before = _span(query)
    where, values = "k.stamp BETWEEN ? AND ?", [after, before]
    if model_id is not None:  # the + keeps SQLite on the index over stamps
        where, values = f"{where} AND +k.model = (SELECT id FROM model WHERE model_id = ?)", [*values, model_id]
    if query.place is None:
        found = connection.execute(f"SELECT k.id FROM keyframe k WHERE {where}", values).fetchall()
        return np.array(found, np.int64).reshape(-1), np.full(len(found), math.nan)
    x, y = (float(v) for v in query.place[:2])
    box = (x - radius, x + radius, y - radius, y + radius, seconds(after), seconds(before))
    found = connection.execute(
        f"""SELECT k.id, k.x, k.y FROM place p CROSS JOIN keyframe k ON k.id = p.id
        WHERE p.x1 >= ? AND p.x0 <= ? AND p.y1 >= ? AND p.y0 <= ? AND p.t1 >= ? AND p.t0 <= ?
        AND k.frame = ? AND {where}""",
        (*box, frame, *values),
    ).fetchall()
    table = np.array(found, np.float64).reshape(-1, 3)
    distance = np.hypot(table[:, 1] - x, table[:, 2] - y)
    inside = distance <= radius
    return table[inside, 0].astype(np.int64), distance[inside]


def nearest_places(connection: sqlite3.Connection, query: MemoryQuery, frame: int) -> np.ndarray:
    """Ids (n,) by place distance: widening circles, until enough lie inside one, for all others are farther."""
    radius = min(0.05, query.radius)
    while True:
        ids, distance = matching(connection, query, frame, radius)
        if len(ids) >= query.limit or radius >= query.radius:
            return ids[np.lexsort((-ids, distance))[: query.limit]]
        radius = min(2.0 * radius if radius < 1e5 else math.inf, query.radius)


def nearest_stamps(connection: sqlite3.Connection, query: MemoryQuery) -> np.ndarray:
    """Ids (n,) by nearness in time to what was asked for, from both sides of it."""
    after, before = _span(query)
    if query.before is None:
        target = LAST if query.after is None else after
    else:
        target = before if query.after is None else (after + before) // 2
    rows = "SELECT * FROM (SELECT id, stamp FROM keyframe"
    found = connection.execute(
        f"""{rows} WHERE stamp BETWEEN ? AND ? ORDER BY stamp DESC, id DESC LIMIT ?) UNION ALL
        {rows} WHERE stamp > ? AND stamp <= ? ORDER BY stamp, id DESC LIMIT ?)""",
        (after, target, query.limit, target, before, query.limit),
    ).fetchall()
    found.sort(key=lambda row: (abs(row[1] - target), -row[0]))
    return np.array([id for id, _ in found[: query.limit]], np.int64)


def keyframes(connection: sqlite3.Connection, ids: np.ndarray, frame: int, thumbnails: bool) -> list[Keyframe]:
    """The keyframes of ``ids`` (n,), in that order; those of another laying than ``frame`` say so in ``frame_id``."""
    picture = "jpeg" if thumbnails else "NULL"
    rows = connection.execute(
        f"""SELECT k.id, stamp, frame, name, x, y, yaw, covariance, surprise, model_id, {picture}
        FROM keyframe k JOIN frame f ON f.id = k.frame JOIN model m ON m.id = k.model
        {"LEFT JOIN thumbnail t ON t.id = k.id" if thumbnails else ""} WHERE k.id IN {_LISTED}""",
        (json.dumps(ids.tolist()),),
    )
    found = {
        id: Keyframe(
            id, stamp, laying, name if laying == frame else f"{name}#{laying}", np.array([x, y, yaw]),
            np.frombuffer(covariance, "<f4").reshape(3, 3).astype(np.float64), surprise, model_id, thumbnail=jpeg,
        )
        for id, stamp, laying, name, x, y, yaw, covariance, surprise, model_id, jpeg in rows
    }  # fmt: skip
    return [found[id] for id in ids.tolist() if id in found]


def latents(connection: sqlite3.Connection, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ids (n,), ascending, and their latents (n, D) float16, from the file."""
    rows = connection.execute(
        f"SELECT id, latent FROM keyframe WHERE id IN {_LISTED} ORDER BY id", (json.dumps(ids.tolist()),)
    ).fetchall()
    return np.array([id for id, _ in rows], np.int64), matrix([latent for _, latent in rows])


def matrix(rows: list[bytes]) -> np.ndarray:
    """Stored latents as (N, D) float16."""
    return np.frombuffer(b"".join(rows), HALF).reshape(len(rows), -1) if rows else np.empty((0, 0), HALF)


def _span(query: MemoryQuery) -> tuple[int, int]:
    return (-LAST if query.after is None else query.after), (LAST if query.before is None else query.before)
