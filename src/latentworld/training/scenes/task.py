"""Learning physics by watching: what a Trainer needs to make a scene model from possible clips."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from latentworld.model.decoded_model import DecodedModel
from latentworld.model.pixel_baseline import PixelBaseline
from latentworld.model.scene_model import SceneModel
from latentworld.training.scenes.clips import Clips
from latentworld.training.scenes.objective import losses
from latentworld.training.scenes.recipe import SceneRecipe, SceneStage
from latentworld.training.stream import stream

ARMS = {"latent": SceneModel, "pixels": PixelBaseline, "decoder": DecodedModel}


class SceneTask:
    """A SceneModel that learns from ``clips``."""

    def __init__(self, recipe: SceneRecipe, clips: Clips):
        self.recipe, self.clips = recipe, clips
        torch.manual_seed(recipe.seed)
        self.model = ARMS[recipe.arm](recipe.model.within(clips.length // recipe.model.stride))

    def begin(self, stage: SceneStage) -> list[nn.Parameter]:
        return list(self.model.train().parameters())

    def batches(self, stage: SceneStage, seed: int, steps: range) -> Iterator[Tensor]:
        stride = self.recipe.model.stride
        return stream(
            lambda rng: torch.from_numpy(self.clips.sample(rng, stage.clips, stage.length, stride, stage.variety)),
            seed,
            steps,
        )

    def losses(self, stage: SceneStage, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        terms = losses(self.model, batch, generator)
        weights = self.recipe.weights
        return sum(getattr(weights, name) * term for name, term in terms.items()), terms
