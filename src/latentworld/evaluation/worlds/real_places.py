"""Is a place known again? Of each frame of a real walk that comes back to a place, the nearest other one by descriptor.

Right is a frame taken within a metre and 30 degrees, more than ``APART`` frames earlier or later; none nearer in time
is asked.
"""

from __future__ import annotations

import cv2
import numpy as np

from latentworld.evaluation.worlds.real_views import Eye
from latentworld.evaluation.worlds.real_walk import Walk
from latentworld.model.world_model import WorldModel

NEAR, TURNED, APART = 1.0, 30.0, 40  # metres, degrees, frames
THUMBNAIL = (16, 12)  # pixels


def descriptors(walk: Walk, model: WorldModel, depth: bool = True) -> np.ndarray:
    """(N, D): what of each frame's latent places are known again by."""
    eye, config = Eye(walk, model), model.config
    latents = (eye.encode(i, depth).vector for i in range(len(walk)))
    return np.stack([vector[config.latent_dim : config.kept_dim] for vector in latents])


def thumbnails(walk: Walk) -> np.ndarray:
    """(N, 192): each picture, grey and small: what no learning is needed for."""
    pictures = (cv2.cvtColor(walk.frame(i, False).rgb, cv2.COLOR_RGB2GRAY) for i in range(len(walk)))
    return np.stack([cv2.resize(p, THUMBNAIL, interpolation=cv2.INTER_AREA).ravel().astype(float) for p in pictures])


def recall_at_1(features: np.ndarray, walk: Walk) -> tuple[float, int]:
    """Share of questions whose nearest frame (by squared distance of features (N, D)) is right, and how many there
    are.
    """
    apart = np.abs(walk.indices[:, None] - walk.indices[None]) > APART
    away = np.linalg.norm(walk.positions[:, None] - walk.positions[None], axis=-1)
    cosine = (np.einsum("iab,jab->ij", walk.rotations, walk.rotations) - 1) / 2  # of the angle from one to the other
    right = apart & (away <= NEAR) & (cosine >= np.cos(np.radians(TURNED)))
    squared = np.square(features).sum(1)
    distance = squared[:, None] + squared[None] - 2 * features @ features.T
    nearest = np.where(apart, distance, np.inf).argmin(1)
    asked = right.any(1)
    if not asked.any():
        return float("nan"), 0
    return float(right[np.arange(len(walk)), nearest][asked].mean()), int(asked.sum())
