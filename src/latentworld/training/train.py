"""From nothing to a checkpoint with a card: collect, train, validate."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from latentworld.model import checkpoint
from latentworld.training.depth import course as depth
from latentworld.training.driving import course as driving
from latentworld.training.driving import own_course as own_driving
from latentworld.training.driving.own_drives import OwnRecordings
from latentworld.training.objects import course as objects
from latentworld.training.scenes import course as scenes
from latentworld.training.tasks import course as tasks
from latentworld.training.trainer import Trainer
from latentworld.types import LatentworldError

COURSES: tuple[ModuleType, ...] = (driving, own_driving, scenes, tasks, objects, depth)


def recipe_named(name: str) -> tuple[Any, ModuleType]:
    """The recipe, and the course that it belongs to."""
    for course in COURSES:
        if name in course.RECIPES:
            return course.RECIPES[name], course
    raise LatentworldError(f"recipe: expected one of {sorted(n for c in COURSES for n in c.RECIPES)}, got {name}")


def collect_recipe(name: str, data: str | Path = "data", workers: int = 2) -> dict[str, float]:
    """The recipe's data; what is there already is kept. Returns what was met."""
    recipe, course = recipe_named(name)
    return course.collect(recipe, Path(data), workers)


def train(
    name: str,
    data: str | Path = "data",
    runs: str | Path = "runs",
    out: str | Path | None = None,
    clips: str | Path | None = None,
    base: str | Path | None = None,
    recordings: Callable[[Path], OwnRecordings] | None = None,
) -> tuple[Path, dict[str, float]]:
    """Train a recipe (collecting its data first where it is missing); goes on where an interrupted run stopped.

    clips: a folder of possible clips to learn from instead of the recipe's own. base: weights to begin with, where they
    fit, instead of none (or the recipe's). recordings: makes what recipe nav-own learns from, in the
    folder ``data``. Returns the checkpoint's path and its held-out figures.
    """
    recipe, course = recipe_named(name)
    data = Path(data)
    if clips is not None:
        recipe = course.with_clips(recipe, Path(clips))
    if base is not None:
        recipe = course.with_base(recipe, str(base))
    if recordings is not None:
        if course is not own_driving:
            raise LatentworldError(f"recipe {name}: learns from simulation, not from recordings; nav-own takes them")
        recipe = course.with_recordings(recipe, recordings(data))
    course.collect(recipe, data, 2)
    trainer = Trainer(course.task(recipe, data), Path(runs) / name)
    model = trainer.run()
    figures = course.validate(model, recipe, data)
    path = Path(out) if out else Path(runs) / name / f"{name}.safetensors"
    card = {
        "recipe": name,
        "command": f"./latentworld train --recipe {name}"
        + (f" --clips {clips}" if clips else "")
        + (f" --base {base}" if base else "")
        + (own_driving.options(recipe) if recordings else ""),
        "about": course.about(recipe),
        "settings": asdict(recipe),
        "seed": recipe.seed,
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
    about = dict(card["about"])
    note = about.pop("note")
    lines = "\n".join(f"| {label} | {text} |" for label, text in about.items())
    rows = "\n".join(f"| {key} | {value} |" for key, value in card["held_out"].items())
    return f"""# {name}

| | |
|---|---|
| model_id | {model_id} |
| parameters | {card["parameters"]:,} |
{lines}
| seed | {card["seed"]} |
| time | {card["training_seconds"] / 60:.0f} min on {card["machine"]}, data not counted |
| made | {card["date"]} |
| rebuild | `{card["command"]}` |

{note}

## Held-out figures

| figure | value |
|---|---|
{rows}
"""
