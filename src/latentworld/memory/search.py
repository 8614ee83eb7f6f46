"""Answering a query: exact always, by the shortest way that its keys allow."""

from __future__ import annotations

import math
import sqlite3
from dataclasses import replace

import numpy as np

from latentworld.memory import lookup
from latentworld.memory.familiarity import NeverSeenThreshold
from latentworld.memory.keyframes import Keyframe
from latentworld.memory.latents import LatentCache, distances
from latentworld.memory.parameters import MemoryParameters
from latentworld.memory.query import MemoryAnswer, MemoryQuery
from latentworld.memory.store import KeyframeStore

NARROW = 4096  # matches up to which latents are read from the file and not from the cache


class MemorySearch:
    """Queries over a store; latents are those of one model.

    Place and time go through the R*Tree or the index over stamps, and distances are then taken over the few rows left;
    a latent alone is compared with every latent of its model, in memory.
    """

    def __init__(self, store: KeyframeStore, model_id: str, parameters: MemoryParameters):
        self._store, self._model_id = store, model_id
        self._cache = LatentCache()
        self._never_seen = NeverSeenThreshold(model_id, parameters.never_seen_distance)

    def answer(self, query: MemoryQuery, frame: int) -> MemoryAnswer:
        """``frame``: the laying that the query's place is in, and that keyframes elsewhere are told from."""
        with self._store.reading() as connection:
            if query.latent is not None:
                ids, distance = self._nearest_latents(connection, query, frame)
                threshold = self._never_seen.value(connection)
                never_seen = not len(ids) or bool(distance[0] > threshold)
            else:
                if query.place is not None:
                    ids = lookup.nearest_places(connection, query, frame)
                else:
                    ids = lookup.nearest_stamps(connection, query)
                distance, threshold, never_seen = np.full(len(ids), math.nan), math.inf, not len(ids)
            found = lookup.keyframes(connection, ids, frame, query.thumbnails)
        ranked = (_measured(k, float(d), query, frame) for k, d in zip(found, distance, strict=True))
        return MemoryAnswer(tuple(ranked), never_seen, threshold)

    def _nearest_latents(self, connection, query: MemoryQuery, frame: int) -> tuple[np.ndarray, np.ndarray]:
        if query.place is None and query.after is None and query.before is None:
            self._refresh(connection)
            return self._cache.nearest(query.latent.vector, query.limit)
        ids, _ = lookup.matching(connection, query, frame, query.radius, self._model_id)
        if len(ids) <= NARROW:
            ids, latents = lookup.latents(connection, ids)
        else:
            self._refresh(connection)
            ids, latents = self._cache.gather(ids)
        distance = distances(latents, query.latent.vector) if len(ids) else np.empty(0)
        order = np.lexsort((-ids, distance))[: query.limit]
        return ids[order], distance[order]

    def _refresh(self, connection: sqlite3.Connection) -> None:
        self._cache.extend(
            lambda last: connection.execute(
                """SELECT id, latent FROM keyframe WHERE model = (SELECT id FROM model WHERE model_id = ?) AND id > ?
                ORDER BY id""",
                (self._model_id, last),
            )
        )


def _measured(keyframe: Keyframe, latent_distance: float, query: MemoryQuery, frame: int) -> Keyframe:
    place_distance = math.nan
    if query.place is not None and keyframe.frame == frame:
        place_distance = math.dist(keyframe.pose[:2], query.place[:2])
    return replace(keyframe, latent_distance=latent_distance, place_distance=place_distance)
