"""Rooms whose views are a smooth function of the pose, and ways through them."""

from __future__ import annotations

import numpy as np

from latentworld.types import WorldState

MODEL, SIZE = "m", 16
RNG = np.random.default_rng(0)
KEYS, PHASES = RNG.normal(0, 0.5, (3, 4, SIZE)), RNG.uniform(0, 2 * np.pi, (3, SIZE))


def vector(pose: np.ndarray, room: int) -> np.ndarray:
    """What is seen from a pose: rooms 0 and 1 differ only where x is above 3 m; the third is another."""
    x, y, yaw = pose
    look = room if room == 2 or x > 3 else 0
    return np.cos(np.array([x, y, np.cos(yaw), np.sin(yaw)]) @ KEYS[look] + PHASES[look]).astype(np.float32)


def state(stamp: int, pose: np.ndarray, model_id: str = MODEL) -> WorldState:
    nothing, moving = np.zeros(2, np.float32), np.array([1.0, 0.0])
    return WorldState(stamp, stamp, model_id, pose, moving, nothing, np.zeros(1, np.float32), p_value=0.5)


def _folded(driven: np.ndarray, size: float) -> np.ndarray:
    """Metres from one wall, of a way that turns at both."""
    return size - np.abs(driven % (2 * size) - size)


def way(seed: int, steps: int) -> np.ndarray:
    """Poses (steps, 3): to and fro through 4 x 3 m."""
    rng = np.random.default_rng(seed)
    t = np.arange(steps) * 0.25
    x, y = _folded(t, 4.0), _folded(0.37 * t + rng.uniform(0, 3), 3.0)
    return np.stack([x, y, np.where(t % 8 < 4, 0.0, np.pi) + 0.2 * np.sin(t)], 1)
