"""Driving to goals in rooms never seen: success, clean success, contact, drops; beside what the model must beat."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from latentworld.agent import Agent
from latentworld.evaluation.controllers import (
    BlindController,
    Controller,
    OracleController,
    ReactiveController,
    WorldModelController,
)  # fmt: skip
from latentworld.evaluation.episodes import ARRIVAL, TIME_LIMIT, EpisodeResult, run_episode, run_tasks
from latentworld.evaluation.figures import write_figures
from latentworld.evaluation.kept import code
from latentworld.model.checkpoint import load
from latentworld.selection.parameters import SelectionParameters
from latentworld.sim.episode import DISTANCE
from latentworld.sim.world import World
from latentworld.types import Goal, GoalKind, LatentworldError

FIRST_TEST_SEED = 2_000_000
TOLERANCE = 0.25  # metres by odometry at which a controller says that it is there


def goals(world: World, kind: GoalKind, agent: Agent | None, depth: bool = True) -> Goal:
    """The room's goal as a pose, or as what would be seen from it, with depth or without."""
    if kind == GoalKind.IMAGE:
        frame = world.goal_frame()
        return agent.image_goal(frame if depth else replace(frame, depth=None), TOLERANCE)
    return Goal(GoalKind.POSE, np.asarray(world.goal), tolerance=TOLERANCE)


def make_controller(name: str, agent: Agent | None) -> Controller:
    makers = {
        "world_model": lambda: WorldModelController(agent), "rgb": lambda: WorldModelController(agent, depth=False),
        "blind": BlindController,
        "reactive": ReactiveController, "oracle": OracleController,
    }  # fmt: skip
    return makers[name]()


@dataclass(frozen=True, slots=True)
class Trial:
    """What is asked. distance: metres from start to goal. moving: things that move by themselves. seconds: the limit;
    who must look for a goal first has longer.
    """

    kind: GoalKind = GoalKind.POSE
    distance: tuple[float, float] = DISTANCE
    moving: int = 0
    seconds: float = TIME_LIMIT


TRIALS = {
    "pose": Trial(),
    "movers": Trial(moving=2, seconds=30.0),
    "image_2.5m": Trial(GoalKind.IMAGE, (0.7, 2.5), seconds=60.0),
    "image_room": Trial(GoalKind.IMAGE, (2.5, 5.5), seconds=120.0),
}
CONTROLLERS = ("world_model", "rgb", "blind", "reactive", "oracle")
SEEING = ("world_model", "rgb")  # those that can be shown a goal; the rest are told where it is

_world: World | None = None
_agent: Agent | None = None

Task = tuple[str, str, int, bool]
"""Controller, trial, seed of the room, blocked."""


def _episode(checkpoint: str | None, parameters: SelectionParameters | None, task: Task) -> EpisodeResult:
    """One episode in a worker process, which keeps its world and its agent."""
    global _world, _agent
    name, asked, seed, blocked = task
    trial = TRIALS[asked]
    if _world is None:
        torch.set_num_threads(1)
        _world = World(seed)
    if _agent is None and name in SEEING:
        _agent = Agent.load(checkpoint, parameters)
    _world.reset(seed, blocked, trial.moving, trial.distance)
    kind = trial.kind if name in SEEING else GoalKind.POSE
    controller = make_controller(name, _agent)
    return run_episode(_world, controller, goals(_world, kind, _agent, name != "rgb"), trial.seconds)


def run(
    tasks: list[Task],
    checkpoint: str | None = None,
    workers: int = 2,
    parameters: SelectionParameters | None = None,
    quiet: bool = False,
    keep: Path | None = None,
) -> dict[tuple[str, str], list[EpisodeResult]]:
    """Episodes by controller and trial. parameters: of the world model's selector. quiet: no bar. keep: a file of
    episodes done, to go on from. Does not depend on ``workers``.
    """
    made_by = {"model_id": load(checkpoint).model_id, "parameters": repr(parameters), "code": code()}
    drive = partial(_episode, checkpoint, parameters)
    results: dict[tuple[str, str], list[EpisodeResult]] = {}
    for task, episode in run_tasks("navigation", tasks, drive, made_by, workers, keep, quiet).items():
        results.setdefault(task[:2], []).append(episode)
    return results


def summarise(results: Iterable[EpisodeResult], prefix: str) -> dict[str, float]:
    """Rates 0-1 over episodes; ``_clear`` and ``_blocked``: where the straight line was free, and where not."""
    results = list(results)
    blocked = [r for r in results if r.blocked]
    clear = [r for r in results if not r.blocked]

    def share(name: str, among: list[EpisodeResult]) -> float:
        return float(np.mean([getattr(r, name) for r in among])) if among else float("nan")

    return {
        f"{prefix}success": share("success", results),
        f"{prefix}clean": share("clean", results),
        f"{prefix}clean_clear": share("clean", clear),
        f"{prefix}clean_blocked": share("clean", blocked),
        f"{prefix}success_blocked": share("success", blocked),
        f"{prefix}contact": share("contact", results),
        f"{prefix}drop": share("dropped", results),
        f"{prefix}seconds": float(np.mean([r.seconds for r in results])),
    }


def figures_of(results: dict[tuple[str, str], list[EpisodeResult]]) -> dict[str, float]:
    """Every figure by its name: ``reactive_pose_clean_blocked``, ``image_success_2.5m``; no prefix: the world model."""
    figures: dict[str, float] = {}
    for (name, asked), episodes in results.items():
        prefix = "" if name == "world_model" else f"{name}_"
        trial, _, where = asked.partition("_")
        for figure, value in summarise(episodes, f"{prefix}{trial}_").items():
            figures[f"{figure}_{where}" if where else figure] = value
    return figures


def evaluate(
    rooms: int = 200,
    trials: Sequence[str] = tuple(TRIALS),
    controllers: Sequence[str] = CONTROLLERS,
    checkpoint: str | None = None,
    first_seed: int = FIRST_TEST_SEED,
    workers: int = 2,
    json: str | Path | None = None,
    keep: Path | None = None,
) -> dict[str, float]:
    """``rooms`` unseen rooms a trial, every other one with the straight line blocked.

    Raises LatentworldError for a trial or a controller that there is not, and for a file of episodes of another run.
    """
    for kind, asked, known in (("trials", trials, tuple(TRIALS)), ("controllers", controllers, CONTROLLERS)):
        if wrong := [name for name in asked if name not in known]:
            raise LatentworldError(f"{kind}: expected some of {', '.join(known)}, got {', '.join(wrong)}")
    tasks = [
        (name, asked, first_seed + i, bool(i % 2)) for asked in trials for name in controllers for i in range(rooms)
    ]
    results = run(tasks, checkpoint, workers, keep=keep)
    figures = figures_of(results)
    times = [
        ms for (name, _), episodes in results.items() if name == "world_model" for e in episodes for ms in e.plan_ms
    ]
    if times:
        figures["plan_ms_p50"], figures["plan_ms_p99"] = (float(np.percentile(times, q)) for q in (50, 99))
    settings = {
        "rooms": rooms, "first_seed": first_seed, "arrival_m": ARRIVAL, "tolerance_m": TOLERANCE,
        "trials": {name: asdict(TRIALS[name]) for name in trials}, "checkpoint": checkpoint or "shipped",
        "episodes": {
            f"{name} {asked}": [asdict(r) | {"plan_ms": None} for r in episodes]
            for (name, asked), episodes in results.items()
        },
    }  # fmt: skip
    write_figures(json, figures, settings)
    Console().print(table(results))
    return figures


def table(results: dict[tuple[str, str], list[EpisodeResult]]) -> Table:
    """One row a trial and controller, percentages."""
    columns = {"success": "success", "clean": "clean", "clean_blocked": "blocked", "contact": "contact", "drop": "drop"}
    out = Table("goal", "controller", *columns.values(), "time", title="Driving to goals in unseen rooms")
    last = ""
    for (name, asked), episodes in results.items():
        figures = summarise(episodes, "")
        if asked != last:
            out.add_section()
        cells = [f"{figures[c]:.1%}" for c in columns] + [f"{figures['seconds']:.1f} s"]
        out.add_row(asked if asked != last else "", name.replace("_", " "), *cells)
        last = asked
    return out
