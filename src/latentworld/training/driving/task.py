"""Learning to drive: what a Trainer needs to make a robot's world model from drives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from latentworld.model import checkpoint
from latentworld.model.decoded_world_model import DecodedWorldModel, PixelWorldModel
from latentworld.model.world_model import WorldModel
from latentworld.training.driving.batches import Batch, sample
from latentworld.training.driving.drives import Drives, Images
from latentworld.training.driving.gallery import Gallery
from latentworld.training.driving.objective import losses, total
from latentworld.training.driving.pictures import in_other_light, network_input
from latentworld.training.driving.recipe import Recipe, Stage
from latentworld.training.driving.views import Views, appearance_losses, sample_views
from latentworld.training.stream import stream
from latentworld.types import LatentworldError

STRIDES = (1, 2, 4)  # rows of a drive from one row of a clip to the next
LEARNS = ("all", "belief", "appearance")
ARMS = {"latent": WorldModel, "pixels": PixelWorldModel, "decoder": DecodedWorldModel}


class DrivingTask:
    """A WorldModel that learns to drive from ``drives``, and to tell views apart from a ``gallery``."""

    def __init__(self, recipe: Recipe, drives: Drives, gallery: Gallery | None = None):
        """Raises LatentworldError for stages that can't be trained on these drives, before any is."""
        self.recipe, self.drives, self.gallery = recipe, drives, gallery
        for stage in recipe.stages:
            self._check(stage)
        torch.manual_seed(recipe.seed)
        self.model = ARMS[recipe.arm](recipe.model)
        if recipe.base:
            checkpoint.begin_with(self.model, recipe.base)
        self.latents: Tensor | None = None  # (2, N, D), see ``encode_all``

    def begin(self, stage: Stage) -> list[nn.Parameter]:
        model, looks = self.model, stage.learns == "appearance"
        model.requires_grad_(not looks)
        for part in (model.appearance, model.views):
            part.requires_grad_(looks)
        model.encoder.requires_grad_(stage.learns == "all")
        model.encoder.train(stage.learns == "all")
        model.appearance.train(looks)
        return [p for p in model.parameters() if p.requires_grad]

    def _check(self, stage: Stage) -> None:
        name, rows = self.recipe.name, stage.length * max(STRIDES)
        if stage.learns not in LEARNS:
            raise LatentworldError(f"recipe {name}: expected a stage that learns one of {LEARNS}, got {stage.learns}")
        if self.recipe.arm != "latent" and stage.learns != "all":
            raise LatentworldError(f"recipe {name}: a decoder learns with its encoder, not with one at rest")
        if self.drives is None or stage.learns == "appearance":
            return
        longest = int(self.drives.lengths.max())
        if rows > longest:
            raise LatentworldError(
                f"recipe {name}: expected drives of {rows} rows for clips of {stage.length},"
                f" longest in {self.drives.path} is {longest}"
            )

    def batches(self, stage: Stage, seed: int, steps: range) -> Iterator[Batch | Views]:
        if not steps:
            return iter(())
        if stage.learns == "appearance":
            if self.gallery is None:
                raise LatentworldError(f"recipe {self.recipe.name}: appearance is learned from a gallery, got none")
            return stream(lambda rng: sample_views(self.gallery, rng, stage.clips, stage.length), seed, steps)
        images = stage.learns == "all"
        if not images:
            self.latents = encode_all(self.model, self.drives)
        return stream(lambda rng: sample(self.drives, rng, **_plan(stage, rng), images=images), seed, steps)

    def losses(
        self, stage: Stage, batch: Batch | Views, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        if stage.learns == "appearance":
            terms = appearance_losses(self.model, batch, generator, self.recipe.depth_dropout)
            return total(terms, self.recipe.weights), terms
        if stage.learns == "all":
            latents, goals, pictures = self._encode(batch, generator)
        else:
            # A goal may come from another camera.
            without = (torch.rand(2, len(batch.rows), 1, generator=generator) < self.recipe.depth_dropout).long()
            latents, goals = self.latents[without[0], batch.rows], self.latents[without[1], batch.goal_rows]
            pictures = None
        recall = self.recipe.weights.recall > 0
        pictures = pictures if isinstance(self.model, DecodedWorldModel) else None
        terms = losses(self.model, batch, latents, goals, generator, stage.starts, recall, pictures)
        return total(terms, self.recipe.weights), terms

    def _encode(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Latents of the clips and of the goals, and the clips' pictures as the encoder got them."""
        n, length = batch.rows.shape
        # A goal may come from another camera.
        without = torch.rand(2, n, generator=generator) < self.recipe.depth_dropout
        pictures = []
        for images, blind in zip((batch.clip, batch.goals), without, strict=True):
            rows = images.pixels.shape[1]
            flat = Images(*(None if part is None else part.flatten(0, 1) for part in images))
            made = network_input(flat, blind.repeat_interleave(rows), self.recipe.model)
            pictures.append(in_other_light(made, n, generator) if self.recipe.any_light else made)
        pictures = torch.cat(pictures)
        clips, goals = self.model.encoder(pictures).tensor_split([n * length])
        goals = goals.unflatten(0, batch.goal_rows.shape)
        return clips.unflatten(0, (n, length)), goals, pictures[: n * length].unflatten(0, (n, length))


def _plan(stage: Stage, rng: np.random.Generator) -> dict:
    """Clips are seen at 10, 5 or 2.5 Hz: a dropped frame is nothing new, and what was seen long ago is asked for."""
    return {
        "n": stage.clips, "length": stage.length, "stride": int(rng.choice(STRIDES)), "rooms": stage.rooms or None,
    }  # fmt: skip


@torch.no_grad()
def encode_all(model: WorldModel, drives: Drives, chunk: int = 512) -> Tensor:
    """What is predicted of the latents of every row, (2, N, D): seen with depth, and without."""
    model.encoder.eval()
    latents: tuple[list[Tensor], list[Tensor]] = ([], [])
    for start in range(0, drives.rows, chunk):
        images = Images(*(p if p is None else torch.from_numpy(p) for p in drives.images(start, start + chunk)))
        for without, encoded in enumerate(latents):
            blind = torch.full((len(images.pixels),), bool(without))
            encoded.append(model.encoder(network_input(images, blind, model.config)))
    return torch.stack([torch.cat(encoded) for encoded in latents])
