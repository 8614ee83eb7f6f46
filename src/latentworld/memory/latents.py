"""Distances between a latent and many stored ones: exact, over half-precision rows held in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

import numpy as np

HALF = np.dtype("<f2")
_CHUNK = 1024
_SIGN_AND_VALUE = np.int32(-0x70002000)  # bits that a float16, shifted to where a float32 has its mantissa, may set
_REBIAS = np.float32(2.0**112)  # between the exponent biases of float32 (127) and float16 (15)


def distances(rows: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Euclidean distances (N,) float64 of half-precision rows (N, D) to a vector (D,)."""
    difference = rows.astype(np.float64) - np.asarray(vector, np.float64)
    return np.sqrt(np.einsum("nd,nd->n", difference, difference))


def products(rows: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Inner products (N,) float32 of half-precision rows (N, D) and a vector (D,), four times as fast as by ``astype``.

    NumPy widens float16 one by one. Shifting its bits into a float32's place gives the same number times 2^-112,
    subnormals included, and that factor is put on the vector instead.
    """
    bits = rows.view(np.int16)
    wide = np.empty((min(_CHUNK, len(rows)), rows.shape[1]), np.int32)
    scaled = np.asarray(vector, np.float32) * _REBIAS
    result = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), _CHUNK):
        chunk = bits[start : start + _CHUNK]
        block = wide[: len(chunk)]
        np.left_shift(chunk, 13, out=block, dtype=np.int32)
        np.bitwise_and(block, _SIGN_AND_VALUE, out=block)
        np.dot(block.view(np.float32), scaled, out=result[start : start + _CHUNK])
    return result


class LatentCache:
    """All latents of one model as a growing matrix (N, D) of halves: 384 bytes a keyframe of 192 dimensions.

    One thread may extend it while others search: rows once in it never change, and never move under a reader.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._ids, self._squares = np.empty(0, np.int64), np.empty(0, np.float32)  # squares: squared norms
        self._rows = np.empty((0, 0), HALF)
        self._count = 0

    def extend(self, newer: Callable[[int], Iterable[tuple[int, bytes]]]) -> None:
        """Append what ``newer(last id in it)`` answers: (id, latent) in ascending order of id."""
        with self._lock:
            new = list(newer(int(self._ids[self._count - 1]) if self._count else 0))
            if not new:
                return
            block = np.frombuffer(b"".join(latent for _, latent in new), HALF).reshape(len(new), -1)
            end = self._count + len(new)
            if end > len(self._ids):
                self._grow(max(end, 2 * self._count), block.shape[1])
            self._ids[self._count : end] = [id for id, _ in new]
            self._rows[self._count : end] = block
            self._squares[self._count : end] = np.einsum("nd,nd->n", block, block, dtype=np.float32)
            self._count = end

    def _grow(self, size: int, dimensions: int) -> None:
        ids, rows, squares = np.empty(size, np.int64), np.empty((size, dimensions), HALF), np.empty(size, np.float32)
        if self._count:
            for new, old in ((ids, self._ids), (rows, self._rows), (squares, self._squares)):
                new[: self._count] = old[: self._count]
        self._ids, self._rows, self._squares = ids, rows, squares

    def nearest(self, vector: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
        """The ``limit`` nearest: ids (n,) and distances (n,), best first, ties by the newer. Exact.

        Squared distances by |a|^2 - 2ab + |b|^2 in single precision choose who may be among them, with room for
        the rounding of that sum; those few are measured anew.
        """
        with self._lock:
            ids, rows, squares = (a[: self._count] for a in (self._ids, self._rows, self._squares))
        if not len(ids):
            return np.empty(0, np.int64), np.empty(0)
        length = float(np.dot(vector, vector))
        rough = squares - 2.0 * products(rows, vector) + np.float32(length)
        kth = np.partition(rough, min(limit, len(rough)) - 1)[min(limit, len(rough)) - 1]
        room = 4 * len(vector) * np.finfo(np.float32).eps * (length + float(squares.max()))
        near = np.flatnonzero(rough <= kth + room)
        exact = distances(rows[near], vector)
        order = np.lexsort((-ids[near], exact))[:limit]
        return ids[near][order], exact[order]

    def gather(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Those of ``ids`` that are in it (n,), and their latents (n, D)."""
        with self._lock:
            known, rows = self._ids[: self._count], self._rows[: self._count]
        at = np.flatnonzero(np.isin(known, ids, assume_unique=True))
        return known[at], rows[at]
