"""The price of pixels in driving: does what was learned so far bring the robot to its goal, touching nothing?

What drives to a pose is free space, risks and motion, which all arms are taught alike; what they foretell counts for
what it makes of encoder and belief.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from latentworld.evaluation import navigation
from latentworld.evaluation.efficiency_runs import ARMS, TIMED, Ask, Key, trainers_of
from latentworld.model import checkpoint
from latentworld.model.decoded_world_model import DecodedWorldModel
from latentworld.model.world_model import WorldModel
from latentworld.selection.parameters import SelectionParameters
from latentworld.training.driving import course
from latentworld.training.driving.collect import CollectSettings
from latentworld.training.driving.drives import Drives
from latentworld.training.driving.recipe import RECIPES, Recipe, Stage
from latentworld.training.driving.validation import validate
from latentworld.training.episodes import dataset_file
from latentworld.training.trainer import Trainer

PLACE = "rooms"
RATES = {"latent": 1e-3, "pixels": 5e-4, "decoder": 5e-4}  # the best of three, by benchmark/efficiency_rates.py
FIRST_ROOM = 3_000_000  # seeds of rooms to drive in: neither learned from, nor the test set's
UNWARY = SelectionParameters(violation_p_value=0.0)
ASKED = ("clearance_error_m", "occupied_auroc")  # kept beside success


@dataclass(frozen=True, slots=True)
class RoomStudy:
    """A study, with so many rooms to learn from; trials: rooms to drive in, each time it is asked."""

    steps: int = 400
    looks: int = 3
    rooms: int = 400
    held_out: int = 60
    trials: int = 40
    batch: int = 16


def recipe(study: RoomStudy, arm: str, place: str, seed: int) -> Recipe:
    """Arms of one seed see the same drives in the same order, and begin with the same encoder and belief."""
    return replace(
        RECIPES["nav-small"],
        name=f"{arm}-{place}-{seed}",
        drives=f"efficiency-{place}",
        train=CollectSettings(study.rooms),
        validation=CollectSettings(study.held_out, RECIPES["nav-small"].validation.first_seed),
        stages=(Stage(study.steps, "all", study.batch, length=24, rate=RATES[arm], starts=6),),
        weights=replace(RECIPES["nav-small"].weights, recall=0.0),  # it has no counterpart in pixels
        arm=arm,
        seed=seed,
    )


def trainers(study: RoomStudy, data: Path, workers: int) -> dict[Key, Callable[[Path], Trainer]]:
    """Of each arm, to be timed."""
    short = replace(study, steps=min(TIMED, study.steps))
    recipes = {(arm, PLACE): recipe(short, arm, PLACE, seed=0) for arm in ARMS}
    return trainers_of(recipes, course, data, workers)


def prepare(study: RoomStudy, recipe: Recipe, data: Path, workers: int, folder: Path) -> tuple[Trainer, Ask]:
    """What trains it, and what asks it what it knows."""
    course.collect(recipe, data, workers)
    held_out = Drives(dataset_file(recipe.drives, "validation", data))
    ask = partial(
        figures_of, held_out=held_out, weights=folder / "asked.safetensors", trials=study.trials, workers=workers
    )
    return Trainer(course.task(recipe, data), folder), ask


def figures_of(model: WorldModel, held_out: Drives, weights: Path, trials: int, workers: int) -> dict[str, float]:
    """What a model is asked: to drive. weights: where it is written, for the processes that drive.

    Surprise slows nothing here: not all arms are taught to foretell latents.
    """
    told = validate(model, held_out)
    checkpoint.save(model.without_decoder() if isinstance(model, DecodedWorldModel) else model, weights)
    tasks = [("world_model", "pose", FIRST_ROOM + i, bool(i % 2)) for i in range(trials)]
    driven = navigation.run(tasks, str(weights), workers, UNWARY, quiet=True)["world_model", "pose"]
    return {name: told[name] for name in ASKED} | {"planning_success": float(np.mean([r.clean for r in driven]))}
