"""How a keyframe lies in files: one packed row beside its latent's code, with a checksum over both."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from latentworld.memory.latent_format import LatentFormat

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
    """N keyframes of one model. head: (N,) of ROW. codes: (N, bytes) int8 of latents."""

    head: np.ndarray
    codes: np.ndarray

    @classmethod
    def of(cls, head: np.ndarray, latents: np.ndarray, format: LatentFormat) -> Rows:
        """Latents (N, D) are rounded to codes, and steps written into ``head``."""
        codes, head["step"] = format.coded(latents)
        return cls(head, codes)

    def __len__(self) -> int:
        return len(self.head)

    def only(self, which: np.ndarray | slice) -> Rows:
        return Rows(self.head[which], self.codes[which])


def checksums(head: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """(N,) uint32: CRC-32 of each row and its latent's code (N, bytes)."""
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
