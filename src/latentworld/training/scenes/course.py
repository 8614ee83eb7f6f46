"""From nothing to a model of physics: the recipes, and what ``training.train`` does with one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from latentworld.model.scene_model import SceneModel
from latentworld.training.episodes import dataset_file
from latentworld.training.scenes import validation
from latentworld.training.scenes.clips import Clips
from latentworld.training.scenes.collect import collect as collect_clips
from latentworld.training.scenes.probe import probe
from latentworld.training.scenes.recipe import RECIPES, SceneRecipe
from latentworld.training.scenes.task import SceneTask
from latentworld.types import LatentworldError

__all__ = ["RECIPES", "about", "collect", "task", "validate", "with_base", "with_clips"]

HELD_OUT = 5  # every fifth of others' clips is kept to calibrate on


def collect(recipe: SceneRecipe, data: Path, workers: int) -> dict[str, float]:
    if recipe.others:
        return {}
    for part in ("train", "calibration"):
        collect_clips(dataset_file(recipe.films, part, data), getattr(recipe, part), workers)
    return {"train_clips": recipe.train.clips, "calibration_clips": recipe.calibration.clips}


def with_clips(recipe: SceneRecipe, folder: Path) -> SceneRecipe:
    """The recipe for clips that others made. It is another one: what was begun on our clips must not go on with it."""
    return replace(recipe, others=str(folder.resolve()))


def with_base(recipe: SceneRecipe, base: str) -> SceneRecipe:
    raise LatentworldError(f"recipe {recipe.name}: begins from nothing; nav-small takes --base")


def task(recipe: SceneRecipe, data: Path) -> SceneTask:
    return SceneTask(recipe, _clips(recipe, data, "train"))


def validate(model: SceneModel, recipe: SceneRecipe, data: Path) -> dict[str, float]:
    held_out = _clips(recipe, data, "calibration")
    validation.calibrate(model, held_out)
    return validation.validate(model, held_out) | probe(model, held_out)


def _clips(recipe: SceneRecipe, data: Path, part: str) -> Clips:
    if not recipe.others:
        return Clips.from_dataset(dataset_file(recipe.films, part, data))
    return Clips.from_folder(recipe.others).split(HELD_OUT)[part == "calibration"]


def about(recipe: SceneRecipe) -> dict[str, str]:
    """Lines of the card."""
    stages = "; ".join(
        f"{s.steps} steps of {s.clips} clips × {s.length} looks, {recipe.model.stride} frames apart"
        for s in recipe.stages
    )
    if recipe.others:
        return {
            "data": f"possible clips of {recipe.others}",
            "held out": f"every {HELD_OUT}th of them, never trained on",
            "training": stages,
            "note": "It knows how things move in the clips it was shown.",
        }
    return {
        "data": f"{recipe.train.clips} possible clips of the stage, seeds from {recipe.train.first_seed}",
        "held out": f"{recipe.calibration.clips} possible clips, seeds from {recipe.calibration.first_seed}",
        "training": stages,
        "note": "Made in simulation only: it knows how things move on the stage of `latentworld.sim.stage`.",
    }
