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
from latentworld.training.task import DrivingTask
from latentworld.training.trainer import Trainer
from latentworld.training.validation import validate
from latentworld.types import LatentworldError


def recipe_named(name: str) -> Recipe:
    if name not in RECIPES:
        raise LatentworldError(f"recipe: expected one of {sorted(RECIPES)}, got {name}")
    return RECIPES[name]


def dataset_file(name: str, part: str, data: str | Path) -> Path:
    """Where a recipe's data lie. part: train or validation."""
    return Path(data) / f"{name}-{part}.h5"


def collect_recipe(name: str, data: str | Path = "data", workers: int = 2) -> dict[str, float]:
    """The recipe's rooms, driven through; what is there already is kept. Returns shares of what was met."""
    recipe, met = recipe_named(name), {}
    for part in ("train", "validation"):
        found = collect(dataset_file(name, part, data), getattr(recipe, part), workers)
        met |= {f"{part}_{key}": value for key, value in found.items()}
    return met


def train(
    name: str, data: str | Path = "data", runs: str | Path = "runs", out: str | Path | None = None
) -> tuple[Path, dict[str, float]]:
    """Train a recipe (collecting its data first where it is missing); goes on where an interrupted run stopped.

    Returns the checkpoint's path and its held-out figures.
    """
    recipe = recipe_named(name)
    collect_recipe(name, data)
    trainer = Trainer(DrivingTask(recipe, Drives(dataset_file(name, "train", data))), Path(runs) / name)
    model = trainer.run()
    figures = validate(model, Drives(dataset_file(name, "validation", data)))
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
    identity = checkpoint.save(model, path, card)
    path.with_suffix(".md").write_text(card_text(name, identity, card))
    return path, figures


def card_text(name: str, model_id: str, card: dict) -> str:
    """The card inside a checkpoint as a page for people."""
    data, held_out = card["data"], card["held_out"]
    how = {True: "end to end", False: "with the encoder at rest"}
    stages = "; ".join(
        f"{s['steps']} steps of {s['clips']} clips × {s['length']} rows {how[s['encoder']]}" for s in card["stages"]
    )
    rows = "\n".join(f"| {key} | {value} |" for key, value in held_out.items())
    return f"""# {name}

| | |
|---|---|
| model_id | {model_id} |
| parameters | {card["parameters"]:,} |
| data | {data["train"]["rooms"]} simulated rooms of {data["train"]["rows"]} rows (0.1 s each), scripted drivers |
| held out | {data["validation"]["rooms"]} rooms (seeds from {data["validation"]["first_seed"]}), never trained on |
| seed | {card["seed"]} |
| training | {stages} |
| time | {card["training_seconds"] / 60:.0f} min on {card["machine"]}, data not counted |
| made | {card["date"]} |
| rebuild | `{card["command"]}` |

Made in simulation only: it knows the rooms of `latentworld.sim`. On a robot, collect and train on what that robot sees.

## Held-out figures

Latent errors are mean squared errors of unit-variance latents; `copy_last` is the same with the last latent as
prediction.

| figure | value |
|---|---|
{rows}
"""
