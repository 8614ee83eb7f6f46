"""The price of pixels in watching: where is the thing, how fast does it go, which of two films is impossible?

Where and how fast is R² of a linear map from the belief, also while the thing is hidden.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

from latentworld.evaluation.efficiency_runs import ARMS, TIMED, Ask, Key, trainers_of
from latentworld.evaluation.physics import clip_score, measure, summarise
from latentworld.evaluation.physics_suite import Pairs, SuiteSettings, suite
from latentworld.model.scene_model import SceneModel
from latentworld.training.episodes import dataset_file
from latentworld.training.scenes import course
from latentworld.training.scenes.clips import Clips
from latentworld.training.scenes.probe import probe
from latentworld.training.scenes.recipe import CALIBRATION_SEED, RECIPES, FilmSettings, SceneRecipe, SceneStage
from latentworld.training.scenes.validation import calibrate, validate
from latentworld.training.trainer import Trainer

BACKDROPS = ("still", "drifting")  # with nothing, and with something to paint that does not matter
RATES = {"latent": 4e-3, "pixels": 4e-3, "decoder": 4e-3}  # the best of three, by benchmark/efficiency_rates.py
FIRST_PAIR = 8_000_000  # seeds of pairs to be told apart: neither the test set's nor those to try things out on


@dataclass(frozen=True, slots=True)
class SceneStudy:
    """A study, with so many clips to learn from, and to ask about."""

    steps: int = 800
    looks: int = 4
    clips: int = 3000
    held_out: int = 1200  # of fewer, a map fitted to what is hidden says little: 0.16 of 480 where 0.6 is there to read
    pairs: int = 20  # a property
    batch: int = 16


def recipe(study: SceneStudy, arm: str, backdrop: str, seed: int) -> SceneRecipe:
    """Arms of one seed see the same films in the same order, and begin with the same encoder and belief."""
    return replace(
        RECIPES["physics-small"],
        name=f"{arm}-{backdrop}-{seed}",
        films=f"efficiency-{backdrop}",
        train=FilmSettings(study.clips, style=backdrop),
        calibration=FilmSettings(study.held_out, CALIBRATION_SEED, backdrop),
        stages=(SceneStage(study.steps, clips=study.batch, rate=RATES[arm]),),
        arm=arm,
        seed=seed,
    )


def trainers(study: SceneStudy, data: Path, workers: int) -> dict[Key, Callable[[Path], Trainer]]:
    """Of each arm and place, to be timed; pairs are made too, so that then all data are there."""
    for backdrop in BACKDROPS:
        pairs_of(study, backdrop, data, workers)
    short = replace(study, steps=min(TIMED, study.steps))
    recipes = {(arm, place): recipe(short, arm, place, seed=0) for place, arm in product(BACKDROPS, ARMS)}
    return trainers_of(recipes, course, data, workers)


def prepare(study: SceneStudy, recipe: SceneRecipe, data: Path, workers: int, folder: Path) -> tuple[Trainer, Ask]:
    """What trains it, and what asks it what it knows."""
    course.collect(recipe, data, workers)
    pairs = pairs_of(study, recipe.train.style, data, workers)
    held_out = Clips.from_dataset(dataset_file(recipe.films, "calibration", data))
    return Trainer(course.task(recipe, data), folder), partial(figures_of, held_out=held_out, pairs=pairs)


def pairs_of(study: SceneStudy, backdrop: str, data: Path, workers: int) -> list[Pairs]:
    return list(suite(SuiteSettings(backdrop, study.pairs, FIRST_PAIR), data, workers))


def figures_of(model: SceneModel, held_out: Clips, pairs: list[Pairs]) -> dict[str, float]:
    """What a model is asked: probes, errors against copying, pairs."""
    calibrate(model, held_out)
    told_apart = summarise(measure(pairs, {"": clip_score(model)})[""], "")
    return probe(model, held_out) | validate(model, held_out) | {"pairwise_mean": told_apart["pairwise_mean"]}
