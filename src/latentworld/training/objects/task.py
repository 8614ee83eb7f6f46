"""Learning to find objects: what a Trainer needs to make an ObjectFinder from views of rooms."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from latentworld.model.object_finder import ObjectFinder
from latentworld.training.objects.collect import RoomViews
from latentworld.training.objects.objective import Views, losses
from latentworld.training.objects.recipe import ObjectRecipe, ObjectStage
from latentworld.training.stream import stream


class ObjectTask:
    """An ObjectFinder that learns from ``views``."""

    def __init__(self, recipe: ObjectRecipe, views: RoomViews):
        self.recipe, self.views = recipe, views
        torch.manual_seed(recipe.seed)
        self.model = ObjectFinder(recipe.model)

    def begin(self, stage: ObjectStage) -> list[nn.Parameter]:
        return list(self.model.train().parameters())

    def batches(self, stage: ObjectStage, seed: int, steps: range) -> Iterator[Views]:
        return stream(lambda rng: self._draw(rng, stage), seed, steps)

    def losses(self, stage: ObjectStage, batch: Views, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        votes = self.model(batch.pixels.flatten(0, 1), batch.depth.flatten(0, 1))
        terms = losses(votes, batch)
        return sum(getattr(self.recipe.weights, name) * term for name, term in terms.items()), terms

    def _draw(self, rng: np.random.Generator, stage: ObjectStage) -> Views:
        rooms = rng.choice(len(self.views), stage.rooms, replace=False)
        parts = []
        for room in rooms:
            count = int(self.views.lengths[room])
            parts.append(self.views.room(room, np.sort(rng.choice(count, min(stage.views, count), replace=False))))
        stacked = [np.stack(part) for part in zip(*parts, strict=True)]
        if rng.random() < 0.5:
            stacked = mirror(*stacked)
        return Views(*(torch.from_numpy(part) for part in stacked))


def mirror(pixels: np.ndarray, depth: np.ndarray, shown: np.ndarray, middle: np.ndarray) -> list[np.ndarray]:
    """Left for right."""
    flipped = [np.ascontiguousarray(part[:, :, :, ::-1]) for part in (pixels, depth, shown)]
    return [*flipped, middle * np.array([1, -1], np.float32)]
