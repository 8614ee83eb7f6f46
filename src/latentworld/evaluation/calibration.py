"""Is a robot that was calibrated on five minutes of driving left in peace for the next ten?

Each robot drives through rooms never seen, as ordinary drivers do. Its first minutes calibrate its surprise, the next
ones are held against that; beside it, what the model's own quantiles would have said.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from latentworld.evaluation.figures import write_figures
from latentworld.evaluation.robots import description
from latentworld.model import checkpoint
from latentworld.perception.encoder import PerceptionEncoder
from latentworld.sim.world import World
from latentworld.tracking.calibration import Calibration, is_the_models_own
from latentworld.tracking.surprise import SurpriseScale
from latentworld.tracking.tracker import WorldStateTracker
from latentworld.training.driving.drivers import anywhere
from latentworld.types import Action

FIRST_SEED = 4_500_000  # of rooms: neither learned from, nor those of other evaluations
MINUTE = 600  # frames
CALIBRATE, DRIVE = 5, 10  # minutes
WARM_UP = 5  # frames of a drive before the belief knows enough to be asked
FOREIGN = ("turtlebot4", "d435", "service", "fisheye", "holes", "ackermann", "omni", "slow", "drift")


def scores(robot: str, weights: str | None, seed: int, frames: int = MINUTE) -> np.ndarray:
    """(N,) scores of a minute of ordinary driving in one room. seed: of the room and the driver."""
    described, model = description(robot), checkpoint.load(weights)
    world, encoder = World(seed, robot=described), PerceptionEncoder(model, described)
    tracker, driver = WorldStateTracker(model, robot=described), anywhere(world, np.random.default_rng([seed, 3]))
    said = []
    for number in range(frames):
        odometry = world.odometry()
        tracker.odometry(odometry)
        _, surprise = tracker.observe(encoder.encode(world.frames()))
        if number >= WARM_UP:
            said.append(surprise.excess)
        command = driver()
        tracker.command(Action(odometry.stamp, *map(float, command)))
        world.step(*command)
        if world.truth().dropped:
            break
    world.close()
    return np.array(said)


def events(p_values: np.ndarray, threshold: float, apart: int = 10) -> int:
    """Violations, those within a second of the one before being the same."""
    rows = np.flatnonzero(p_values < threshold)
    return int((np.diff(rows, prepend=-apart - 1) > apart).sum())


def measure(robot: str, weights: str | None, drives: list[np.ndarray]) -> dict[str, float]:
    """drives: (N,) scores each, of CALIBRATE minutes and those after them."""
    model, described = checkpoint.load(weights), description(robot)
    known, after = np.concatenate(drives[:CALIBRATE]), drives[CALIBRATE:]
    own = SurpriseScale(model.surprise_quantiles.numpy())
    scale = Calibration.of(known, described, model.model_id).scale()
    told = {}
    for name, judge in (("", scale), ("uncalibrated_", own)):
        told[f"{name}violations"] = sum(events(np.array([judge.p_value(s) for s in d]), judge.threshold) for d in after)
    told["calibrated_before"] = float(is_the_models_own(described))
    return told


def evaluate(
    robots: list[str], weights: Path | None = None, workers: int = 2, json: Path | None = None
) -> dict[str, float]:
    """``<robot>_violations`` in ten minutes, and ``<robot>_uncalibrated_violations``: what the model's own quantiles
    would have said. ``worst_violations``.
    """
    path = None if weights is None else str(weights)
    figures: dict[str, float] = {}
    table = Table("robot", "violations in 10 min", "by the model's own quantiles", title="surprise after calibration")
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        for robot in track(robots, "robots"):
            seeds = range(FIRST_SEED, FIRST_SEED + CALIBRATE + DRIVE)
            told = measure(robot, path, list(pool.map(partial(scores, robot, path), seeds)))
            figures |= {f"{robot}_{name}": value for name, value in told.items()}
            table.add_row(robot, str(told["violations"]), str(told["uncalibrated_violations"]))
    figures["worst_violations"] = max(figures[f"{robot}_violations"] for robot in robots)
    Console().print(table)
    write_figures(json, figures, {"robots": robots, "minutes": DRIVE})
    return figures
