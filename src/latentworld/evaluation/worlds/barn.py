"""BARN, the Benchmark for Autonomous Robot Navigation, by its published rules (Perille et al. 2020, Xiao et al. 2022).

A run ends within 1 m of the goal (success), at the first contact, or after 100 s. Score of a world: success * OT /
clip(AT, 2 OT, 8 OT), OT = length of the reference path / (2 m/s), AT = time from the first 0.1 m on; 0.5 is the most.
Source: github Daffan/the-barn-challenge, run.py.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from latentworld import robot_file
from latentworld.evaluation.controllers import Controller
from latentworld.evaluation.kept import Kept
from latentworld.evaluation.navigation import make_controller
from latentworld.evaluation.worlds.episodes import PREFIXES, agent, run
from latentworld.types import Goal, GoalKind, LatentworldError

SOURCE = "github Daffan/the-barn-challenge"
FILE = "barn_worlds.npz"
START, GOAL = (-2.25, 3.0), (-2.25, 13.0)  # metres, in the frame of the world files; the robot faces +y
NEAR, TIME_LIMIT, MOVED = 1.0, 100.0, 0.1  # metres from the goal that count as there, seconds, metres
REFERENCE_SPEED, LEAST, MOST = 2.0, 2.0, 8.0  # m/s, and multiples of OT that the time is cut to
TOLERANCE = 0.25  # metres by odometry at which a controller says that it is there
CONTROLLERS = ("world_model", "blind", "reactive", "oracle")


class Course(NamedTuple):
    """One world. cylinders: (N, 2) metres, where they stand. length: metres of the reference path."""

    index: int
    cylinders: np.ndarray
    length: float


@dataclass(frozen=True, slots=True)
class CourseResult:
    """score: 0-0.5. seconds: AT, simulated. distance: metres left to the goal. said: the controller said it was there,
    before it was.
    """

    index: int
    success: bool
    contact: bool
    seconds: float
    score: float
    distance: float
    said: bool


def read(folder: str | Path) -> list[Course]:
    """The worlds of a folder with ``barn_worlds.npz``: cyl_<i> (N, 2), len_<i>, from i = 0 on."""
    path = Path(folder) / FILE
    try:
        with np.load(path, allow_pickle=False) as data:
            count = sum(name.startswith("len_") for name in data.files)
            courses = [Course(i, np.asarray(data[f"cyl_{i}"], float), float(data[f"len_{i}"])) for i in range(count)]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise LatentworldError(f"barn {path}: expected cyl_<i> and len_<i> of worlds from 0 on, got {error}") from error
    if not courses or any(c.cylinders.ndim != 2 or c.cylinders.shape[1] != 2 for c in courses):
        raise LatentworldError(f"barn {path}: expected cyl_<i> of (N, 2), got {[c.cylinders.shape for c in courses]}")
    return courses


def score(success: bool, seconds: float, length: float) -> float:
    """seconds: AT. length: metres of the reference path."""
    best = length / REFERENCE_SPEED
    return float(success) * best / float(np.clip(seconds, LEAST * best, MOST * best))


def drive(world, controller: Controller, length: float) -> CourseResult:
    """One run through ``world`` (``BarnWorld``, as it was reset)."""
    goal = Goal(GoalKind.POSE, np.array([*world.goal[:2], np.nan]), tolerance=TOLERANCE)
    controller.begin(world, goal)
    truth, elapsed, began, said = world.truth(), 0.0, None, False

    def left() -> float:
        return float(np.hypot(*(truth.pose[:2] - world.goal[:2])))

    while left() > NEAR and not truth.contact and elapsed - (began or 0.0) < TIME_LIMIT:
        step = controller.act(world.frame(), world.odometry())
        if step.arrived:  # and it stands still until time is up
            said = True
            break
        world.step(*step.command)
        truth = world.truth()
        elapsed += world.period
        if began is None and np.hypot(*truth.pose[:2]) >= MOVED:
            began = elapsed
    success = left() <= NEAR and not truth.contact
    seconds = elapsed - (began or 0.0) if success else TIME_LIMIT
    return CourseResult(world.index, success, truth.contact, seconds, score(success, seconds, length), left(), said)


_worlds: dict = {}

Row = tuple[str, str, bool]
"""Controller, robot, exact odometry."""
Task = tuple[str, str, bool, int]
"""The same, and the index of the world."""


def _run(folder: str, checkpoint: str | None, task: Task) -> dict:
    """One run in a worker process."""
    from latentworld.evaluation.worlds.barn_world import BarnWorld

    name, robot, exact, index = task
    if (folder, robot) not in _worlds:
        _worlds[folder, robot] = BarnWorld(read(folder), robot_file.load(robot))
    world = _worlds[folder, robot]
    world.enter(index, exact)
    controller = make_controller(name, agent(checkpoint, name, world.robot))
    return asdict(drive(world, controller, world.courses[index].length))


def evaluate(
    folder: str | Path,
    rooms: int | None,
    checkpoint: str | None,
    kept: Kept,
    workers: int,
    controllers: Sequence[str] = CONTROLLERS,
    robots: Sequence[str] = ("latentworld", "jackal"),
) -> tuple[dict[str, float], dict[str, list[dict]]]:
    """Figures by name, and the runs of each. rooms: how many worlds; ``None``: all of the folder."""
    count = len(read(folder)[:rooms])
    rows = [(name, robot, exact) for robot in robots for exact in (False, True) for name in controllers]
    # The oracle knows where it is, whatever odometry says.
    tasks = [(*row, index) for row in rows if row[0] != "oracle" or not row[2] for index in range(count)]
    results = run("barn", partial(_run, str(folder), checkpoint), tasks, kept, workers)
    runs: dict[Row, list[dict]] = {}
    for task, result in zip(tasks, results, strict=True):
        runs.setdefault(task[:3], []).append(result)
    out: dict[str, float] = {}
    for row in rows:
        out |= figures(runs[row if row in runs else (row[0], row[1], False)], *row)
    return out, {" ".join(map(str, row)): results for row, results in runs.items()}


def figures(runs: list[dict], controller: str, robot: str, exact: bool) -> dict[str, float]:
    """``barn_success``, ``barn_success_exact``, ``blind_barn_success`` of our base; ``barn_score`` of the Jackal."""
    prefix, end = PREFIXES[controller] + "barn_", "_exact" if exact else ""
    if robot == "latentworld":
        shown = {"success": "success", "contact": "contact", "seconds": "seconds"}
    else:
        shown = {"score": "score", f"{robot}_success": "success", f"{robot}_contact": "contact"}
    return {f"{prefix}{name}{end}": float(np.mean([r[key] for r in runs])) for name, key in shown.items()}
