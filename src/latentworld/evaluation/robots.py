"""One model on many robots: other cameras, bodies, drive trains and clocks, each in rooms that it has never seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from latentworld import robot_file
from latentworld.agent import Agent
from latentworld.evaluation.episodes import TIME_LIMIT, EpisodeResult, interval, run_episode, run_tasks
from latentworld.evaluation.figures import write_figures
from latentworld.evaluation.kept import code
from latentworld.evaluation.navigation import FIRST_TEST_SEED, TOLERANCE, make_controller, summarise
from latentworld.model.checkpoint import load
from latentworld.robot import BaseKind, Robot
from latentworld.sim.episode import generate_episode
from latentworld.sim.room import generate_room
from latentworld.sim.world import World
from latentworld.types import Goal, GoalKind, LatentworldError

ROBOTS = {
    "shipped": "latentworld", "turtlebot4": "turtlebot4",
    **{name: f"trials/{name}" for name in (
        "d435", "service", "fisheye", "radius_012", "radius_030", "slow", "drift", "fps_5", "late_150ms", "holes",
        "ackermann", "omni",
    )},
}  # fmt: skip
# The others have the shipped camera.
OWN_CAMERA = ("shipped", "turtlebot4", "d435", "service", "fisheye", "ackermann", "omni")
CONTROLLERS = ("world_model", "rgb", "reactive", "blind", "oracle")
PICTURE = 320  # pixels across of what the simulator draws, where a camera has more
LEVEL = 0.06  # radians that a camera looks down below which it counts as level
# Rooms with a ledge beside the straight way, for each robot with a level camera.
BESIDE = 0.5  # metres from the body on its straight way to the ledge, at most
LEDGES, LEDGE_SEED = 50, FIRST_TEST_SEED + 100_000
SPEED = 0.5  # m/s: a slower robot has longer

Task = tuple[str, str, str, int, bool]
"""Robot, controller, "rooms" or "ledges", seed of the room, blocked."""

_robot_name: str | None = None
_world: World | None = None
_agent: Agent | None = None


def description(name: str) -> Robot:
    """One of ``ROBOTS``, or any other description by its name or file."""
    return robot_file.load(ROBOTS.get(name, name))


def _episode(checkpoint: str | None, task: Task) -> EpisodeResult:
    """One episode in a worker process, which keeps its world and its agent for one robot after another."""
    global _robot_name, _world, _agent
    name, controller, rooms, seed, blocked = task
    if name != _robot_name:
        torch.set_num_threads(1)
        if _world is not None:
            _world.close()
        robot = description(name)
        width = min(PICTURE, robot.camera.intrinsics.width)
        _robot_name, _world = name, World(seed, blocked, width, robot=robot)
        _agent = Agent(load(checkpoint), robot=robot)
    _world.reset(seed, blocked)
    target = np.array(_world.goal)
    if _world.base.kind == BaseKind.ACKERMANN:
        target[2] = np.nan  # it cannot turn on the spot: any heading will do
    limit = TIME_LIMIT * max(1.0, SPEED / _world.base.max_linear)
    goal = Goal(GoalKind.POSE, target, tolerance=TOLERANCE)
    return run_episode(_world, make_controller(controller, _agent), goal, limit)


def with_ledges(count: int, first: int = LEDGE_SEED) -> list[int]:
    """Seeds of ``count`` rooms in which a ledge lies close beside the shipped robot's straight way to its goal."""
    base, found, seed = robot_file.load().base, [], first
    while len(found) < count:
        if generate_room(seed).ledge is not None:  # an episode takes long to make
            episode = generate_episode(seed, base, True)
            along = np.linspace(episode.start[:2], episode.goal[:2], 64)
            if episode.room.drop_distance(along).min() < base.reach + BESIDE:
                found.append(seed)
        seed += 1
    return found


def tasks_of(robots: Sequence[str], controllers: Sequence[str], rooms: int, ledges: int, first: int) -> list[Task]:
    tasks: list[Task] = []
    edges = with_ledges(ledges) if ledges else []
    for name in robots:
        for controller in controllers:
            tasks += [(name, controller, "rooms", first + i, bool(i % 2)) for i in range(rooms)]
            if controller in ("world_model", "rgb") and abs(description(name).camera.mount.pitch) < LEVEL:
                tasks += [(name, controller, "ledges", seed, True) for seed in edges]
    return tasks


def evaluate(
    rooms: int = 100,
    robots: Sequence[str] = tuple(ROBOTS),
    controllers: Sequence[str] = CONTROLLERS,
    checkpoint: str | None = None,
    first_seed: int = FIRST_TEST_SEED,
    ledges: int = LEDGES,
    workers: int = 2,
    json: str | Path | None = None,
    keep: Path | None = None,
) -> dict[str, float]:
    """``rooms`` unseen rooms a robot and controller, every other one with the straight line blocked.

    Figures: ``turtlebot4_success``, ``rgb_turtlebot4_contact`` …, each share with the ends of its 95 % interval over
    rooms (``_low``, ``_high``). Raises LatentworldError for a robot or a controller that there is not.
    """
    if wrong := [name for name in controllers if name not in CONTROLLERS]:
        raise LatentworldError(f"controllers: expected some of {', '.join(CONTROLLERS)}, got {', '.join(wrong)}")
    for name in robots:
        description(name)
    tasks = tasks_of(robots, controllers, rooms, ledges, first_seed)
    described = {name: description(name).to_dict() for name in robots}
    made_by = {"model_id": load(checkpoint).model_id, "robots": described, "code": code()}
    results = run_tasks("robots", tasks, partial(_episode, checkpoint), made_by, workers, keep)
    grouped: dict[tuple[str, str, str], list[EpisodeResult]] = {}
    for task, result in results.items():
        grouped.setdefault(task[:3], []).append(result)
    figures = figures_of(grouped)
    settings = {
        "rooms": rooms, "ledges": ledges, "first_seed": first_seed, "robots": described,
        "checkpoint": checkpoint or "shipped",
        "episodes": {" ".join(k): [asdict(r) | {"plan_ms": None} for r in v] for k, v in grouped.items()},
    }  # fmt: skip
    write_figures(json, figures, settings)
    Console().print(table(grouped))
    return figures


def figures_of(grouped: dict[tuple[str, str, str], list[EpisodeResult]]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for (robot, controller, rooms), episodes in grouped.items():
        prefix = f"{robot}_" if controller == "world_model" else f"{controller}_{robot}_"
        if rooms == "ledges":
            figures[f"{prefix}ledge_drop"] = float(np.mean([e.dropped for e in episodes]))
            figures[f"{prefix}ledge_success"] = float(np.mean([e.success for e in episodes]))
            continue
        for name, value in summarise(episodes, "").items():
            figures[f"{prefix}{name}"] = value
            if name in ("success", "clean", "contact"):
                figures[f"{prefix}{name}_low"], figures[f"{prefix}{name}_high"] = interval(value, len(episodes))
    for prefix, known in (("", ROBOTS), ("rgb_", OWN_CAMERA)):
        successes = [figures[f"{prefix}{name}_success"] for name in known if f"{prefix}{name}_success" in figures]
        if successes:
            figures[f"worst_{prefix}success"] = min(successes)
            figures[f"mean_{prefix}success"] = float(np.mean(successes))
    return figures


def table(grouped: dict[tuple[str, str, str], list[EpisodeResult]]) -> Table:
    """One row a robot and controller, percentages."""
    columns = ("success", "clean", "contact", "drop")
    out = Table("robot", "controller", "rooms", *columns, "success, 95 %", "time", title="One model on many robots")
    last = ""
    for (robot, controller, rooms), episodes in grouped.items():
        if robot != last:
            out.add_section()
        out.add_row(robot if robot != last else "", controller.replace("_", " "), *_cells(episodes, rooms, columns))
        last = robot
    return out


def _cells(episodes: list[EpisodeResult], rooms: str, columns: Iterable[str]) -> list[str]:
    figures = summarise(episodes, "")
    low, high = interval(figures["success"], len(episodes))
    count = f"{len(episodes)} {rooms}" if rooms != "rooms" else str(len(episodes))
    return [count, *(f"{figures[c]:.0%}" for c in columns), f"{low:.0%} - {high:.0%}", f"{figures['seconds']:.1f} s"]
