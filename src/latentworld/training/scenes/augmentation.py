"""Other looks for a film that change nothing of its physics: what a thing is called by its colour must not matter."""

from __future__ import annotations

import cv2
import numpy as np

GAIN, LEVEL = 0.35, 25.0  # of each channel: factors apart from 1, levels apart from 0
TEXTURE = 0.18  # factors apart from 1
ZOOM, SHIFT = (0.9, 1.25), 5.0  # factor, pixels


def other_look(rng: np.random.Generator, film: np.ndarray, share: float) -> np.ndarray:
    """(T, 64, 64, 3) uint8 -> the same film in other colours, textures, and from another place.

    share: of films to which each of these is done. Mirrored left to right in half of all cases, never upside down:
    things fall.
    """
    if rng.random() < 0.5:
        film = film[:, :, ::-1]
    if rng.random() < share:
        film = _from_elsewhere(rng, film)
    factor, offset = np.ones((1, 1, 3), np.float32), np.zeros(3, np.float32)
    if rng.random() < share:
        film = film[..., rng.permutation(3)]
        factor = factor * rng.uniform(1 - GAIN, 1 + GAIN, 3).astype(np.float32)
        offset = rng.uniform(-LEVEL, LEVEL, 3).astype(np.float32)
    if rng.random() < share:
        factor = factor * _texture(rng, film.shape[1])
    out = film * factor + offset
    return np.clip(out, 0, 255, out=out).astype(np.uint8)


def _texture(rng: np.random.Generator, side: int) -> np.ndarray:
    """(side, side, 3) factors about 1, coarse or fine, grey or coloured."""
    cells = int(rng.choice([4, 8, 16, 32]))
    noise = rng.uniform(-1, 1, (cells, cells, rng.choice([1, 3]))).astype(np.float32)
    way = cv2.INTER_NEAREST if rng.random() < 0.5 else cv2.INTER_LINEAR
    noise = cv2.resize(noise, (side, side), interpolation=way).reshape(side, side, -1)
    return 1 + rng.uniform(0, TEXTURE) * noise


def _from_elsewhere(rng: np.random.Generator, film: np.ndarray) -> np.ndarray:
    """Nearer or farther, moved; what comes into the picture is its rim drawn out."""
    side = film.shape[1]
    zoom, shift = rng.uniform(*ZOOM), rng.uniform(-SHIFT, SHIFT, 2)
    middle = side / 2 * (1 - zoom)
    matrix = np.array([[zoom, 0, middle + shift[0]], [0, zoom, middle + shift[1]]], np.float32)
    options = dict(flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.stack([cv2.warpAffine(np.ascontiguousarray(f), matrix, (side, side), **options) for f in film])
