"""What many robots remember, on one Qdrant server or cluster: the same questions, asked of all of them.

Each robot's own memory stays the truth. It sends what it has sealed, again when that has changed (forgotten, thinned,
corrected), and takes back what it holds no more. Asking is by the same ``MemoryQuery``.
"""

from __future__ import annotations

import json
import math
import os
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentworld.memory import base, lookup
from latentworld.memory.files import publish
from latentworld.memory.keyframes import Keyframe
from latentworld.memory.latent_format import LatentFormat
from latentworld.memory.query import MemoryAnswer, MemoryQuery
from latentworld.memory.visual_memory import VisualMemory
from latentworld.types import LatentworldError

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

PIECE = 1024  # rows sent at once
INDEXED = {
    "robot": "keyword", "frame": "keyword", "stamp": "integer", "id": "integer", "x": "float", "y": "float",
    "surprise": "float",
}  # fmt: skip
SPACE = uuid.UUID("1f0c7f5e-7a44-5a52-9d0e-5b6f1e0d7c11")  # of the numbers of points


def client_of(where: str) -> QdrantClient:
    """A server's address, or a folder for an embedded one. The key of a server is read from QDRANT_API_KEY."""
    try:
        from qdrant_client import QdrantClient
    except ImportError as error:
        raise LatentworldError(f"fleet: expected qdrant-client (pip install qdrant-client), got: {error}") from None
    if "://" in where:
        return QdrantClient(where, api_key=os.environ.get("QDRANT_API_KEY"))
    return QdrantClient(path=where)


class FleetMemory:
    """One collection a model; every point is a keyframe of a robot.

    Poses are in frames called ``robot/frame#laying``: those of two robots, or of two layings of odometry, never compare
    unless both were corrected into one frame that they share (``map``), which is then called just that.
    """

    def __init__(self, client: QdrantClient, model_id: str, shared: tuple[str, ...] = ("map",)):
        """client: of any server, cluster, or local folder. shared: frames that mean the same to all robots."""
        try:
            from qdrant_client import models
        except ImportError as error:
            raise LatentworldError(f"fleet: expected qdrant-client (pip install qdrant-client), got: {error}") from None
        self._client, self._models, self.model_id, self._shared = client, models, model_id, shared
        self.collection = f"latentworld-{model_id}"

    def sync(self, memory: VisualMemory, robot: str, young: bool = False) -> int:
        """Send what ``memory`` has sealed (``young``: all that is durable) as far as the fleet lacks it; answers how
        many keyframes were sent.

        A keyframe that the fleet already holds with a later stamp under the same robot and number is left as it is: two
        robots of one name, or one that was set back, do not overwrite what is newer.
        """
        if memory.model_id != self.model_id:
            raise LatentworldError(f"fleet: expected keyframes of model {self.model_id}, got {memory.model_id}")
        format = memory.store.format(memory.model_id)
        if not format.dimensions:
            return 0
        self._prepare(format.looks)
        sent = 0
        note = memory.store.layout.folder / "fleet"
        known = _noted(note).get(robot, {})
        now: dict[str, int] = {}
        with memory.store.reading() as connection:
            connection.execute("BEGIN")
            try:
                for first, last in _runs(memory, connection, young):
                    state = _state(connection, first, last)
                    now[f"{first}-{last}"] = state
                    if known.get(f"{first}-{last}") != state:
                        sent += self._send(connection, robot, first, last, format)
            finally:
                connection.execute("ROLLBACK")
        _note(note, robot, now)
        return sent

    def query(self, query: MemoryQuery, robot: str | None = None, frame: str | None = None) -> MemoryAnswer:
        """As ``VisualMemory.query``, of one robot or of all. frame: that the query's place is in, by the name that
        answers give it (``map``, ``robot/odom#3``).
        """
        if query.place is not None and frame is None:
            raise LatentworldError("fleet query: expected the frame that the place is in, got none")
        if query.object is not None:
            raise LatentworldError("fleet query: things are each robot's own; ask its memory")
        if query.text is not None:
            raise LatentworldError("fleet query: words are not known to it; ask a robot's memory")
        if not self._client.collection_exists(self.collection):
            return MemoryAnswer((), True)
        only = self._filter(query, robot, frame)
        limit = query.limit
        if query.latent is None:
            found = [(point, math.nan) for point in self._all(only)]
        else:
            if query.latent.model_id != self.model_id:
                expected = f"expected a latent of model {self.model_id}"
                raise LatentworldError(f"fleet query: {expected}, got model {query.latent.model_id}")
            vector = query.latent.vector[-self._looks() :].tolist()
            more = limit if query.place is None else 4 * limit + 64  # a box is asked for, a circle is meant
            while True:
                answer = self._client.query_points(
                    self.collection, query=vector, query_filter=only, limit=more, with_payload=True
                ).points  # fmt: skip
                found = [(point, float(point.score)) for point in answer]
                inside = [pair for pair in found if _away(pair[0].payload, query) <= query.radius]
                if len(inside) >= limit or len(answer) < more:
                    break
                more *= 4
        keyframes = [
            replace(_keyframe(point.payload, self.model_id), latent_distance=score,
                    place_distance=_away(point.payload, query) if query.place is not None else math.nan)
            for point, score in found
            if _away(point.payload, query) <= query.radius
        ]  # fmt: skip
        keyframes.sort(key=_rank(query))
        return MemoryAnswer(tuple(keyframes[:limit]), not keyframes)

    def robots(self) -> dict[str, int]:
        """How many keyframes of each robot there are."""
        counts: dict[str, int] = {}
        if self._client.collection_exists(self.collection):
            for point in self._all(None):
                counts[point.payload["robot"]] = counts.get(point.payload["robot"], 0) + 1
        return counts

    def leave(self, robot: str) -> None:
        """Take out all that a robot ever sent."""
        if self._client.collection_exists(self.collection):
            selector = self._models.FilterSelector(filter=self._filter(MemoryQuery(), robot, None))
            self._client.delete(self.collection, points_selector=selector, wait=True)

    # what is sent
    def _prepare(self, looks: int) -> None:
        if self._client.collection_exists(self.collection):
            return
        m = self._models
        self._client.create_collection(
            self.collection, vectors_config=m.VectorParams(size=looks, distance=m.Distance.EUCLID)
        )
        for name, kind in INDEXED.items():
            self._client.create_payload_index(self.collection, name, field_schema=kind)

    def _send(self, connection, robot: str, first: int, last: int, format: LatentFormat) -> int:
        m, sent = self._models, 0
        held: set[int] = set()
        for begin in range(first, last + 1, PIECE):
            ids = np.arange(begin, min(begin + PIECE, last + 1))
            frames = lookup.keyframes(connection, ids, -1)
            frames = [k for k in frames if k.model_id == self.model_id]
            held |= {k.id for k in frames}
            some, vectors = lookup.looks(connection, np.array([k.id for k in frames], np.int64), format)
            by_id = dict(zip(some.tolist(), vectors, strict=True))
            numbers = {k.id: _number(robot, k.id) for k in frames}
            there = self._client.retrieve(self.collection, list(numbers.values()), with_payload=["id", "stamp"])
            later = {point.payload["id"]: point.payload["stamp"] for point in there}
            points = [
                m.PointStruct(id=numbers[k.id], vector=by_id[k.id].tolist(), payload=self._payload(robot, k))
                for k in frames
                if later.get(k.id, k.stamp) <= k.stamp
            ]
            if points:
                self._client.upsert(self.collection, points=points, wait=True)
                sent += len(points)
        gone = m.Filter(
            must=[m.FieldCondition(key="robot", match=m.MatchValue(value=robot)),
                  m.FieldCondition(key="id", range=m.Range(gte=first, lte=last))]
        )  # fmt: skip
        lost = [str(point.id) for point in self._all(gone) if point.payload["id"] not in held]
        if lost:
            self._client.delete(self.collection, points_selector=m.PointIdsList(points=lost), wait=True)
        return sent

    def _payload(self, robot: str, k: Keyframe) -> dict[str, Any]:
        name = k.frame_id.partition("#")[0]
        x, y, yaw = map(float, k.pose)
        return {
            "robot": robot, "id": k.id, "stamp": k.stamp, "laying": k.frame,
            "frame": name if name in self._shared else f"{robot}/{name}#{k.frame}", "x": x, "y": y, "yaw": yaw,
            "covariance": k.covariance.ravel().tolist(), "surprise": float(k.surprise),
        }  # fmt: skip

    # what is asked
    def _looks(self) -> int:
        return self._client.get_collection(self.collection).config.params.vectors.size

    def _filter(self, query: MemoryQuery, robot: str | None, frame: str | None):
        m = self._models
        must = []
        if robot is not None:
            must.append(m.FieldCondition(key="robot", match=m.MatchValue(value=robot)))
        if query.after is not None or query.before is not None:
            must.append(m.FieldCondition(key="stamp", range=m.Range(gte=query.after, lte=query.before)))
        if query.surprise is not None:
            must.append(m.FieldCondition(key="surprise", range=m.Range(lte=query.most_likely)))
        if query.place is not None:
            must.append(m.FieldCondition(key="frame", match=m.MatchValue(value=frame)))
            for key, at in zip("xy", query.place, strict=False):
                if math.isfinite(query.radius):
                    span = m.Range(gte=float(at) - query.radius, lte=float(at) + query.radius)
                    must.append(m.FieldCondition(key=key, range=span))
        return m.Filter(must=must) if must else None

    def _all(self, only) -> Iterator[Any]:
        offset = None
        while True:
            points, offset = self._client.scroll(self.collection, scroll_filter=only, limit=PIECE, offset=offset)
            yield from points
            if offset is None:
                return


def _runs(memory: VisualMemory, connection, young: bool) -> list[tuple[int, int]]:
    """First and last ids of what is sealed, and of what is not."""
    runs = [(sealed.first, sealed.last) for sealed in memory.store.layout.segments()]
    begin, last = max((last for _, last in runs), default=0) + 1, base.state(connection, "last_id")
    return [*runs, (begin, last)] if young and last >= begin else runs


def _state(connection, first: int, last: int) -> int:
    """Changes when keyframes from one id to another went or moved."""
    count, total = connection.execute(
        "SELECT count(*), total(id) FROM keyframe WHERE id BETWEEN ? AND ?", (first, last)
    ).fetchone()  # fmt: skip
    places = connection.execute(
        "SELECT id, frame, x, y, yaw FROM submap WHERE first <= ? AND last >= ? ORDER BY id", (last, first)
    ).fetchall()
    return zlib.crc32(repr((count, total, places)).encode())


def _number(robot: str, id: int) -> str:
    return str(uuid.uuid5(SPACE, f"{robot}/{id}"))


def _keyframe(payload: dict[str, Any], model_id: str) -> Keyframe:
    pose, covariance = np.array([payload[name] for name in ("x", "y", "yaw")]), np.array(payload["covariance"])
    name = payload["frame"]
    return Keyframe(
        payload["id"], payload["stamp"], payload["laying"], name, pose, covariance.reshape(3, 3), payload["surprise"],
        model_id, robot=payload["robot"],
    )  # fmt: skip


def _away(payload: dict[str, Any], query: MemoryQuery) -> float:
    """Metres from the query's place; 0 without one."""
    return 0.0 if query.place is None else math.hypot(payload["x"] - query.place[0], payload["y"] - query.place[1])


def _rank(query: MemoryQuery):
    """As ``MemoryQuery`` says; of equals the newest first."""
    if query.latent is not None:
        return lambda k: (k.latent_distance, -k.stamp)
    if query.place is not None:
        return lambda k: (k.place_distance, -k.stamp)
    if query.after is None and query.before is None:
        return lambda k: -k.stamp
    target = query.before if query.after is None else query.after
    if None not in (query.after, query.before):
        target = (query.after + query.before) // 2
    return lambda k: (abs(k.stamp - target), -k.stamp)


def _noted(path: Path) -> dict[str, dict[str, int]]:
    """What was sent when; lost, everything is sent once more."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def _note(path: Path, robot: str, runs: dict[str, int]) -> None:
    temporary = path.with_suffix(".writing")
    temporary.write_text(json.dumps(_noted(path) | {robot: runs}))
    publish(temporary, path)
