"""How a keyframe lies in files: one packed row beside its latent, with a checksum over both.

Latents are kept to 8 bits, as the same codes in every file: a row that is put back from another file is the same bit by
bit.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

UPPER = np.triu_indices(3)  # of a covariance, which is symmetric

ROW = np.dtype(
    [
        ("id", "<i8"),
        ("stamp", "<i8"),  # ns, exposure
        ("submap", "<i4"),
        ("model", "<i4"),
        ("pose", "<f8", 3),  # x, y, yaw in the submap: m, m, rad
        ("covariance", "<f4", 6),  # upper triangle, row by row
        ("surprise", "<f4"),  # p-value
        ("step", "<f4"),  # what 1 of the latent's code is worth
    ]
)


@dataclass(frozen=True, slots=True)
class Rows:
    """N keyframes. head: (N,) of ROW. codes: (N, D) int8 of latents, all of one model."""

    head: np.ndarray
    codes: np.ndarray

    @classmethod
    def of(cls, head: np.ndarray, latents: np.ndarray) -> Rows:
        """Latents (N, D) are rounded to codes, and steps written into ``head``."""
        codes, head["step"] = quantised(latents)
        return cls(head, codes)

    @property
    def latents(self) -> np.ndarray:
        """(N, D) float32."""
        return self.codes * self.head["step"][:, None]

    def __len__(self) -> int:
        return len(self.head)

    def only(self, which: np.ndarray | slice) -> Rows:
        return Rows(self.head[which], self.codes[which])


def checksums(head: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """(N,) uint32: CRC-32 of each row and its latent's code (N, D)."""
    heads, bodies = head.tobytes(), codes.tobytes()
    row, size = ROW.itemsize, codes.shape[1]
    found = (
        zlib.crc32(bodies[i * size : (i + 1) * size], zlib.crc32(heads[i * row : (i + 1) * row]))
        for i in range(len(head))
    )
    return np.fromiter(found, np.uint32, len(head))


def full(covariance: np.ndarray) -> np.ndarray:
    """Upper triangles (..., 6) as symmetric matrices (..., 3, 3) float64."""
    out = np.empty((*covariance.shape[:-1], 3, 3))
    out[..., UPPER[0], UPPER[1]] = covariance
    out[..., UPPER[1], UPPER[0]] = covariance
    return out


def quantised(latents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Latents (N, D) as int8 codes (N, D) and what a step of each row is worth (N,) float32: 127 is its largest."""
    wide = np.asarray(latents, np.float32)
    step = np.maximum(np.abs(wide).max(1, initial=0.0) / 127, np.finfo(np.float32).tiny)
    return np.rint(wide / step[:, None]).astype(np.int8), step.astype(np.float32)
