"""Runs of training to compare: the same data in the same order, what is foretold being another.

An arm is the same encoder and the same belief, taught to foretell latents ("latent"), pixels ("pixels"), or latents
while a decoder paints them ("decoder"). While it learns, it is asked now and then what it can do.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from latentworld.training.trainer import Trainer
from latentworld.types import LatentworldError

ARMS = ("latent", "pixels", "decoder")
FIRST_LOOK = 100  # steps
VERSION = 2  # of what is measured; raise it with any change to losses or questions
COUNTED = 4  # steps of which the FLOPs are averaged: not all have as much to paint
TIMED = 13  # steps of a round, the first not counted
ROUNDS = 5
Key = tuple[str, str]  # arm, place
Point = dict[str, float]  # figures, and what they cost: step, samples, flops; seconds once timed


@dataclass(frozen=True, slots=True)
class Run:
    """One arm, one place, one seed. points: one for each time it was asked."""

    arm: str
    place: str
    seed: int
    points: list[Point]

    def reached(self, figure: str, threshold: float, cost: str = "seconds") -> float:
        """What it cost until a figure was so good, and still was the next time, between two points in the logarithm.

        inf if it never was. At the first point it may have been so good for a while; see ``at_first``.
        """
        values = [point[figure] for point in self.points]
        for i, (point, value) in enumerate(zip(self.points, values, strict=True)):
            if value >= threshold and (i + 1 == len(values) or values[i + 1] >= threshold):
                if i == 0 or not values[i - 1] < threshold:
                    return point[cost]
                part = (threshold - values[i - 1]) / (value - values[i - 1])
                before = self.points[i - 1]
                return float(np.exp(np.log(before[cost]) * (1 - part) + np.log(point[cost]) * part))
        return math.inf

    def timed(self, seconds: float) -> Run:
        """With what it cost in seconds, so many a step."""
        return replace(self, points=[point | {"seconds": point["step"] * seconds} for point in self.points])

    def at_first(self, figure: str, threshold: float) -> bool:
        """Whether it was so good when it first was asked."""
        return self.reached(figure, threshold, "step") == self.points[0]["step"]

    def spent(self, cost: str = "seconds") -> float:
        return self.points[-1][cost]


class Study(Protocol):
    """steps: of every run. looks: how often a run is asked."""

    steps: int
    looks: int


Ask = Callable[[nn.Module], dict[str, float]]


def asked_at(study: Study) -> set[int]:
    """Steps, evenly in their logarithm, the last one always among them."""
    return set(np.geomspace(study.steps, min(FIRST_LOOK, study.steps), study.looks).round().astype(int).tolist())


def points(
    study: Study, recipe: Any, folder: Path, prepare: Callable[[Path], tuple[Trainer, Ask]], quiet: bool = False
) -> list[Point]:
    """Train a recipe of one stage from nothing, and ask after some of the steps.

    folder: of all runs; what lies finished there is not run again. prepare: called with the run's own. quiet: no bar.
    """
    done, made_with = folder / recipe.name / "points.json", repr((VERSION, study, recipe))
    if done.exists():
        document = json.loads(done.read_text())
        if document["made_with"] != made_with:
            raise LatentworldError(f"efficiency: {done}: expected a run made as now, got another; remove it, or --runs")
        return document["points"]
    for left in done.parent.glob("*"):  # of a run that was cut off: what it was asked till then is not kept
        left.unlink()
    trainer, ask = prepare(done.parent)
    stage = recipe.stages[0]
    samples, flops, asked = stage.clips * stage.length, _flops_of_a_step(trainer), asked_at(study)
    told: list[Point] = []

    def after_step() -> None:
        if trainer.step not in asked:
            return
        cost = {"step": trainer.step, "samples": trainer.step * samples, "flops": trainer.step * flops}
        told.append(cost | ask(trainer.model.eval()))
        trainer.model.train()

    trainer.run(after_step, quiet)
    done.write_text(json.dumps({"made_with": made_with, "points": told}, indent=1) + "\n")
    return told


def trainers_of(recipes: dict[Key, Any], course: Any, data: Path, workers: int) -> dict[Key, Callable[[Path], Trainer]]:
    """What trains each, once it is given a folder. Data are collected first: none can be while one is read."""
    for recipe in recipes.values():
        course.collect(recipe, data, workers)
    return {key: partial(Trainer, course.task(recipe, data)) for key, recipe in recipes.items()}


def seconds_a_step(trainers: dict[Key, Callable[[Path], Trainer]], rounds: int = ROUNDS) -> dict[Key, float]:
    """Of forward, backward, and the wait for the batch: the median of rounds, in each of which every one has its turn.

    Timed apart, because what trains for hours does not have the machine to itself, and not all would suffer alike.
    """
    took = defaultdict(list)
    for _ in range(rounds):
        for key, begin in trainers.items():
            with TemporaryDirectory() as folder:
                trainer, clock = begin(Path(folder)), []
                trainer.run(lambda at=clock, of=trainer: at.append(of.seconds), quiet=True)
            took[key].append(np.diff(clock).mean())
    return {key: float(np.median(some)) for key, some in took.items()}


def _flops_of_a_step(trainer: Trainer) -> int:
    """Of forward and backward, as PyTorch counts them, on average. Leaves the model as it was."""
    task, model, stage = trainer.task, trainer.model, trainer.recipe.stages[0]
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with FlopCounterMode(display=False) as counter:
        for seed, batch in enumerate(task.batches(stage, 0, range(COUNTED))):
            task.losses(stage, batch, torch.Generator().manual_seed(seed))[0].backward()
    model.zero_grad(set_to_none=True)
    model.load_state_dict(before)
    return counter.get_total_flops() // COUNTED
