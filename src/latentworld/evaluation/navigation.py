"""Driving to goals in rooms never seen: success, clean success, contact, drops; beside what the model must beat."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from latentworld.agent import Agent
from latentworld.evaluation.controllers import (
    BlindController,
    Controller,
    OracleController,
    ReactiveController,
    WorldModelController,
)  # fmt: skip
from latentworld.evaluation.figures import write_figures
from latentworld.selection.parameters import SelectionParameters
from latentworld.sim.processes import processes
from latentworld.sim.world import World
from latentworld.types import Goal, GoalKind

FIRST_TEST_SEED = 2_000_000
ARRIVAL = 0.3  # metres between the true pose and the goal that count as there
TOLERANCE = 0.25  # metres by odometry at which a controller says that it is there
TIME_LIMIT = 20.0  # seconds


@dataclass(frozen=True, slots=True)
class EpisodeResult:
    """success: said it was there in time, and was. clean: success without touching anything. seconds: simulated."""

    seed: int
    blocked: bool
    success: bool
    clean: bool
    contact: bool
    dropped: bool
    seconds: float
    distance: float
    plan_ms: tuple[float, ...] = ()


def goals(world: World, kind: GoalKind, agent: Agent | None) -> Goal:
    """The room's goal as a pose, or as what would be seen from it."""
    if kind == GoalKind.IMAGE:
        return agent.image_goal(world.goal_frame(), TOLERANCE)
    return Goal(GoalKind.POSE, np.asarray(world.goal), tolerance=TOLERANCE)


def run_episode(
    world: World, controller: Controller, goal: Goal, time_limit: float = TIME_LIMIT, watch=None
) -> EpisodeResult:
    """Drive ``world``, as it was reset, until the controller says that it is there, falls, or time is up.

    watch: called with (frame, odometry, step) each period.
    """
    controller.begin(world, goal)
    contact, arrived, plan_ms = False, False, []
    truth, elapsed = world.truth(), 0.0
    while elapsed < time_limit and not truth.dropped:
        frame, odometry = world.frame(), world.odometry()
        step = controller.act(frame, odometry)
        if watch:
            watch(frame, odometry, step)
        if step.plan is not None and step.plan.samples:
            plan_ms.append(step.plan.used * 1000)
        if step.arrived:
            arrived = True
            break
        world.step(*step.command)
        truth = world.truth()
        contact |= truth.contact
        elapsed += 0.1
    distance = float(np.hypot(*(truth.pose[:2] - world.goal[:2])))
    success = arrived and distance <= ARRIVAL and not truth.dropped
    return EpisodeResult(
        world.seed, bool(world.blocked), success, success and not contact, contact, truth.dropped, elapsed, distance,
        tuple(plan_ms),
    )  # fmt: skip


def make_controller(name: str, agent: Agent | None) -> Controller:
    makers = {
        "world_model": lambda: WorldModelController(agent), "blind": BlindController,
        "reactive": ReactiveController, "oracle": OracleController,
    }  # fmt: skip
    return makers[name]()


_world: World | None = None
_agent: Agent | None = None


def _episode(
    checkpoint: str | None, parameters: SelectionParameters | None, task: tuple[str, int, bool, GoalKind]
) -> tuple[str, EpisodeResult]:
    """One episode in a worker process, which keeps its world and its agent."""
    global _world, _agent
    name, seed, blocked, kind = task
    if _world is None:
        torch.set_num_threads(1)
        _world = World(seed)
    if _agent is None and name == "world_model":
        _agent = Agent.load(checkpoint, parameters)
    _world.reset(seed, blocked)
    label = name if kind == GoalKind.POSE else "image"
    return label, run_episode(_world, make_controller(name, _agent), goals(_world, kind, _agent))


def run(
    tasks: list,
    checkpoint: str | None = None,
    workers: int = 2,
    parameters: SelectionParameters | None = None,
    quiet: bool = False,
) -> dict[str, list[EpisodeResult]]:
    """Episodes by controller. tasks: (controller name, seed, blocked, goal kind). parameters: of the world model's
    selector. quiet: no bar. Does not depend on ``workers``.
    """
    results: dict[str, list[EpisodeResult]] = {}
    columns = (
        TextColumn("navigation"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("episodes"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, disable=quiet) as progress, processes(workers) as pool:
        bar = progress.add_task("", total=len(tasks))
        for name, result in pool.map(partial(_episode, checkpoint, parameters), tasks):
            results.setdefault(name, []).append(result)
            progress.advance(bar)
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


PREFIX = {"world_model": "pose_", "blind": "blind_", "reactive": "reactive_", "oracle": "oracle_", "image": "image_"}


def evaluate(
    rooms: int = 100,
    image_rooms: int = 50,
    controllers: tuple[str, ...] = ("world_model", "blind", "reactive", "oracle"),
    checkpoint: str | None = None,
    first_seed: int = FIRST_TEST_SEED,
    workers: int = 2,
    json: str | Path | None = None,
) -> dict[str, float]:
    """``rooms`` unseen rooms, every other one with the straight line blocked, a goal pose each; ``image_rooms`` with
    a goal image.
    """
    tasks = [(name, first_seed + i, bool(i % 2), GoalKind.POSE) for name in controllers for i in range(rooms)]
    tasks += [("world_model", first_seed + i, bool(i % 2), GoalKind.IMAGE) for i in range(image_rooms)]
    results = run(tasks, checkpoint, workers)
    figures: dict[str, float] = {}
    for name, episodes in results.items():
        figures |= summarise(episodes, PREFIX[name])
    times = [ms for episode in results.get("world_model", []) for ms in episode.plan_ms]
    if times:
        figures["plan_ms_p50"], figures["plan_ms_p99"] = (float(np.percentile(times, q)) for q in (50, 99))
    settings = {
        "rooms": rooms, "image_rooms": image_rooms, "first_seed": first_seed, "arrival_m": ARRIVAL,
        "tolerance_m": TOLERANCE, "time_limit_s": TIME_LIMIT, "checkpoint": checkpoint or "shipped",
        "episodes": {name: [asdict(r) | {"plan_ms": None} for r in episodes] for name, episodes in results.items()},
    }  # fmt: skip
    write_figures(json, figures, settings)
    Console().print(table(results))
    return figures


def table(results: dict[str, list[EpisodeResult]]) -> Table:
    """One row a controller, percentages."""
    columns = ("success", "clean", "clean_clear", "clean_blocked", "contact", "drop", "seconds")
    out = Table("controller", *columns, title="Driving to a goal in unseen rooms")
    for name, episodes in results.items():
        figures = summarise(episodes, "")
        cells = [f"{figures[c]:.1f} s" if c == "seconds" else f"{figures[c]:.0%}" for c in columns]
        out.add_row({"image": "world model, goal image"}.get(name, name.replace("_", " ")), *cells)
    return out
