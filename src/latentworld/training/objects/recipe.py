"""Named recipes for finders of objects: everything that decides what comes out of ``latentworld train``."""

from __future__ import annotations

from dataclasses import dataclass, field

from latentworld.model.object_finder import ObjectConfig
from latentworld.sim.room import VALIDATION_SEEDS


@dataclass(frozen=True, slots=True)
class ViewSettings:
    rooms: int
    first_seed: int
    views: int = 20  # a room: half of them as it was, half rearranged and in another light
    moving: int = 2  # things that move by themselves, at most


@dataclass(frozen=True, slots=True)
class ObjectStage:
    steps: int
    rooms: int = 8  # a batch
    views: int = 6  # of each
    rate: float = 2e-3
    warm_up: int = 100
    weight_decay: float = 1e-3


@dataclass(frozen=True, slots=True)
class ObjectWeights:
    thing: float = 1.0
    middle: float = 4.0
    look: float = 1.0


@dataclass(frozen=True, slots=True)
class ObjectRecipe:
    name: str
    train: ViewSettings
    validation: ViewSettings
    stages: tuple[ObjectStage, ...]
    model: ObjectConfig = field(default_factory=ObjectConfig)
    weights: ObjectWeights = field(default_factory=ObjectWeights)
    seed: int = 0


# Seeds from 1,670,000: rooms of validation that nothing else looks at.
SMALL = ObjectRecipe(
    "objects-small", ViewSettings(2000, 0), ViewSettings(100, VALIDATION_SEEDS + 670_000), (ObjectStage(9000),)
)
SMOKE = ObjectRecipe(
    "objects-smoke", ViewSettings(4, 0, 8), ViewSettings(2, VALIDATION_SEEDS + 670_000, 8),
    (ObjectStage(3, rooms=2, views=4, warm_up=1),),
)  # fmt: skip
RECIPES = {recipe.name: recipe for recipe in (SMALL, SMOKE)}
