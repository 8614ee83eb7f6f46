"""One palette for all pictures, RGB 0-255."""

from __future__ import annotations

import numpy as np

BACKGROUND = (13, 17, 23)
PANEL = (22, 27, 34)
LINE = (48, 54, 61)
FAINT = (125, 133, 144)
TEXT = (230, 237, 243)
GOAL = (255, 196, 0)
DRIVEN = (88, 166, 255)
ROBOT = (255, 255, 255)
SURPRISE = (188, 140, 255)
GOOD, BAD = (63, 185, 80), (248, 81, 73)

_RISK = np.array([(45, 212, 191), (132, 216, 120), (250, 204, 21), (249, 115, 22), (239, 68, 68)], float)
_ROOM_AT = np.array([-0.3, -0.02, 0.0, 0.1, 0.35, 1.0])
_ROOM = np.array([(66, 14, 40), (140, 32, 60), (236, 142, 78), (40, 88, 104), (28, 62, 82), (22, 44, 62)], float)


def risk_colours(risk: np.ndarray) -> np.ndarray:
    """(...) in [0, 1] -> (..., 3) float: teal is safe, red is certain contact or drop."""
    at = np.clip(np.asarray(risk, float), 0, 1) * (len(_RISK) - 1)
    low = np.minimum(at.astype(int), len(_RISK) - 2)
    share = (at - low)[..., None]
    return _RISK[low] * (1 - share) + _RISK[low + 1] * share


def room_colours(clearance: np.ndarray) -> np.ndarray:
    """(...) metres around a base -> (..., 3) uint8: blue where there is room, bright at none, red within things."""
    return np.stack([np.interp(clearance, _ROOM_AT, _ROOM[:, c]) for c in range(3)], -1).astype(np.uint8)


def depth_colours(depth: np.ndarray, far: float = 4.0) -> np.ndarray:
    """(H, W) metres -> (H, W, 3) uint8, near is bright; black where unknown."""
    known = np.isfinite(depth) & (depth > 0)
    near = 1 - np.clip(np.where(known, depth, far) / far, 0, 1)
    low, high = np.array([24, 30, 68], float), np.array([255, 236, 170], float)
    middle = np.array([176, 74, 116], float)
    n = near[..., None]
    picture = np.where(n < 0.5, low + (middle - low) * 2 * n, middle + (high - middle) * (2 * n - 1))
    return np.where(known[..., None], picture, 0).astype(np.uint8)


def share(colour: tuple[int, int, int]) -> tuple[float, float, float]:
    """The same in 0-1, as matplotlib wants it."""
    return tuple(c / 255 for c in colour)
