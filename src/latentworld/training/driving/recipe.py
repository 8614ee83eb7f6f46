"""Named recipes: everything that decides what comes out of `latentworld train`."""

from __future__ import annotations

from dataclasses import dataclass, field

from latentworld.model.config import ModelConfig
from latentworld.training.driving.collect import CollectSettings
from latentworld.training.driving.gallery import GallerySettings
from latentworld.training.driving.objective import Weights


@dataclass(frozen=True, slots=True)
class Stage:
    """Steps of AdamW under a cosine.

    learns: "all", end to end; "belief", with the encoder at rest, so that latents are encoded once and kept; or
    "appearance", all else being at rest.
    """

    steps: int
    learns: str
    clips: int  # a batch; of appearance: rooms
    length: int  # rows a clip; of appearance: pairs of views a room
    rate: float
    starts: int = 4  # rows of a clip from which latents are predicted
    warm_up: int = 50
    weight_decay: float = 1e-3
    rooms: int = 0  # of the drives, the first so many; 0: all


@dataclass(frozen=True, slots=True)
class Recipe:
    name: str
    drives: str  # name of data sets
    train: CollectSettings
    validation: CollectSettings
    views: GallerySettings
    held_out_views: GallerySettings
    stages: tuple[Stage, ...]
    model: ModelConfig = field(default_factory=ModelConfig)
    weights: Weights = field(default_factory=Weights)
    arm: str = "latent"  # what is foretold: latents; pixels; latents, and a decoder learns beside ("decoder")
    seed: int = 0
    depth_dropout: float = 0.1  # share of clips seen without depth
    any_light: bool = False  # whether exposure, colours, noise and focus of every clip are changed
    base: str = ""  # weights to begin with, where they fit; none: from nothing
    # Drives of the shipped robot, from which the quantiles of its surprise are; none: the held-out ones are such.
    calibration: CollectSettings | None = None


ROOMS = CollectSettings(rooms=2400, first_seed=0, moving=0.4, looking=0.4)
HELD_OUT = CollectSettings(rooms=120, first_seed=1_000_000, moving=0.4, looking=0.4)
FLEET = CollectSettings(rooms=2400, first_seed=0, rows=120, moving=0.3, looking=0.4, fleet=True, wide=1600)
HELD_OUT_FLEET = CollectSettings(rooms=40, first_seed=1_000_000, rows=120, moving=0.3, looking=0.4, fleet=True, wide=40)
VIEWS = GallerySettings(rooms=1500, first_seed=0)
HELD_OUT_VIEWS = GallerySettings(rooms=120, first_seed=1_000_000)
FLEET_VIEWS = GallerySettings(rooms=900, first_seed=0, fleet=True, wide=True)
HELD_OUT_FLEET_VIEWS = GallerySettings(rooms=60, first_seed=1_000_000, fleet=True, wide=True)

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "nav-small",
            "nav-small",
            ROOMS,
            HELD_OUT,
            VIEWS,
            HELD_OUT_VIEWS,
            (
                Stage(1200, "all", clips=32, length=24, rate=1e-3),
                Stage(800, "belief", clips=32, length=40, rate=7e-4),
                Stage(2500, "appearance", clips=12, length=60, rate=1.5e-3),
            ),
            depth_dropout=0.25,
        ),
        Recipe(
            "nav-tune",
            "nav-small",
            ROOMS,
            HELD_OUT,
            VIEWS,
            HELD_OUT_VIEWS,
            (
                Stage(500, "all", clips=24, length=20, rate=7e-4),
                Stage(600, "belief", clips=24, length=40, rate=7e-4),
                Stage(2500, "appearance", clips=12, length=60, rate=1.5e-3),
            ),
            depth_dropout=0.25,
            base="nav-small",
        ),
        Recipe(
            "nav-any",
            "nav-any",
            FLEET,
            HELD_OUT_FLEET,
            FLEET_VIEWS,
            HELD_OUT_FLEET_VIEWS,
            (
                Stage(4000, "all", clips=24, length=20, rate=8e-4, rooms=1600),
                Stage(500, "belief", clips=24, length=30, rate=5e-4, rooms=1600),
                Stage(1200, "appearance", clips=12, length=60, rate=1e-3),
                Stage(3000, "all", clips=24, length=20, rate=6e-4, rooms=1600),
                Stage(1000, "belief", clips=24, length=30, rate=5e-4, rooms=1600),
                Stage(2000, "all", clips=24, length=20, rate=5e-4),
                Stage(1000, "belief", clips=24, length=30, rate=5e-4),
            ),
            ModelConfig(uses_mask=True),
            depth_dropout=0.5,
            any_light=True,
            base="nav-small",
            calibration=HELD_OUT,
        ),
        Recipe(
            "smoke",
            "smoke",
            CollectSettings(rooms=4, first_seed=0, rows=60),
            CollectSettings(rooms=2, first_seed=1_000_000, rows=60),
            GallerySettings(rooms=4, first_seed=0, places=3),
            GallerySettings(rooms=2, first_seed=1_000_000, places=3),
            (
                Stage(3, "all", clips=4, length=12, rate=1e-3, starts=2, warm_up=1),
                Stage(3, "belief", clips=4, length=12, rate=1e-3, starts=2, warm_up=1),
                Stage(3, "appearance", clips=2, length=40, rate=1e-3, warm_up=1),
            ),
            ModelConfig(map_cells=24, maps_ahead=2, opinions=2, place_dim=4),
        ),
    )
}
