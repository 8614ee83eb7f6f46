"""Learning from a robot's own driving, without a simulator: recipe ``nav-own``, and what ``training.train`` does with
it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

from latentworld.model import checkpoint
from latentworld.model.config import ModelConfig
from latentworld.model.world_model import WorldModel
from latentworld.training.driving import validation
from latentworld.training.driving.drives import Drives
from latentworld.training.driving.objective import Weights
from latentworld.training.driving.own_drives import NAME, OwnRecordings
from latentworld.training.driving.recipe import Stage
from latentworld.training.driving.task import DrivingTask
from latentworld.training.episodes import dataset_file
from latentworld.types import LatentworldError

__all__ = ["RECIPES", "about", "collect", "task", "validate", "with_base", "with_clips", "with_recordings"]

NOTHING = "none"  # as base: random weights
COMPARED = ("clearance_error_m", "occupied_auroc", "latent_error_0.5s")  # figures that the card gives of the base too


@dataclass(frozen=True, slots=True)
class OwnRecipe:
    """As ``recipe.Recipe``, of recordings instead of simulated rooms. model: that of ``base``."""

    name: str
    stages: tuple[Stage, ...]
    model: ModelConfig = field(default_factory=ModelConfig)
    weights: Weights = field(default_factory=Weights)
    arm: str = "latent"
    seed: int = 0
    depth_dropout: float = 0.4
    any_light: bool = True
    base: str = checkpoint.SHIPPED  # weights to begin with; "": from nothing
    recordings: OwnRecordings | None = None


RECIPES = {
    NAME: OwnRecipe(
        NAME,
        (
            Stage(300, "all", clips=16, length=16, rate=1e-4),
            Stage(200, "belief", clips=16, length=32, rate=2e-4),
        ),
    )
}


def collect(recipe: OwnRecipe, data: Path, workers: int) -> dict[str, float]:
    """Nothing is simulated: the recordings were converted already."""
    return _given(recipe) and {}


def with_clips(recipe: OwnRecipe, folder: Path) -> OwnRecipe:
    raise LatentworldError(f"recipe {recipe.name}: learns from drives, not from clips; physics-small takes --clips")


def with_base(recipe: OwnRecipe, base: str) -> OwnRecipe:
    """base: a file, the name of a shipped checkpoint, or "none": from nothing."""
    return replace(recipe, base="" if base == NOTHING else base)


def with_recordings(recipe: OwnRecipe, recordings: OwnRecordings) -> OwnRecipe:
    """From these, a model of the size and with the inputs of the base; from nothing: of the shipped one."""
    return replace(recipe, recordings=recordings, model=checkpoint.load(_weights(recipe.base)).config)


def task(recipe: OwnRecipe, data: Path) -> DrivingTask:
    _given(recipe)
    base = str(_weights(recipe.base)) if recipe.base else ""
    return DrivingTask(replace(recipe, base=base), Drives(dataset_file(NAME, "train", data)))


def validate(model: WorldModel, recipe: OwnRecipe, data: Path) -> dict[str, float]:
    """Held-out figures, and some of them of the base, ``base_*``; those that so few labels cannot tell are left out."""
    drives = Drives(dataset_file(NAME, "validation", data))
    figures = validation.validate(model, drives)
    if recipe.base:
        before = validation.validate(checkpoint.load(_weights(recipe.base)), drives)
        figures |= {f"base_{name}": before[name] for name in COMPARED}
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def about(recipe: OwnRecipe) -> dict[str, str]:
    """Lines of the card."""
    own = _given(recipe)
    lengths = "; ".join(f"{s.steps} steps of {s.clips} clips × {s.length} rows ({s.learns})" for s in recipe.stages)
    return {
        "begun with": f"the weights of {recipe.base}" if recipe.base else "nothing",
        "robot": f"{own.called} ({own.robot})",
        "data": f"{own.minutes:g} minutes of its own driving at 10 Hz in {len(own.files)} recording(s)"
        f" ({', '.join(own.files)}); which rooms they show is not known; the clearance of {own.labelled:.0%} of the"
        " points asked for was measured, distances to ledges of none",
        "held out": f"{own.held_out:g} minutes: the last tenth of each unbroken drive, in the same rooms",
        "training": lengths,
        "note": "Learned from one robot's recordings, with labels from its own depth and corrected odometry. What it"
        " knew of ledges is that of the weights it began with. Calibrate surprise anew: `./latentworld calibrate`.",
    }


def options(recipe: OwnRecipe) -> str:
    """Of the command that makes it again."""
    own = _given(recipe)
    return f" --robot {own.robot}" + "".join(f" --recordings {name}" for name in own.files)


def _given(recipe: OwnRecipe) -> OwnRecordings:
    if recipe.recordings is None:
        raise LatentworldError(f"recipe {recipe.name}: expected --robot and --recordings to learn from, got none")
    return recipe.recordings


def _weights(base: str) -> Path:
    """A checkpoint by its file or the name under which it ships."""
    return Path(base) if Path(base).suffix else checkpoint.shipped(base or checkpoint.SHIPPED)
