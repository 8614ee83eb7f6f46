"""From nothing to a checkpoint with a card: collect, train, validate."""

from __future__ import annotations

import platform
from dataclasses import asdict
from datetime import date
from pathlib import Path

import torch

from latentworld.model import checkpoint
from latentworld.training.collect import collect
from latentworld.training.dataset import Drives
from latentworld.training.recipes import RECIPES, Recipe
from latentworld.training.trainer import Trainer
from latentworld.training.validation import validate
from latentworld.types import LatentworldError


def recipe_named(name: str) -> Recipe:
    if name not in RECIPES:
        raise LatentworldError(f"recipe: expected one of {sorted(RECIPES)}, got {name}")
    return RECIPES[name]


def collect_recipe(name: str, data: str | Path = "data") -> dict[str, Path]:
    """The recipe's rooms, driven through; what is there already is kept. Returns the files."""
    recipe, data = recipe_named(name), Path(data)
    files = {}
    for part, settings in (("train", recipe.train), ("validation", recipe.validation)):
        files[part] = data / f"{name}-{part}.h5"
        collect(files[part], settings)
    return files


def train(
    name: str, data: str | Path = "data", runs: str | Path = "runs", out: str | Path | None = None
) -> tuple[Path, dict[str, float]]:
    """Train a recipe (collecting its data first where it is missing); goes on where an interrupted run stopped.

    Returns the checkpoint's path and its held-out figures.
    """
    recipe = recipe_named(name)
    files = collect_recipe(name, data)
    torch.set_num_threads(max(1, torch.get_num_threads()))
    trainer = Trainer(recipe, Drives(files["train"]), Path(runs) / name)
    model = trainer.run()
    figures = validate(model, Drives(files["validation"]))
    path = Path(out) if out else Path(runs) / name / f"{name}.safetensors"
    card = {
        "recipe": name,
        "command": f"./latentworld train --recipe {name}",
        "data": {"train": asdict(recipe.train), "validation": asdict(recipe.validation)},
        "seed": recipe.seed,
        "stages": [asdict(stage) for stage in recipe.stages],
        "parameters": sum(p.numel() for p in model.parameters()),
        "training_seconds": round(trainer.seconds),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "date": date.today().isoformat(),
        "held_out": {key: round(value, 4) for key, value in figures.items()},
    }
    checkpoint.save(model, path, card)
    return path, figures
