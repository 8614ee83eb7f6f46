"""Answering a query by the shortest way that its keys allow: exact where they leave little, else through the index."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from latentworld.memory import lookup
from latentworld.memory.familiarity import Familiarity, FamiliarityGauge
from latentworld.memory.index import LatentIndex
from latentworld.memory.keyframes import Keyframe
from latentworld.memory.latent_format import LatentFormat
from latentworld.memory.parameters import MemoryParameters
from latentworld.memory.pictures import Pictures
from latentworld.memory.query import MemoryAnswer, MemoryQuery
from latentworld.memory.store import KeyframeStore
from latentworld.memory.text_search import TextSearch
from latentworld.types import LatentworldError

NORMAL = np.random.default_rng(0).standard_normal((1024, 2))  # that probabilities are counted with
SLICE = 100  # pictures that words describe which are looked up at once
NARROW = 16_384  # keyframes in the submaps that match, up to which each is looked at


class MemorySearch:
    """Queries over a store; latents are those of one model, and are compared by the numbers they are found by."""

    def __init__(
        self, store: KeyframeStore, model_id: str, parameters: MemoryParameters, text: TextSearch | None = None
    ):
        self._store, self._model_id = store, model_id
        self._index = LatentIndex(store.layout, model_id)
        self._familiarity = FamiliarityGauge(model_id, parameters.never_seen_distance)
        self._text = text

    def answer(self, query: MemoryQuery, frame: int) -> MemoryAnswer:
        """``frame``: the laying that the query's place is in, and that keyframes elsewhere are told from."""
        pictures = self._store.pictures if query.thumbnails else None
        words = self._words(query)
        with self._one_state() as connection:
            if query.object is not None:
                return self._of_object(connection, query, frame, pictures, words)
            familiarity = Familiarity()
            if query.latent is not None:
                ids, distance = self._nearest_latents(connection, query, frame)
                familiarity = self._familiarity.read(connection, self._format)
            elif query.text is not None:
                ids, distance = self._described(connection, query, frame, words)
            else:
                if query.place is not None:
                    ids = lookup.nearest_places(connection, query, frame)
                else:
                    ids = lookup.nearest_stamps(connection, query)
                distance = np.full(len(ids), math.nan)
            found = lookup.keyframes(connection, ids, frame, pictures)
        never_seen = not len(ids) or bool(distance[0] > familiarity.threshold)
        ranked = _measured(found, distance, query, frame, familiarity)
        return MemoryAnswer(tuple(ranked), never_seen, familiarity.threshold)

    def _of_object(
        self, connection, query: MemoryQuery, frame: int, pictures: Pictures | None, words: np.ndarray | None
    ) -> MemoryAnswer:  # fmt: skip
        """A thing is shown by few: each is looked at."""
        ids = lookup.among(connection, query, frame, lookup.showing(connection, query.object))
        familiarity, far = Familiarity(), {}
        if query.latent is not None:
            format = self._format
            familiarity = self._familiarity.read(connection, format)
            some, rows = lookup.looks(connection, ids, format)
            if len(some):
                far = dict(zip(some.tolist(), distances(rows, query.latent.vector[-format.looks :]), strict=True))
        elif words is not None:
            far = dict(zip(*(part.tolist() for part in self._text.distances(words, ids)), strict=True))
        distance = np.array([far.get(id, math.nan) for id in ids.tolist()])
        found = _measured(lookup.keyframes(connection, ids, frame, pictures), distance, query, frame, familiarity)
        if query.latent is not None or query.text is not None:
            found = [k for k in found if not math.isnan(k.latent_distance)]
            found.sort(key=lambda k: k.latent_distance)
        else:
            found.sort(key=(lambda k: -k.stamp) if query.place is None else (lambda k: k.place_distance))
        return MemoryAnswer(tuple(found[: query.limit]), not found)

    def earlier_views(self, vector: np.ndarray, before: int | None, limit: int) -> lookup.Views:
        """Where the ``limit`` keyframes were seen from whose latents are nearest to one, of those ``before`` an id."""
        format = self._format
        vector, end = vector[-format.looks :], lookup.LAST if before is None else before
        with self._one_state() as connection:
            ids = self._index.candidates(connection, vector, limit, lambda heads: heads["id"] < end)
            ids, _ = _nearest(*lookup.looks(connection, ids, format), vector, limit)
            return lookup.views_of(connection, ids, format)

    def all(self, connection: sqlite3.Connection, query: MemoryQuery, frame: int, within: float | None) -> list[int]:
        """Ids of everything in the query's place and time, and within a latent distance where one is given; exact."""
        submaps = lookup.overlapping(connection, query, frame, query.radius)
        model = None if within is None else self._model_id
        ids = lookup.matching(connection, query, submaps, query.radius, model).ids
        if within is not None:
            format = self._format
            vector = query.latent.vector[-format.looks :]
            pieces = [lookup.looks(connection, ids[at : at + NARROW], format) for at in range(0, len(ids), NARROW)]
            near = [some[distances(latents, vector) <= within] for some, latents in pieces if len(some)]
            ids = np.concatenate(near) if near else ids[:0]
        return ids.tolist()

    @contextmanager
    def _one_state(self) -> Iterator[sqlite3.Connection]:
        """One state of the base for all that is read within."""
        with self._store.reading() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")

    def _nearest_latents(self, connection, query: MemoryQuery, frame: int) -> tuple[np.ndarray, np.ndarray]:
        format = self._format
        vector = query.latent.vector[-format.looks :]
        if not query.narrowed:
            ids = self._index.candidates(connection, vector, query.limit)
        else:
            submaps = lookup.overlapping(connection, query, frame, query.radius)
            if (submaps[:, 2] - submaps[:, 1] + 1).sum() <= NARROW:
                found = lookup.matching(connection, query, submaps, query.radius, self._model_id, format)
                return _nearest(found.ids, found.looks, vector, query.limit)
            ids = self._index.candidates(connection, vector, query.limit, lookup.filter_of(query, submaps))
        return _nearest(*lookup.looks(connection, ids, format), vector, query.limit)

    def _described(
        self, connection, query: MemoryQuery, frame: int, words: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """Ids and distances of the keyframes whose pictures words (D,) describe best."""
        which = None
        if query.narrowed:
            submaps = lookup.overlapping(connection, query, frame, query.radius)
            if (submaps[:, 2] - submaps[:, 1] + 1).sum() <= NARROW:
                which = lookup.matching(connection, query, submaps, query.radius).ids
        ids, distance = self._text.distances(words, which)
        order = np.lexsort((-ids, distance))
        found, at, size = order[:0], 0, SLICE + query.limit
        while len(found) < query.limit and at < len(order):  # some may be gone from the base, and not yet from here
            some = order[at : at + size]
            matching = lookup.among(connection, query, frame, ids[some])
            found = np.concatenate([found, some[np.isin(ids[some], matching)]])
            at, size = at + size, 4 * size
        found = found[: query.limit]
        return ids[found], distance[found]

    def _words(self, query: MemoryQuery) -> np.ndarray | None:
        """(D,) of unit length; ``None`` where words are not asked for."""
        if query.text is None:
            return None
        if self._text is None:
            raise LatentworldError("memory query text: expected a memory with a text encoder, got one without")
        return self._text.words(query.text)

    @property
    def _format(self) -> LatentFormat:
        return self._store.format(self._model_id)


def _nearest(ids: np.ndarray, looks: np.ndarray, vector: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """The ids (limit,) of the nearest rows (N, S) to a vector (S,), and their distances; of equals the newest first."""
    distance = distances(looks, vector) if len(ids) else np.empty(0)
    order = np.lexsort((-ids, distance))[:limit]
    return ids[order], distance[order]


def distances(rows: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Euclidean distances (N,) float64 of rows (N, D) to a vector (D,)."""
    difference = rows.astype(np.float64) - np.asarray(vector, np.float64)
    return np.sqrt(np.einsum("nd,nd->n", difference, difference))


def _measured(
    found: list[Keyframe], distance: np.ndarray, query: MemoryQuery, frame: int, familiarity: Familiarity
) -> list[Keyframe]:
    """Keyframes with how far each is from what was asked for, and how surely it is that. distance: (n,) of latents."""
    if query.latent is None and query.text is None and query.place is None:
        return found
    sure = familiarity.confidence(distance) if query.latent is not None else np.ones(len(found))
    if query.place is None and query.text is not None:
        sure = np.full(len(found), math.nan)
    away = np.full(len(found), math.nan)
    if query.place is not None:
        here = np.array([k.frame == frame for k in found], bool)
        off = np.array([k.pose[:2] for k in found]).reshape(-1, 2) - np.asarray(query.place[:2], np.float64)
        away[here] = np.hypot(*off[here].T)
        spread = np.array([k.covariance[:2, :2] for k in found]).reshape(-1, 2, 2)
        sure = sure * np.where(here, within(off, spread, query.radius), math.nan)
    each = zip(found, distance.tolist(), away.tolist(), sure.tolist(), strict=True)
    return [replace(k, latent_distance=d, place_distance=m, confidence=c) for k, d, m, c in each]


def within(off: np.ndarray, covariance: np.ndarray, radius: float) -> np.ndarray:
    """Probabilities (n,) that what lies off by (n, 2) metres, with covariances (n, 2, 2), lies within a radius."""
    variance, axes = np.linalg.eigh(covariance)
    spread = np.sqrt(np.maximum(variance, 0))
    middle = np.einsum("ni,nij->nj", off, axes)  # along the axes of its uncertainty
    points = middle[:, None] + spread[:, None] * NORMAL
    return (np.hypot(points[..., 0], points[..., 1]) <= radius).mean(1)
