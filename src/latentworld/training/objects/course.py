"""From nothing to a finder of objects: the recipes, and what ``training.train`` does with one."""

from __future__ import annotations

from pathlib import Path

from latentworld.model.object_finder import ObjectFinder
from latentworld.training.episodes import dataset_file
from latentworld.training.objects import validation
from latentworld.training.objects.collect import RoomViews
from latentworld.training.objects.collect import collect as collect_views
from latentworld.training.objects.recipe import RECIPES, ObjectRecipe
from latentworld.training.objects.task import ObjectTask
from latentworld.types import LatentworldError

__all__ = ["RECIPES", "about", "collect", "task", "validate", "with_base", "with_clips"]


def collect(recipe: ObjectRecipe, data: Path, workers: int) -> dict[str, float]:
    met = {}
    for part in ("train", "validation"):
        there = collect_views(dataset_file(recipe.name, part, data), getattr(recipe, part), workers)
        met |= {f"{part}_{name}": value for name, value in there.items()}
    return met


def with_clips(recipe: ObjectRecipe, folder: Path) -> ObjectRecipe:
    raise LatentworldError(f"recipe {recipe.name}: learns from rooms of its own; physics-small takes --clips")


def with_base(recipe: ObjectRecipe, base: str) -> ObjectRecipe:
    raise LatentworldError(f"recipe {recipe.name}: begins from nothing; nav-small takes --base")


def task(recipe: ObjectRecipe, data: Path) -> ObjectTask:
    return ObjectTask(recipe, RoomViews(dataset_file(recipe.name, "train", data)))


def validate(model: ObjectFinder, recipe: ObjectRecipe, data: Path) -> dict[str, float]:
    return validation.validate(model, RoomViews(dataset_file(recipe.name, "validation", data)))


def about(recipe: ObjectRecipe) -> dict[str, str]:
    """Lines of the card."""
    t, v = recipe.train, recipe.validation
    steps = "; ".join(f"{s.steps} steps of {s.rooms} rooms × {s.views} views" for s in recipe.stages)
    return {
        "data": f"{t.rooms} rooms × {t.views} views, seeds from {t.first_seed}; half rearranged, in another light",
        "held out": f"{v.rooms} rooms × {v.views} views, seeds from {v.first_seed}",
        "training": steps,
        "note": "Made in simulation only: it knows things like those of `latentworld.sim`, by colour and depth.",
    }
