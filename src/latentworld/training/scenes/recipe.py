"""Named recipes for models of scenes: everything that decides what comes out of ``latentworld train``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from latentworld.model.scene_model import SceneConfig
from latentworld.sim.stage.looks import LEARNED, SEEN


@dataclass(frozen=True, slots=True)
class FilmSettings:
    clips: int = 6000
    first_seed: int = 0
    style: str = SEEN.name


@dataclass(frozen=True, slots=True)
class SceneStage:
    steps: int
    clips: int = 16  # a batch
    length: int = 12  # looks a clip
    variety: float = 0.6  # share of clips seen in other colours, textures, from another place
    rate: float = 2e-3
    warm_up: int = 50
    weight_decay: float = 1e-3


@dataclass(frozen=True, slots=True)
class SceneWeights:
    predict: float = 1.0
    sigreg: float = 5.0
    change: float = 2.0
    doubt: float = 0.1
    paint: float = 1.0


@dataclass(frozen=True, slots=True)
class SceneRecipe:
    name: str
    films: str  # name of the data sets
    train: FilmSettings
    calibration: FilmSettings
    stages: tuple[SceneStage, ...]
    model: SceneConfig = field(default_factory=SceneConfig)
    weights: SceneWeights = field(default_factory=SceneWeights)
    arm: str = "latent"  # what is foretold: latents; pixels; latents, and a decoder learns beside ("decoder")
    others: str = ""  # folder of possible clips that others made, instead of the two sets above
    seed: int = 0


# Clips to learn from, to calibrate surprise on, and to try things out on have seeds of their own, as has the test set.
CALIBRATION_SEED = 5_000_000

SMALL = SceneRecipe(
    "physics-small", "physics-small", FilmSettings(15000, style=LEARNED.name), FilmSettings(3000, CALIBRATION_SEED),
    (SceneStage(18000), SceneStage(5000, variety=0.2, rate=1e-3), SceneStage(5000, variety=0.2, rate=1e-3)),
)  # fmt: skip
SMOKE = SceneRecipe(
    "physics-smoke", "physics-smoke", FilmSettings(12), FilmSettings(6, CALIBRATION_SEED),
    (SceneStage(3, clips=2, warm_up=1),),
)  # fmt: skip
RECIPES = {
    recipe.name: recipe
    for recipe in (
        SMALL, replace(SMALL, name="physics-pixels", arm="pixels"),
        SMOKE, replace(SMOKE, name="physics-smoke-pixels", arm="pixels"),
    )
}  # fmt: skip
