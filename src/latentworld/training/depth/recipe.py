"""Named recipes for estimators of depth: everything that decides what comes out of ``latentworld train``."""

from __future__ import annotations

from dataclasses import dataclass, field

from latentworld.model.depth_estimator import DepthConfig
from latentworld.sim.room import VALIDATION_SEEDS


@dataclass(frozen=True, slots=True)
class ViewSettings:
    rooms: int
    first_seed: int
    cameras: int = 8  # of each room
    views: int = 5  # through each camera
    photographs: bool = True  # whether some surfaces are photographed


@dataclass(frozen=True, slots=True)
class DepthStage:
    steps: int
    views: int = 24  # a batch
    rate: float = 1e-3
    encoder: bool = True  # whether what came from ImageNet learns too
    drops: float = 0.0  # share of a batch that shows places below the floor, which are rare
    below: float = 1.0  # times that their cells count
    warm_up: int = 100
    weight_decay: float = 1e-3


@dataclass(frozen=True, slots=True)
class DepthRecipe:
    name: str
    train: ViewSettings
    validation: ViewSettings
    stages: tuple[DepthStage, ...]
    model: DepthConfig = field(default_factory=DepthConfig)
    pretrained: bool = True  # whether the encoder begins with weights from ImageNet
    seed: int = 0


# Seeds from 1,680,000: rooms of validation that nothing else looks at.
HELD_OUT = VALIDATION_SEEDS + 680_000
SMALL = DepthRecipe(
    "depth-small", ViewSettings(1800, 0), ViewSettings(60, HELD_OUT),
    (DepthStage(600, encoder=False), DepthStage(3400, rate=6e-4, drops=0.15, below=3.0)),
)  # fmt: skip
SMOKE = DepthRecipe(
    "depth-smoke", ViewSettings(3, 0, 2, 2, False), ViewSettings(2, HELD_OUT, 2, 2, False),
    (DepthStage(2, views=2, encoder=False, warm_up=1), DepthStage(2, views=2, warm_up=1)), pretrained=False,
)  # fmt: skip
RECIPES = {recipe.name: recipe for recipe in (SMALL, SMOKE)}
