"""How latents are kept: rounded, as the same bytes in every file, so that what is put back is the same bit by bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

BITS = 12  # of the numbers that latents are found by; in schemas 3 and 4 it was 8
LARGEST = 127  # code of the largest number of a latent
FINE = 16  # what of a code the lower four of twelve bits tell apart
STEP = np.dtype("<f4")


@dataclass(frozen=True, slots=True)
class LatentFormat:
    """Of one model. dimensions: D. looks: S, the last of these, which latents are found by. bits: that looks are kept
    to, 12, and all others to 8; or 8, and no difference is made.

    A latent's code is int8: D - S of the others, what a step of these is worth, the lower bits of looks, two to a byte,
    and S upper ones. Lower bits pay where many are alike: rounding to 8 bits orders one in forty of the nearest of
    millions wrongly. Codes count steps, of which each latent has its own.
    """

    dimensions: int
    looks: int
    bits: int = BITS

    @property
    def look_bytes(self) -> int:
        """Of a code, at its end, that tell its looks."""
        return self.looks + (self._lower_bytes if self.bits == BITS else 0)

    @property
    def _lower_bytes(self) -> int:
        return (self.looks + 1) // 2

    def coded(self, latents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Latents (N, D) as codes (N, bytes) int8, and what a step of looks is worth (N,) float32."""
        wide = np.asarray(latents, np.float32)
        if self.bits != BITS:
            return _rounded(wide)
        others, looks = np.split(wide, [self.dimensions - self.looks], axis=1)
        step = _step(looks)
        raised = np.rint(looks / step[:, None] * FINE).astype(np.int16) + FINE // 2
        nibbles = np.zeros((len(wide), 2 * self._lower_bytes), np.uint8)
        nibbles[:, : self.looks] = raised & (FINE - 1)
        lower = (nibbles[:, 0::2] | nibbles[:, 1::2] << 4).view(np.int8)
        parts = [lower, (raised // FINE).astype(np.int8)]
        if others.shape[1]:
            codes, others_step = _rounded(others)
            parts = [codes, others_step[:, None].view(np.int8), *parts]
        return np.concatenate(parts, axis=1), step

    def decoded(self, codes: np.ndarray, step: np.ndarray) -> np.ndarray:
        """Latents (N, D) float32 of codes (N, bytes) and steps (N,); of their last ``look_bytes``, looks (N, S)."""
        if self.bits != BITS:
            return codes * step[:, None]
        others, lower, upper = np.split(codes, [codes.shape[1] - self.look_bytes, codes.shape[1] - self.looks], axis=1)
        lower, looks = lower.view(np.uint8), upper.astype(np.float32)
        looks -= 0.5
        looks[:, 0::2] += (lower & (FINE - 1)) * np.float32(1 / FINE)
        looks[:, 1::2] += (lower >> 4)[:, : self.looks // 2] * np.float32(1 / FINE)
        looks *= step[:, None]
        if not others.shape[1]:
            return looks
        others_step = np.ascontiguousarray(others[:, -STEP.itemsize :]).view(STEP)
        return np.concatenate([others[:, : -STEP.itemsize] * others_step, looks], axis=1)


class KeptModel(NamedTuple):
    """A model whose latents are kept. number: that stands for it in rows."""

    number: int
    format: LatentFormat


def _step(wide: np.ndarray) -> np.ndarray:
    """(N,) float32."""
    return np.maximum(np.abs(wide).max(1, initial=0.0) / LARGEST, np.finfo(np.float32).tiny).astype(STEP)


def _rounded(wide: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    step = _step(wide)
    return np.rint(wide / step[:, None]).astype(np.int8), step
