"""What a neural memory rehearses: an even sample of all that was kept in one frame."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


class Replay:
    """Experience replay (Lin 1992) out of a reservoir (Vitter 1985, algorithm R): however long it goes on, each
    keyframe is as likely to be in it as any other.
    """

    def __init__(self, capacity: int, dimensions: int, seed: int = 0):
        self._ids = np.empty(capacity, np.int64)
        self._poses = np.empty((capacity, 3))
        self._latents = np.empty((capacity, dimensions), np.float32)
        self._random = np.random.default_rng(seed)
        self.clear()

    def clear(self) -> None:
        self._count = self._seen = 0

    def __len__(self) -> int:
        return self._count

    def add(self, id: int, pose: np.ndarray, latent: np.ndarray) -> None:
        self._seen += 1
        at = self._count if self._count < len(self._ids) else int(self._random.integers(self._seen))
        if at < len(self._ids):
            self._ids[at], self._poses[at], self._latents[at] = id, pose, latent
            self._count = max(self._count, at + 1)

    def drop(self, ids: set[int]) -> None:
        """Hold none of them any more."""
        keep = np.flatnonzero(~np.isin(self._ids[: self._count], list(ids)))
        gone = slice(len(keep), self._count)
        for part in (self._ids, self._poses, self._latents):
            part[: len(keep)] = part[keep]
            part[gone] = 0
        self._count = self._seen = len(keep)

    def draw(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Poses (count, 3) and latents (count, D), any of them perhaps more than once."""
        which = self._random.integers(self._count, size=count)
        return self._poses[which], self._latents[which]

    def lessons(self, batch: int, rounds: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All of it ``rounds`` times, each time in another order."""
        for _ in range(rounds):
            order = self._random.permutation(self._count)
            for at in range(0, self._count, batch):
                yield self._poses[order[at : at + batch]], self._latents[order[at : at + batch]]
