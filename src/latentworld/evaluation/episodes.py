"""Episodes driven by worker processes, kept in a file so that an interrupted evaluation goes on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from latentworld.evaluation.controllers import Controller
from latentworld.evaluation.kept import Kept
from latentworld.sim.processes import processes
from latentworld.types import Goal

ARRIVAL = 0.3  # metres between the true pose and the goal that count as there
TIME_LIMIT = 20.0  # seconds

Task = tuple[Any, ...]
"""What names an episode: strings, numbers and truth values."""


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


def run_episode(
    world: Any, controller: Controller, goal: Goal, time_limit: float = TIME_LIMIT, watch=None
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
        elapsed += world.period
    distance = float(np.hypot(*(truth.pose[:2] - world.goal[:2])))
    success = arrived and distance <= ARRIVAL and not truth.dropped
    return EpisodeResult(
        world.seed, bool(world.blocked), success, success and not contact, contact, truth.dropped, elapsed, distance,
        tuple(plan_ms),
    )  # fmt: skip


def run_tasks(
    what: str,
    tasks: Sequence[Task],
    drive: Callable[[Task], EpisodeResult],
    made_by: dict[str, Any],
    workers: int = 2,
    keep: Path | None = None,
    quiet: bool = False,
) -> dict[Task, EpisodeResult]:
    """Every task's episode. what: for the bar. made_by: what decides the results, so that other ones in ``keep`` are
    refused. Does not depend on ``workers``.
    """
    kept = Kept(keep, made_by)
    undone = [task for task in tasks if named(task) not in kept.results]
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("episodes"), TimeRemainingColumn())
    with Progress(*columns, disable=quiet) as progress, processes(workers) as pool:
        bar = progress.add_task("", total=len(tasks), completed=len(tasks) - len(undone))
        for task, result in zip(undone, pool.map(drive, undone), strict=True):
            kept.add(named(task), asdict(result))
            progress.advance(bar)
    kept.close()
    fields = {task: kept.results[named(task)] for task in tasks}
    return {task: EpisodeResult(**f | {"plan_ms": tuple(f["plan_ms"])}) for task, f in fields.items()}


def named(task: Task) -> str:
    return " ".join(map(str, task))


def interval(share: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share of ``count`` rooms (Wilson 1927)."""
    if not count:
        return math.nan, math.nan
    z = 1.96
    middle, scale = share + z * z / (2 * count), 1 + z * z / count
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return (middle - half) / scale, (middle + half) / scale
