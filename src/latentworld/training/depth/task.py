"""Learning to estimate depth: what a Trainer needs to make a DepthEstimator from level views."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from latentworld.model.depth_estimator import DepthEstimator
from latentworld.perception.level_view import CELL
from latentworld.training.depth import pretrained
from latentworld.training.depth.collect import NOTHING, LevelViews
from latentworld.training.depth.objective import Views, losses
from latentworld.training.depth.recipe import DepthRecipe, DepthStage
from latentworld.training.stream import stream

GAIN, TINT, GAMMA = (0.45, 1.5), 0.12, (0.7, 1.4)  # exposure, colour of the light, and response
NOISE, BLUR = 10.0, 1.2  # grey values and pixels, at most
GREY, NARROW, MOVING = 0.15, 0.3, 0.15  # shares of pictures without colour, of which a part is shown, taken in a turn


class DepthTask:
    """A DepthEstimator that learns from ``views``."""

    def __init__(self, recipe: DepthRecipe, views: LevelViews):
        self.recipe, self.views = recipe, views
        torch.manual_seed(recipe.seed)
        self.model = DepthEstimator(recipe.model)
        if recipe.pretrained:
            pretrained.begin(self.model)

    def begin(self, stage: DepthStage) -> list[nn.Parameter]:
        encoder = [*self.model.stem.parameters(), *self.model.stages.parameters()]
        for parameter in encoder:
            parameter.requires_grad_(stage.encoder)
        return [p for p in self.model.train().parameters() if p.requires_grad]

    def batches(self, stage: DepthStage, seed: int, steps: range) -> Iterator[Views]:
        return stream(lambda rng: self._draw(rng, stage), seed, steps, ready=4)

    def losses(self, stage: DepthStage, batch: Views, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        terms = losses(self.model(batch.pixels, batch.height), batch, stage.below)
        return terms["kind"] + terms["near"], terms

    def _choose(self, rng: np.random.Generator, stage: DepthStage) -> np.ndarray:
        """Which views, ascending."""
        some = rng.choice(len(self.views), stage.views, replace=False)
        count = min(round(stage.drops * stage.views), len(self.views.drops))
        drops = rng.choice(self.views.drops, count, replace=False) if count else self.views.drops[:0]
        return np.unique(np.concatenate([drops, some[count:]]))

    def _draw(self, rng: np.random.Generator, stage: DepthStage) -> Views:
        rows = self._choose(rng, stage)
        pixels, kind, nearness, height = self.views.rows(rows)
        pixels = np.stack([altered(picture, rng) for picture in pixels])
        for n in np.flatnonzero(rng.random(len(rows)) < NARROW):
            _narrow(pixels[n], kind[n], rng)
        if rng.random() < 0.5:
            pixels, kind, nearness = (np.ascontiguousarray(part[:, :, ::-1]) for part in (pixels, kind, nearness))
        return Views(
            torch.from_numpy(pixels), torch.from_numpy(kind.astype(np.int64)),
            torch.from_numpy(nearness.astype(np.float32)), torch.from_numpy(height),
        )  # fmt: skip


def altered(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As another camera in another light would show it; black stays black."""
    hidden = ~picture.any(-1)
    x = picture.astype(np.float32) / 255
    if rng.random() < GREY:
        x = np.repeat(x.mean(-1, keepdims=True), 3, -1)
    x = x ** rng.uniform(*GAMMA) * (rng.uniform(*GAIN) * (1 + rng.normal(0, TINT, 3)))
    if rng.random() < 0.5:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.2, BLUR))
    if rng.random() < MOVING:
        x = cv2.blur(x, (int(rng.integers(2, 6)), 1))
    x = 255 * x + rng.uniform(0, NOISE) * rng.standard_normal(x.shape, dtype=np.float32)
    x = np.clip(x, 1, 255).astype(np.uint8)
    x[hidden] = 0
    return x


def _narrow(picture: np.ndarray, kind: np.ndarray, rng: np.random.Generator) -> None:
    """Hide all but a part, as a camera of a narrower view would."""
    rows, columns = kind.shape
    top, bottom = int(rng.uniform(0, 0.2) * rows), int(rng.uniform(0.6, 1) * rows)
    left, right = int(rng.uniform(0, 0.3) * columns), int(rng.uniform(0.7, 1) * columns)
    for part, scale, hidden in ((picture, CELL, 0), (kind, 1, NOTHING)):
        kept = part[scale * top : scale * bottom, scale * left : scale * right].copy()
        part[:] = hidden
        part[scale * top : scale * bottom, scale * left : scale * right] = kept
