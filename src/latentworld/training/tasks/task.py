"""Learning a task: what a Trainer needs to make a task model from episodes."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from latentworld.model.task_model import TaskModel
from latentworld.training.stream import stream
from latentworld.training.tasks.clips import Batch, Episodes
from latentworld.training.tasks.objective import hindsight, one_step, predict, spread
from latentworld.training.tasks.recipe import TaskRecipe, TaskStage


class PictureTask:
    """A TaskModel that learns from ``episodes``."""

    def __init__(self, recipe: TaskRecipe, episodes: Episodes):
        self.recipe, self.episodes = recipe, episodes
        torch.manual_seed(recipe.seed)
        self.model = TaskModel(recipe.model)
        self.latents: Tensor | None = None

    def begin(self, stage: TaskStage) -> list[nn.Parameter]:
        self.model.train()
        self.model.encoder.requires_grad_(stage.encoder).train(stage.encoder)
        self.model.distance.requires_grad_(not stage.encoder)
        return [p for p in self.model.parameters() if p.requires_grad]

    def batches(self, stage: TaskStage, seed: int, steps: range) -> Iterator[Batch]:
        if not stage.encoder and steps:
            self.latents = encode_all(self.model, self.episodes)
        block = self.recipe.model.action_block
        return stream(
            lambda rng: self.episodes.sample(rng, stage.clips, stage.length, block, stage.pairs, stage.encoder),
            seed,
            steps,
        )

    def losses(self, stage: TaskStage, batch: Batch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        latents = self.model.encode(batch.pixels) if stage.encoder else self.latents[batch.rows]
        terms = {"predict": predict(self.model, latents, batch.actions)}
        if stage.encoder:
            terms["sigreg"] = spread(latents, generator)
        else:
            far, near = (self.model.distance(*self.latents[rows].unbind(1)) for rows in (batch.pairs, batch.following))
            terms |= {"hindsight": hindsight(far, batch.apart, self.recipe.expectile), "one_step": one_step(near)}
        return sum(getattr(self.recipe.weights, name) * term for name, term in terms.items()), terms


@torch.no_grad()
def encode_all(model: TaskModel, episodes: Episodes, chunk: int = 512) -> Tensor:
    """Latents (N, D) of every row."""
    training = model.encoder.training
    model.encoder.eval()
    parts = [model.encode(torch.from_numpy(episodes.pixels[i : i + chunk])) for i in range(0, len(episodes), chunk)]
    model.encoder.train(training)
    return torch.cat(parts)
