"""Keyframes by place, time and id: the SQL, and nothing of latents but their bytes."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from latentworld.memory.keyframes import Keyframe
from latentworld.memory.latent_format import LatentFormat
from latentworld.memory.pictures import Pictures, Place
from latentworld.memory.query import MemoryQuery
from latentworld.memory.rows import full
from latentworld.memory.submaps import placed, turned
from latentworld.types import seconds

LAST = (1 << 63) - 1  # ns
FAR = 1e150  # m, whose square is a number
NEARLY = 16  # rows more than asked for, that rounding may have put behind others
VISIBLE = 12.0, math.radians(60), 1.0  # metres and bearing within which a picture may show a thing; metres, any bearing
A_RUN = 4  # keyframes in a submap, about
_LISTED = "(SELECT value FROM json_each(?))"
_MODEL = "(SELECT id FROM model WHERE model_id = :model)"


def overlapping(
    connection: sqlite3.Connection, query: MemoryQuery, frame: int, radius: float, most: int = 0
) -> np.ndarray:  # fmt: skip
    """Submaps that may hold something within ``radius`` of the query's place and its time: (n, 6) float64 of id, first
    and last keyframe, x, y, yaw. most: where there are more, about so many of them, of all times; 0: all.
    """
    after, before = _span(query)
    x, y = (0.0, 0.0) if query.place is None else (float(v) for v in query.place[:2])
    reach = math.inf if query.place is None else radius
    box = (x - reach, x + reach, y - reach, y + reach, seconds(after), seconds(before))
    within = "" if query.place is None else "AND s.frame = ?"
    there = f"""FROM submap_box b CROSS JOIN submap s ON s.id = b.id
        WHERE b.x1 >= ? AND b.x0 <= ? AND b.y1 >= ? AND b.y0 <= ? AND b.t1 >= ? AND b.t0 <= ? {within}"""
    values, every = (*box, *([] if query.place is None else [frame])), 1
    if most:
        every = max(1, connection.execute(f"SELECT count(*) {there}", values).fetchone()[0] // most)
    found = connection.execute(
        f"SELECT s.id, s.first, s.last, s.x, s.y, s.yaw {there} AND s.id % ? = 0", (*values, every)
    ).fetchall()
    return np.array(found, np.float64).reshape(-1, 6)


class Matching(NamedTuple):
    """ids: (n,). distance: (n,) m from the query's place, NaN without one. looks: (n, S) float32."""

    ids: np.ndarray
    distance: np.ndarray
    looks: np.ndarray


def matching(
    connection: sqlite3.Connection, query: MemoryQuery, submaps: np.ndarray, radius: float,
    model_id: str | None = None, format: LatentFormat | None = None, nearest: int = 0,
) -> Matching:  # fmt: skip
    """All within the query's time and surprise, and within ``radius`` of its place.

    submaps: those that may hold any, from ``overlapping``. format: of the looks that are read; ``None``: none is.
    nearest: of the rows that are nearest to the place so many are enough, and a few more come; 0: all.
    """
    values = {"first": _span(query)[0], "last": _span(query)[1], "model": model_id}
    values |= {"surprise": query.most_likely, "end": 0 if format is None else -format.look_bytes}
    order = "ORDER BY (k.x - s.x) * (k.x - s.x) + (k.y - s.y) * (k.y - s.y), k.id DESC LIMIT :most" if nearest else ""
    reach = FAR if query.place is None else min(radius * (1 + 1e-9) + 1e-9, FAR)  # rounding must leave out nothing
    found = connection.execute(
        f"""WITH s AS MATERIALIZED (SELECT json_extract(value, '$[0]') AS first, json_extract(value, '$[1]') AS last,
        json_extract(value, '$[2]') AS x, json_extract(value, '$[3]') AS y FROM json_each(:submaps))
        SELECT k.id, k.submap, k.x, k.y, k.yaw, {"k.step, substr(k.latent, :end)" if format else "0, x''"}
        FROM s CROSS JOIN keyframe k ON k.id BETWEEN s.first AND s.last
        WHERE k.stamp BETWEEN :first AND :last {f"AND k.model = {_MODEL}" if model_id else ""}
        {"" if query.surprise is None else "AND k.surprise <= :surprise"}
        AND (k.x - s.x) * (k.x - s.x) + (k.y - s.y) * (k.y - s.y) <= :reach {order}""",
        values | {"submaps": json.dumps(_seen_from(query, submaps)), "reach": reach * reach, "most": nearest + NEARLY},
    ).fetchall()
    ids, looks = np.array([row[0] for row in found], np.int64), _looks_in(found, format)
    if query.place is None:
        return Matching(ids, np.full(len(ids), math.nan), looks)
    table = np.array([row[1:5] for row in found], np.float64).reshape(-1, 4)
    distance = _away(query, submaps, table[:, 0], table[:, 1:])
    inside = distance <= radius
    return Matching(ids[inside], distance[inside], looks[inside])


def _seen_from(query: MemoryQuery, submaps: np.ndarray) -> list[list[float]]:
    """First and last keyframe of each submap, and where the query's place lies as these were driven."""
    if query.place is None:
        return [[int(first), int(last), 0, 0] for first, last in submaps[:, 1:3]]
    x, y, yaw = submaps[:, 3:].T
    east, north = float(query.place[0]) - x, float(query.place[1]) - y
    c, s = np.cos(yaw), np.sin(yaw)
    places = zip((c * east + s * north).tolist(), (c * north - s * east).tolist(), strict=True)
    return [[int(first), int(last), *at] for (first, last), at in zip(submaps[:, 1:3], places, strict=True)]


def filter_of(query: MemoryQuery, submaps: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Which rows (n,) of ROW match the query's place, time and surprise: (n,) bool. submaps: as for ``matching``."""
    after, before = _span(query)
    known = np.sort(submaps[:, 0])

    def matches(heads: np.ndarray) -> np.ndarray:
        stamps = heads["stamp"]
        keep = (stamps >= after) & (stamps <= before) & np.isin(heads["submap"], known)
        if query.surprise is not None:
            keep &= heads["surprise"] <= query.most_likely
        if query.place is not None:
            some = np.flatnonzero(keep)
            keep[some] = _away(query, submaps, heads["submap"][some], heads["pose"][some]) <= query.radius
        return keep

    return matches


def _away(query: MemoryQuery, submaps: np.ndarray, which: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """Metres (n,) from the query's place to poses (n, 3) as driven in submaps ``which`` (n,)."""
    order = np.argsort(submaps[:, 0])
    at = order[np.searchsorted(submaps[order, 0], which)]
    now = placed(submaps[at, 3:], poses)
    return np.hypot(now[:, 0] - float(query.place[0]), now[:, 1] - float(query.place[1]))


def among(connection: sqlite3.Connection, query: MemoryQuery, frame: int, ids: np.ndarray) -> np.ndarray:
    """Those of keyframes (n,) that are there and match the query's place, time and surprise."""
    first, last = _span(query)
    rows = connection.execute(
        f"SELECT id FROM keyframe WHERE id IN {_LISTED} AND stamp BETWEEN ? AND ? AND surprise <= ?",
        (json.dumps(ids.tolist()), first, last, query.most_likely),
    ).fetchall()
    found = np.array([id for (id,) in rows], np.int64)
    if query.place is None:
        return found
    there = [k for k in keyframes(connection, found, frame) if k.frame == frame]
    return np.array([k.id for k in there if math.dist(k.pose[:2], query.place[:2]) <= query.radius], np.int64)


def nearest_places(connection: sqlite3.Connection, query: MemoryQuery, frame: int) -> np.ndarray:
    """Ids (n,) by place distance: widening circles, until enough lie inside one, for all others are farther."""
    radius = min(0.05, query.radius)
    while True:
        submaps = overlapping(connection, query, frame, radius)
        ids, distance, _ = matching(connection, query, submaps, radius, nearest=query.limit)
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
    rows = "SELECT * FROM (SELECT id, stamp FROM keyframe WHERE surprise <= ? AND"
    found = connection.execute(
        f"""{rows} stamp BETWEEN ? AND ? ORDER BY stamp DESC, id DESC LIMIT ?) UNION ALL
        {rows} stamp > ? AND stamp <= ? ORDER BY stamp, id DESC LIMIT ?)""",
        (query.most_likely, after, target, query.limit, query.most_likely, target, before, query.limit),
    ).fetchall()
    found.sort(key=lambda row: (abs(row[1] - target), -row[0]))
    return np.array([id for id, _ in found[: query.limit]], np.int64)


def showing(connection: sqlite3.Connection, object: int) -> np.ndarray:
    """Ids (n,) of the keyframes that show a thing: of each of its stays the best and the last."""
    query = (
        "SELECT keyframe FROM stay WHERE object = :object UNION SELECT last_keyframe FROM stay WHERE object = :object"
    )
    return np.unique(np.array([id for (id,) in connection.execute(query, {"object": object})], np.int64))


def may_show(connection: sqlite3.Connection, object: int) -> list[int]:
    """Ids of the keyframes on which a thing may be seen, found there or not: taken towards where it stood, from before
    it was first seen there until after it was last seen there.
    """
    stays = connection.execute(
        "SELECT frame, x, y, first_keyframe, last_keyframe FROM stay WHERE object = ? ORDER BY id", (object,)
    ).fetchall()
    found: set[int] = set()
    for at, (frame, x, y, first, last) in enumerate(stays):
        begin = connection.execute("SELECT max(last_keyframe) FROM stay WHERE frame < ?", (frame,)).fetchone()[0] or 0
        end = connection.execute("SELECT min(first_keyframe) FROM stay WHERE frame > ?", (frame,)).fetchone()[0] or LAST
        if at > 0 and stays[at - 1][0] == frame:
            begin = min(stays[at - 1][4], first - 1)
        if at + 1 < len(stays) and stays[at + 1][0] == frame:
            end = max(stays[at + 1][3], last + 1)
        rows = connection.execute("SELECT id, x, y, yaw FROM keyframe WHERE id > ? AND id < ?", (begin, end)).fetchall()
        table = np.array(rows, np.float64).reshape(-1, 4)
        east, north = x - table[:, 1], y - table[:, 2]
        off = np.abs(np.remainder(np.arctan2(north, east) - table[:, 3] + np.pi, 2 * np.pi) - np.pi)
        far = np.hypot(east, north)
        seen = (far < VISIBLE[0]) & ((off < VISIBLE[1]) | (far < VISIBLE[2]))
        found |= set(table[seen, 0].astype(np.int64).tolist())
    return sorted(found)


def keyframes(
    connection: sqlite3.Connection, ids: np.ndarray, frame: int, pictures: Pictures | None = None
) -> list[Keyframe]:
    """The keyframes of ``ids`` (n,), in that order; those of another laying than ``frame`` say so in ``frame_id``.

    pictures: to read thumbnails from.
    """
    found = connection.execute(
        f"""SELECT k.id, stamp, s.frame, name, k.x, k.y, k.yaw, s.x, s.y, s.yaw, k.covariance, s.covariance, surprise,
        model_id, p.pack, p.at, p.size FROM keyframe k JOIN submap s ON s.id = k.submap JOIN frame f ON f.id = s.frame
        JOIN model m ON m.id = k.model LEFT JOIN picture p ON p.id = k.id WHERE k.id IN {_LISTED}""",
        (json.dumps(ids.tolist()),),
    ).fetchall()
    if not found:
        return []
    numbers = np.array([row[4:10] for row in found], np.float64)
    poses = placed(numbers[:, 3:], numbers[:, :3])
    own, added = (
        full(np.frombuffer(b"".join(row[i] for row in found), "<f4").reshape(-1, 6).astype(np.float64))
        for i in (10, 11)
    )
    covariances = turned(numbers[:, 3:], own) + added
    by_id = {}
    for row, pose, covariance in zip(found, poses, covariances, strict=True):
        id, stamp, laying, name = row[:4]
        where = name if laying == frame else f"{name}#{laying}"
        jpeg = pictures.read(Place(id, *row[14:])) if pictures and row[14] is not None else None
        by_id[id] = Keyframe(id, stamp, laying, where, pose, covariance, row[12], row[13], thumbnail=jpeg)
    return [by_id[id] for id in ids.tolist() if id in by_id]


def looks(connection: sqlite3.Connection, ids: np.ndarray, format: LatentFormat) -> tuple[np.ndarray, np.ndarray]:
    """Ids (n,), ascending, and what they are found by, (n, S) float32, from the base."""
    rows = connection.execute(
        f"SELECT id, step, substr(latent, ?) FROM keyframe WHERE id IN {_LISTED} ORDER BY id",
        (-format.look_bytes, json.dumps(ids.tolist())),
    ).fetchall()
    return np.array([row[0] for row in rows], np.int64), _looks_in(rows, format)


class Views(NamedTuple):
    """ids, frames: (n,). poses: (n, 3) in the frames. looks: (n, S) float32."""

    ids: np.ndarray
    frames: np.ndarray
    poses: np.ndarray
    looks: np.ndarray


_VIEWS = "SELECT k.id, s.frame, k.x, k.y, k.yaw, s.x, s.y, s.yaw, step, substr(latent, :end) FROM"


def newest_views(connection: sqlite3.Connection, model_id: str, limit: int, format: LatentFormat) -> Views:
    """The newest keyframes of a model, the newest first."""
    rows = connection.execute(
        f"{_VIEWS} keyframe k JOIN submap s ON s.id = k.submap WHERE model = {_MODEL} ORDER BY k.id DESC LIMIT :limit",
        {"end": -format.look_bytes, "model": model_id, "limit": limit},
    ).fetchall()
    return _views(rows, format)


def views_of(connection: sqlite3.Connection, ids: np.ndarray, format: LatentFormat) -> Views:
    """Those of ``ids`` (n,) that there are, in no order."""
    rows = connection.execute(
        f"{_VIEWS} keyframe k JOIN submap s ON s.id = k.submap WHERE k.id IN (SELECT value FROM json_each(:ids))",
        {"end": -format.look_bytes, "ids": json.dumps(ids.tolist())},
    ).fetchall()
    return _views(rows, format)


def views_within(
    connection: sqlite3.Connection, model_id: str, frame: int, place: np.ndarray, radius: float, format: LatentFormat,
    most: int,
) -> Views:  # fmt: skip
    """Of a model within ``radius`` metres of a place (x, y) in a frame; where there are more, ``most`` of them, of all
    times.
    """
    query = MemoryQuery(place=place)
    submaps = overlapping(connection, query, frame, radius, most // A_RUN)
    ids = np.sort(matching(connection, query, submaps, radius, model_id).ids)
    if len(ids) > most:
        ids = ids[np.linspace(0, len(ids) - 1, most).round().astype(np.int64)]
    return views_of(connection, ids, format)


def _views(rows: list[tuple], format: LatentFormat) -> Views:
    numbers = np.array([row[2:8] for row in rows], np.float64).reshape(-1, 6)
    ids, frames = (np.array([row[i] for row in rows], np.int64) for i in (0, 1))
    return Views(ids, frames, placed(numbers[:, 3:], numbers[:, :3]), _looks_in(rows, format))


def _looks_in(rows: list[tuple], format: LatentFormat | None) -> np.ndarray:
    """(n, S) float32 of records that end with step and the end of a code."""
    if not rows or format is None:
        return np.empty((len(rows), 0), np.float32)
    codes = np.frombuffer(b"".join(row[-1] for row in rows), np.int8).reshape(len(rows), format.look_bytes)
    return format.decoded(codes, np.array([row[-2] for row in rows], np.float32))


def _span(query: MemoryQuery) -> tuple[int, int]:
    return (-LAST if query.after is None else query.after), (LAST if query.before is None else query.before)
