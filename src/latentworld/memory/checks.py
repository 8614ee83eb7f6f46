"""What a memory refuses, and why."""

from __future__ import annotations

import numpy as np

from latentworld.memory.query import MemoryQuery
from latentworld.types import Latent, LatentworldError, WorldState

LATEST = 1 << 62  # ns
HALF_MAX = float(np.finfo(np.float16).max)


def check_latent(latent: Latent, model_id: str, dimensions: int, name: str) -> None:
    """One of a model, with so many numbers (0: any), none too large. name: of the memory."""
    name, vector = f"{name}: latent", latent.vector
    outside = ~(np.abs(vector) <= HALF_MAX)  # NaN compares false
    if latent.model_id != model_id:
        raise LatentworldError(f"{name}: expected model {model_id}, got model {latent.model_id}")
    if vector.ndim != 1 or len(vector) != (dimensions or len(vector)):
        raise LatentworldError(f"{name}: expected shape ({dimensions or 'D'},), got {vector.shape}")
    if outside.any():
        raise LatentworldError(f"{name}: expected finite values within +-{HALF_MAX:.0f}, got {vector[outside][0]}")


def check_moment(state: WorldState, latent: Latent, covariance: np.ndarray | None) -> None:
    """A belief, at the exposure of the latent, that can be kept."""
    if not state.stamp == state.observation_stamp == latent.stamp:
        at = f"one at {state.stamp} of the exposure {state.observation_stamp}"
        raise LatentworldError(f"memory: expected the belief at the exposure {latent.stamp}, got {at}")
    if not abs(latent.stamp) < LATEST:
        raise LatentworldError(f"memory: expected a stamp within {LATEST} ns of 0, got {latent.stamp}")
    if not 0 <= state.p_value <= 1:
        raise LatentworldError(f"memory: expected a p-value from 0 to 1, got {state.p_value}")
    if not np.isfinite(state.pose).all():
        raise LatentworldError(f"memory: expected a finite pose, got {state.pose}")
    if covariance is not None and not (covariance.shape == (3, 3) and np.isfinite(covariance).all()):
        raise LatentworldError(f"memory: expected a finite covariance (3, 3), got {covariance}")


def check_forgettable(query: MemoryQuery, within: float | None) -> None:
    """Keys that say clearly enough what is to go."""
    wanted = "forget: expected a place, a time, a surprise, a latent or a thing"
    if query.object is not None and (query.narrowed or query.latent is not None):
        raise LatentworldError("forget: expected a thing or other keys, got both")
    if query.text is not None:
        raise LatentworldError(f"{wanted}, got words")
    if not query.narrowed and query.latent is None and query.object is None:
        raise LatentworldError(f"{wanted}, got a query for everything")
    if (query.latent is None) != (within is None):
        raise LatentworldError("forget: expected a latent and the distance within which it is the same, got one")
