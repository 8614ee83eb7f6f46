"""What the world model must beat, in the same rooms: in this process, without ROS, as fast as the simulation goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from latentworld.evaluation.episodes import EpisodeResult, run_episode
from latentworld.evaluation.navigation import goals, make_controller
from latentworld.sim.world import World
from latentworld.types import GoalKind

CONTROLLERS = ("blind", "reactive", "oracle")


class Beside(NamedTuple):
    """result: of one episode. way: (N, 2) true x, y in odom."""

    result: EpisodeResult
    way: np.ndarray


def drive(
    rooms: Iterable[tuple[int, bool]], time_limit: float, advance: Callable[[], None] = lambda: None
) -> dict[str, dict[int, Beside]]:
    """Controller -> seed -> how it went. rooms: (seed, blocked), each with its goal as a pose."""
    driven: dict[str, dict[int, Beside]] = {name: {} for name in CONTROLLERS}
    world: World | None = None
    for seed, blocked in rooms:
        world = world or World(seed)
        for name in CONTROLLERS:
            world.reset(seed, blocked)
            driven[name][seed] = _episode(world, name, time_limit)
            advance()
    if world:
        world.close()
    return driven


def _episode(world: World, name: str, time_limit: float) -> Beside:
    way: list[np.ndarray] = []
    result = run_episode(
        world,
        make_controller(name, None),
        goals(world, GoalKind.POSE, None),
        time_limit,
        lambda *_: way.append(world.truth().pose[:2].copy()),
    )
    return Beside(result, np.array([*way, world.truth().pose[:2]]))
