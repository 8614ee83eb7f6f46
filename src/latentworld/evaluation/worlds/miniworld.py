"""Goals in rooms of MiniWorld: photographed textures, meshes and a renderer that nobody here made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

from latentworld.evaluation.kept import Kept
from latentworld.evaluation.navigation import (
    CONTROLLERS,
    EpisodeResult,
    goals,
    make_controller,
    run_episode,
    summarise,
)  # fmt: skip
from latentworld.evaluation.worlds.episodes import agent, run
from latentworld.evaluation.worlds.miniworld_world import MiniWorld
from latentworld.types import GoalKind

FIRST_SEED = 3_000_000
ROOMS = 40
TIME_LIMIT = 30.0  # seconds
SHOWN = ("success", "clean", "contact", "success_blocked", "seconds")

_world: MiniWorld | None = None


def _episode(checkpoint: str | None, task: tuple[str, int]) -> dict:
    """One episode in a worker process, which keeps its world. task: controller, number of the goal."""
    global _world
    name, number = task
    _world = _world or MiniWorld()
    _world.reset(FIRST_SEED + number, bool(number % 2))
    mind = agent(checkpoint, name, _world.robot)
    controller = make_controller(name, mind)
    result = run_episode(_world, controller, goals(_world, GoalKind.POSE, mind), TIME_LIMIT)
    return asdict(result) | {"plan_ms": None, "layout": _world.layout}


def evaluate(
    rooms: int, checkpoint: str | None, kept: Kept, workers: int, controllers: Sequence[str] = CONTROLLERS
) -> tuple[dict[str, float], dict[str, list[dict]]]:
    """Figures by name, and the episodes of each controller; every other goal with the straight line blocked."""
    tasks = [(name, number) for name in controllers for number in range(rooms)]
    results = run("miniworld", partial(_episode, checkpoint), tasks, kept, workers)
    episodes: dict[str, list[dict]] = {}
    for (name, _), result in zip(tasks, results, strict=True):
        episodes.setdefault(name, []).append(result)
    return figures(episodes), episodes


def figures(episodes: dict[str, list[dict]]) -> dict[str, float]:
    """``miniworld_success``, ``miniworld_rgb_success``, ``blind_miniworld_success`` and so on; shares 0-1, seconds."""
    out: dict[str, float] = {}
    for name, rows in episodes.items():
        prefix = {"world_model": "miniworld_", "rgb": "miniworld_rgb_"}.get(name, f"{name}_miniworld_")
        done = [EpisodeResult(**{key: row[key] for key in row if key != "layout"} | {"plan_ms": ()}) for row in rows]
        said = summarise(done, "")
        out |= {f"{prefix}{figure}": said[figure] for figure in SHOWN}
    return out
