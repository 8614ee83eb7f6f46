"""Held-out figures of a task model on episodes it has never seen."""

from __future__ import annotations

import numpy as np
import torch

from latentworld.model.task_model import TaskModel
from latentworld.training.tasks.clips import Episodes
from latentworld.training.tasks.task import encode_all

CLIPS, PAIRS, SEED = 512, 4096, 12345
AHEAD = 4  # steps of the model, at most


@torch.no_grad()
def validate(model: TaskModel, episodes: Episodes) -> dict[str, float]:
    """Errors of latents foretold, as shares of those with the last latent as prediction; rank correlation of the
    distance with the steps that passed; how much one step counts.
    """
    model.eval()
    latents, block = encode_all(model, episodes), model.config.action_block
    length = min(AHEAD, (int(episodes.lengths.max()) - 1) // block)
    batch = episodes.sample(np.random.default_rng(SEED), CLIPS, length, block, PAIRS, images=False)
    clips = latents[batch.rows]
    error = (model.rollout(clips[:, 0], batch.actions) - clips[:, 1:]).square().mean((0, 2))
    copy = (clips[:, :1] - clips[:, 1:]).square().mean((0, 2))
    figures = {f"error_of_copy_last_{(i + 1) * block}_steps": float(error[i] / copy[i]) for i in range(length)}
    figures["latent_error"] = float(error.mean())
    far, near = (model.distance(*latents[rows].unbind(1)) for rows in (batch.pairs, batch.following))
    figures["distance_rank_correlation"] = _rank_correlation(far.numpy(), batch.apart.numpy())
    figures["distance_of_one_step"] = float(near.mean())
    return figures


def _rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's; those that tie are ranked as they come."""
    ranks = [np.argsort(np.argsort(values)) for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])
