"""One copy of a checkpoint a process, however many nodes use it."""

from __future__ import annotations

from functools import lru_cache

from latentworld.model.checkpoint import load
from latentworld.model.world_model import WorldModel


@lru_cache(maxsize=4)
def world_model(path: str) -> WorldModel:
    """The checkpoint at ``path``; an empty path is the shipped one."""
    return load(path or None)
