"""Runs of training to compare: the same data in the same order, what is foretold being another.

An arm is the same encoder and the same recurrent belief, taught to foretell latents ("latent"), pixels ("pixels"), or
latents while a decoder paints them ("decoder"). While an arm learns, it is asked now and then where the thing is and
how fast it goes (R² of a linear map from its belief, also while the thing is hidden), and which of two films is
impossible.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from latentworld.evaluation.physics import clip_score, measure, summarise
from latentworld.evaluation.physics_suite import SuiteSettings, suite
from latentworld.model.scene_model import SceneModel
from latentworld.training.episodes import dataset_file
from latentworld.training.scenes import course
from latentworld.training.scenes.clips import Clips
from latentworld.training.scenes.probe import probe
from latentworld.training.scenes.recipe import CALIBRATION_SEED, RECIPES, FilmSettings, SceneRecipe, SceneStage
from latentworld.training.scenes.validation import calibrate, validate
from latentworld.training.trainer import Trainer

ARMS = ("latent", "pixels", "decoder")
BACKDROPS = ("still", "drifting")  # with nothing, and with something to paint that does not matter
FIRST_PAIR = 8_000_000  # seeds of pairs to be told apart: neither the test set's nor those to try things out on


@dataclass(frozen=True, slots=True)
class EfficiencySettings:
    """steps: of every run, at most. looks: how often a run is asked, evenly in the logarithm of its steps."""

    seeds: int = 5
    steps: int = 1600
    looks: int = 7
    first_look: int = 25
    clips: int = 3000
    held_out: int = 400
    pairs: int = 24  # a property
    batch: int = 16

    def asked_at(self) -> list[int]:
        steps = np.geomspace(min(self.first_look, self.steps), self.steps, self.looks).round().astype(int)
        return sorted(set(steps.tolist()))


@dataclass(frozen=True, slots=True)
class Run:
    """One arm, one backdrop, one seed. points: figures of each time it was asked, and step, seconds, samples, flops."""

    arm: str
    backdrop: str
    seed: int
    points: list[dict[str, float]]

    def reached(self, figure: str, threshold: float, cost: str = "seconds") -> float:
        """What it cost until a figure first was so good, between two points in the logarithm; inf if it never was."""
        before: dict[str, float] | None = None
        for point in self.points:
            if point[figure] >= threshold:
                if before is None:
                    return point[cost]
                part = (threshold - before[figure]) / (point[figure] - before[figure])
                return float(np.exp(np.log(before[cost]) * (1 - part) + np.log(point[cost]) * part))
            before = point
        return math.inf

    def spent(self, cost: str = "seconds") -> float:
        return self.points[-1][cost]


def recipe(settings: EfficiencySettings, arm: str, backdrop: str, seed: int) -> SceneRecipe:
    """Arms of one seed see the same films in the same order, and begin with the same encoder and belief."""
    return replace(
        RECIPES["physics-small"],
        name=f"{arm}-{backdrop}-{seed}",
        films=f"efficiency-{backdrop}",
        train=FilmSettings(settings.clips, style=backdrop),
        calibration=FilmSettings(settings.held_out, CALIBRATION_SEED, backdrop),
        stages=(SceneStage(settings.steps, clips=settings.batch),),
        arm=arm,
        seed=seed,
    )


def runs(
    settings: EfficiencySettings, data: Path, folder: Path, workers: int, arms: Iterable[str] = ARMS
) -> Iterator[Run]:
    """Every run, one after the other, seed by seed; what lies finished in ``folder`` is not run again."""
    for seed, backdrop, arm in product(range(settings.seeds), BACKDROPS, arms):
        yield Run(arm, backdrop, seed, _points(settings, recipe(settings, arm, backdrop, seed), data, folder, workers))


def _points(
    settings: EfficiencySettings, recipe: SceneRecipe, data: Path, folder: Path, workers: int
) -> list[dict[str, float]]:
    done = folder / recipe.name / "points.json"
    made_with = repr((replace(settings, seeds=1), recipe))  # more seeds change no run
    if done.exists():
        document = json.loads(done.read_text())
        if document["made_with"] == made_with:
            return document["points"]
    course.collect(recipe, data, workers)
    backdrop = recipe.train.style
    pairs = list(suite(SuiteSettings(backdrop, settings.pairs, FIRST_PAIR), data, workers))
    held_out = Clips.from_dataset(dataset_file(recipe.films, "calibration", data))
    for left in (folder / recipe.name).glob("*"):  # of a run that was cut off: times of two runs do not add up
        left.unlink()
    trainer = Trainer(course.task(recipe, data), folder / recipe.name)
    stage = recipe.stages[0]
    samples, flops = stage.clips * stage.length, _flops_of_a_step(trainer, stage)
    points: list[dict[str, float]] = []

    def ask() -> None:
        if trainer.step not in asked:
            return
        cost = {"step": trainer.step, "seconds": trainer.seconds}
        cost |= {"samples": trainer.step * samples, "flops": trainer.step * flops}
        points.append(cost | figures_of(trainer.model.eval(), held_out, pairs))
        trainer.model.train()

    asked = set(settings.asked_at())
    trainer.run(ask)
    done.write_text(json.dumps({"made_with": made_with, "points": points}, indent=1) + "\n")
    return points


def figures_of(model: SceneModel, held_out: Clips, pairs: list) -> dict[str, float]:
    """What a model is asked: probes, errors against copying, pairs."""
    calibrate(model, held_out)
    told_apart = summarise(measure(pairs, {"": clip_score(model)})[""], "")
    return probe(model, held_out) | validate(model, held_out) | {"pairwise_mean": told_apart["pairwise_mean"]}


def _flops_of_a_step(trainer: Trainer, stage: SceneStage) -> int:
    """Of forward and backward, as PyTorch counts them. Leaves the model as it was."""
    task, model = trainer.task, trainer.model
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    batch = next(iter(task.batches(stage, 0, range(1))))
    with FlopCounterMode(display=False) as counter:
        task.losses(stage, batch, torch.Generator().manual_seed(0))[0].backward()
    model.zero_grad(set_to_none=True)
    model.load_state_dict(before)
    return counter.get_total_flops()
