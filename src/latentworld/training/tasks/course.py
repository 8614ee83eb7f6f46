"""From nothing to a model of a task: the recipes, and what ``training.train`` does with one."""

from __future__ import annotations

from pathlib import Path

from latentworld.model.task_model import TaskModel
from latentworld.training.episodes import dataset_file
from latentworld.training.tasks import validation
from latentworld.training.tasks.clips import Episodes
from latentworld.training.tasks.collect import collect as collect_episodes
from latentworld.training.tasks.recipe import RECIPES, TaskRecipe
from latentworld.training.tasks.task import PictureTask
from latentworld.training.tasks.worlds import identity
from latentworld.types import LatentworldError

__all__ = ["RECIPES", "about", "collect", "task", "validate", "with_clips"]


def collect(recipe: TaskRecipe, data: Path, workers: int) -> dict[str, float]:
    for part in ("train", "validation"):
        collect_episodes(dataset_file(recipe.data, part, data), getattr(recipe, part), workers)
    return {"train_episodes": recipe.train.episodes, "validation_episodes": recipe.validation.episodes}


def with_clips(recipe: TaskRecipe, folder: Path) -> TaskRecipe:
    raise LatentworldError(f"recipe {recipe.name}: learns from episodes, not from clips; physics-small takes --clips")


def task(recipe: TaskRecipe, data: Path) -> PictureTask:
    return PictureTask(recipe, Episodes(dataset_file(recipe.data, "train", data)))


def validate(model: TaskModel, recipe: TaskRecipe, data: Path) -> dict[str, float]:
    return validation.validate(model, Episodes(dataset_file(recipe.data, "validation", data)))


def about(recipe: TaskRecipe) -> dict[str, str]:
    """Lines of the card."""
    how = {True: "latents and dynamics", False: "dynamics and distance, the encoder at rest"}
    stages = "; ".join(
        f"{s.steps} steps of {s.clips} clips × {s.length} × {recipe.model.action_block} rows: {how[s.encoder]}"
        for s in recipe.stages
    )
    name = identity(recipe.train.environment)
    return {
        "data": f"{recipe.train.episodes} episodes of stable-worldmodel's {name}, seeds from {recipe.train.first_seed}",
        "held out": f"{recipe.validation.episodes} episodes, seeds from {recipe.validation.first_seed}",
        "training": stages,
        "note": f"It knows {name} as stable-worldmodel draws it at 64 × 64 pixels, and nothing else.",
    }
