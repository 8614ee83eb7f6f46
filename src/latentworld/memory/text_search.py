"""Finding keyframes by words: an encoder puts pictures and texts in one space, and thumbnails are read into it once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from latentworld.memory import base, lookup
from latentworld.memory.picture_vectors import PictureVectors
from latentworld.memory.query import MemoryQuery
from latentworld.memory.store import KeyframeStore

BATCH = 16  # pictures encoded at once


class TextEncoder(Protocol):
    """encoder_id: names its weights; vectors of others are never compared. dimensions: D."""

    encoder_id: str
    dimensions: int

    def pictures(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """N images (height, width, 3) uint8 RGB -> (N, D) float32 of unit length."""

    def words(self, text: str) -> np.ndarray:
        """(D,) float32 of unit length."""


class TextSearch:
    """Over the thumbnails of a store, as far as they were read."""

    def __init__(self, store: KeyframeStore, encoder: TextEncoder):
        self._store, self._encoder = store, encoder
        self._vectors = PictureVectors(store.layout.folder, encoder.encoder_id, encoder.dimensions)
        self._reading = threading.Lock()  # of the following
        self._unread, self._newest, self._erasures, self._count = np.empty(0, np.int64), 0, -1, 0

    def read(self, most: int | None = None, tell: Callable[[int, int], None] | None = None) -> int:
        """Encode pictures that are not read yet, the newest first, ``most`` of them; answers how many are left. One
        that can't be read is tried again when something was taken out of the memory: pictures move then.

        tell: hears how many are read, and of how many, now and then.
        """
        with self._reading:
            self._look()
            some = self._unread[:most]
            for at in range(0, len(some), BATCH):
                ids = some[at : at + BATCH]
                self._encode(ids[~np.isin(ids, self._vectors.ids())])  # another process may have done so meanwhile
                self._unread = self._unread[len(ids) :]
                if tell is not None:
                    tell(min(at + BATCH, len(some)), len(some))
            return len(self._unread)

    def _look(self) -> None:
        """For what is new; and anew for all where something was taken out, or vectors were lost."""
        held = self._vectors.ids()
        with self._store.reading() as connection:
            erasures = base.state(connection, "erasures")
            if erasures != self._erasures or len(held) < self._count:
                self._unread, self._newest, self._erasures = np.empty(0, np.int64), 0, erasures
            query = "SELECT id FROM picture WHERE id > ? ORDER BY id DESC"
            new = np.array([id for (id,) in connection.execute(query, (self._newest,))], np.int64)
        self._count = len(held)
        if len(new):
            self._newest = int(new[0])
            self._unread = np.concatenate([new[~np.isin(new, held)], self._unread])

    def _encode(self, ids: np.ndarray) -> None:
        with self._store.reading() as connection:
            found = lookup.keyframes(connection, ids, -1, self._store.pictures)
        pictures = {k.id: rgb for k in found if (rgb := _decoded(k.thumbnail)) is not None}
        if pictures:
            vectors = self._encoder.pictures(list(pictures.values()))
            self._vectors.append(np.array(list(pictures), np.int64), vectors, self._there)

    def words(self, text: str) -> np.ndarray:
        """(D,) of unit length."""
        return self._encoder.words(text)

    def distances(self, words: np.ndarray, which: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Ids (n,) and distances (n,) from words (D,): of all that is read, or of keyframes ``which``."""
        return self._vectors.distances(words, which)

    def _there(self, ids: np.ndarray) -> np.ndarray:
        with self._store.reading() as connection:
            return lookup.among(connection, MemoryQuery(), 0, ids)


def _decoded(jpeg: bytes | None) -> np.ndarray | None:
    import cv2  # takes a while to load, and most of what is asked needs none

    bgr = None if jpeg is None else cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return None if bgr is None else np.ascontiguousarray(bgr[..., ::-1])
