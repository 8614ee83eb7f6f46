"""Environments of stable-worldmodel, seen as its ``World`` shows them: 64 x 64 pixels, actions of -1 to 1."""

from __future__ import annotations

import logging
import warnings
from typing import Any

from latentworld.interop import stable_worldmodel
from latentworld.types import LatentworldError

ENVIRONMENTS = {"two_room": "swm/TwoRoom-v1", "push_t": "swm/PushT-v1"}
SIDE = 64  # pixels


def identity(environment: str) -> str:
    """Its name there."""
    if environment not in ENVIRONMENTS:
        raise LatentworldError(f"environment: expected one of {', '.join(ENVIRONMENTS)}, got {environment}")
    return ENVIRONMENTS[environment]


def world(environment: str, count: int, steps: int) -> Any:
    """A ``stable_worldmodel.World`` of ``count`` environments, cut off after ``steps``."""
    name = identity(environment)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of optional environments that are not installed
        library = stable_worldmodel()
    import gymnasium

    gymnasium.logger.min_level = logging.ERROR  # it warns of tensors where arrays were declared
    warnings.filterwarnings("ignore", module="gymnasium")
    return library.World(name, num_envs=count, image_shape=(SIDE, SIDE), max_episode_steps=steps)
