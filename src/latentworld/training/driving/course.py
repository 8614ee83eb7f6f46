"""From nothing to a robot's world model: the recipes, and what ``training.train`` does with one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from latentworld.model.world_model import WorldModel
from latentworld.training.driving import validation
from latentworld.training.driving.collect import collect as collect_drives
from latentworld.training.driving.drives import Drives
from latentworld.training.driving.gallery import Gallery
from latentworld.training.driving.gallery import collect as collect_views
from latentworld.training.driving.recipe import RECIPES, Recipe
from latentworld.training.driving.recognition import recognition
from latentworld.training.driving.task import DrivingTask
from latentworld.training.episodes import dataset_file
from latentworld.types import LatentworldError

__all__ = ["RECIPES", "about", "collect", "task", "validate", "with_base", "with_clips"]


LEARNED = {
    "all": "clips × {} rows end to end",
    "belief": "clips × {} rows with the encoder at rest",
    "appearance": "rooms × {} pairs of views for appearance alone",
}


def collect(recipe: Recipe, data: Path, workers: int) -> dict[str, float]:
    met: dict[str, float] = {}
    for part, drives, views in (
        ("train", recipe.train, recipe.views),
        ("validation", recipe.validation, recipe.held_out_views),
    ):
        found = collect_drives(dataset_file(recipe.drives, part, data), drives, workers)
        if _learns_appearance(recipe):
            found |= collect_views(_views_file(recipe, part, data), views, workers)
        met |= {f"{part}_{key}": value for key, value in found.items()}
    if recipe.calibration is not None:
        collect_drives(dataset_file(recipe.drives, "calibration", data), recipe.calibration, workers)
    return met


def _learns_appearance(recipe: Recipe) -> bool:
    """Whether it needs galleries."""
    return any(stage.learns == "appearance" for stage in recipe.stages)


def _views_file(recipe: Recipe, part: str, data: Path) -> Path:
    return dataset_file(f"{recipe.drives}-views", part, data)


def with_clips(recipe: Recipe, folder: Path) -> Recipe:
    raise LatentworldError(f"recipe {recipe.name}: learns from drives, not from clips; physics-small takes --clips")


def with_base(recipe: Recipe, base: str) -> Recipe:
    return replace(recipe, base=base)


def task(recipe: Recipe, data: Path) -> DrivingTask:
    gallery = Gallery(_views_file(recipe, "train", data)) if _learns_appearance(recipe) else None
    return DrivingTask(recipe, Drives(dataset_file(recipe.drives, "train", data)), gallery)


def validate(model: WorldModel, recipe: Recipe, data: Path) -> dict[str, float]:
    figures = validation.validate(model, Drives(dataset_file(recipe.drives, "validation", data)))
    if _learns_appearance(recipe):
        figures |= recognition(model, Gallery(_views_file(recipe, "validation", data)))
    if recipe.calibration is not None:  # last, as it sets the quantiles of surprise
        own = validation.validate(model, Drives(dataset_file(recipe.drives, "calibration", data)))
        figures |= {f"shipped_robot_{name}": value for name, value in own.items()}
    return figures


def about(recipe: Recipe) -> dict[str, str]:
    """Lines of the card."""
    stages = "; ".join(
        f"{s.steps} steps of {s.clips} {LEARNED[s.learns].format(s.length)}"
        + (f", of the first {s.rooms} rooms" if s.rooms else "")
        for s in recipe.stages
    )
    robots = "cameras, bodies and surfaces drawn anew in each" if recipe.train.fleet else "the shipped robot"
    kinds = f" the first {recipe.train.wide} rooms of many kinds," if recipe.train.wide else ""
    begun = {"begun with": f"the weights of {recipe.base}"} if recipe.base else {}
    return begun | {
        "data": f"{recipe.train.rooms} simulated rooms of {recipe.train.rows} rows (0.1 s each), {robots},{kinds}"
        " scripted drivers;"
        f" {recipe.views.rooms} rooms looked at from {recipe.views.places * recipe.views.views} poses each",
        "held out": f"{recipe.validation.rooms} rooms (seeds from {recipe.validation.first_seed}), never trained on",
        "training": stages,
        "note": "Made in simulation only: it knows the rooms of `latentworld.sim`. On a robot, collect and train on"
        " what that robot sees. Latent errors are mean squared errors of unit-variance latents; `copy_last` is the same"
        " with the last latent as prediction.",
    }
