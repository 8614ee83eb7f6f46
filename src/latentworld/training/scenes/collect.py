"""Possible clips of the stage -> a dataset: columns pixels, position, hidden of ``sim.stage.clips.Clip``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from latentworld.sim.stage.clips import possible_clip
from latentworld.sim.stage.looks import STYLES
from latentworld.training.episodes import gather
from latentworld.training.scenes.recipe import FilmSettings


def film(settings: FilmSettings, seed: int) -> dict[str, np.ndarray]:
    clip = possible_clip(seed, STYLES[settings.style])
    return {"pixels": clip.pixels, "position": clip.position, "hidden": clip.hidden}


def collect(path: str | Path, settings: FilmSettings, workers: int = 2) -> None:
    gather(path, settings, settings.clips, film, "clips", workers)
