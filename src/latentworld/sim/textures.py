"""Procedural surface patterns, (n, n, 3) uint8, drawn with a room's own random generator."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np


def colour(rng: np.random.Generator, value: tuple[float, float] = (0.35, 1.0), saturation: float = 0.9) -> np.ndarray:
    """A random colour (3,) in [0, 1], evenly spread over hues."""
    hue, sat, val = rng.uniform(0, 6), rng.uniform(0, saturation), rng.uniform(*value)
    return val * (1 - sat * np.clip(2 - np.abs((hue + np.array([3.0, 1.0, 5.0])) % 6 - 3), 0, 1))


def _checker(rng, u, v):
    n = rng.integers(2, 5)
    return (np.floor(u * n) + np.floor(v * n)) % 2


def _stripes(rng, u, v):
    n = rng.integers(2, 7)
    return np.floor((u if rng.random() < 0.5 else v) * 2 * n) % 2


def _gradient(rng, u, v):
    return v if rng.random() < 0.5 else 1 - np.hypot(u - 0.5, v - 0.5) * 1.4


def _bricks(rng, u, v):
    rows = 2 * rng.integers(2, 4)
    row = np.floor(v * rows)
    joint = ((v * rows) % 1 < 0.12) | ((u * rows / 2 + 0.5 * (row % 2)) % 1 < 0.06)
    return joint.astype(float)


def _planks(rng, u, v):
    boards = rng.integers(4, 8)
    shade = rng.random(boards)[np.minimum((v * boards).astype(int), boards - 1)]
    return np.where((v * boards) % 1 < 0.08, 1.0, 0.6 * shade)


def _clouds(rng, u, v):
    """Value noise in three octaves, seamless at the edges."""
    n, total = len(u), np.zeros_like(u)
    for cells, weight in ((4, 0.5), (8, 0.3), (16, 0.2)):
        total += weight * np.kron(rng.random((cells, cells)), np.ones((n // cells, n // cells)))
    for _ in range(2):
        total = (total + np.roll(total, 1, 0) + np.roll(total, 1, 1) + np.roll(total, (1, 1), (0, 1))) / 4
    return total


def _speckle(rng, u, v):
    return rng.random(u.shape) ** 3


def _plain(rng, u, v):
    return np.zeros_like(u)


PATTERNS = (_checker, _stripes, _gradient, _bricks, _planks, _clouds, _speckle, _plain)


def pattern(rng: np.random.Generator, n: int, saturation: float, kinds: Sequence = PATTERNS) -> np.ndarray:
    """One pattern of a random kind in two random colours; n: a multiple of 16."""
    v, u = np.meshgrid((np.arange(n) + 0.5) / n, (np.arange(n) + 0.5) / n, indexing="ij")
    mix = kinds[rng.integers(len(kinds))](rng, u, v)
    mix = np.clip(mix * rng.uniform(0.4, 1.0) + rng.normal(0, 0.02, mix.shape), 0, 1)[..., None]
    one, two = colour(rng, (0.6, 1.0), saturation), colour(rng, (0.25, 1.0), saturation)
    return np.round(255 * (one * (1 - mix) + two * mix)).astype(np.uint8)


PHOTOGRAPHED = 0.6  # share of surfaces that a photograph covers, where there are photographs
HUE, CONTRAST = 0.3, (0.5, 1.1)  # share of photographs in another hue; how much of its contrast one keeps


def surface(rng: np.random.Generator, n: int, saturation: float, photographs: Sequence[np.ndarray]) -> np.ndarray:
    """A part of a photograph, (n, n, 3) uint8, or a pattern. photographs: (height, width, 3) uint8 each."""
    if rng.random() > PHOTOGRAPHED:
        return pattern(rng, n, saturation)
    photograph = photographs[rng.integers(len(photographs))]
    side = int(min(photograph.shape[:2]) * rng.uniform(0.25, 1.0))
    top, left = (int(rng.integers(length - side + 1)) for length in photograph.shape[:2])
    part = cv2.resize(photograph[top : top + side, left : left + side], (n, n), interpolation=cv2.INTER_AREA)
    part = np.rot90(part, int(rng.integers(4))).astype(np.float32)
    if rng.random() < HUE:
        part = part[..., rng.permutation(3)]
    mean = part.mean((0, 1))
    part = (mean + rng.uniform(*CONTRAST) * (part - mean)) * rng.uniform(0.6, 1.3)
    return np.clip(part, 0, 255).astype(np.uint8)
