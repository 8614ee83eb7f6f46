"""Held-out figures of a scene model on possible clips, and the scale of its surprise."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, islice

import numpy as np
import torch
from torch import Tensor

from latentworld.model.scene_model import SceneModel
from latentworld.tracking.scene_surprise import BATCH, clip_scores, misfit, scale, statistics
from latentworld.training.scenes.clips import Clips
from latentworld.training.scenes.objective import cell_difference

AHEAD = (1, 2, 3)  # looks
SEEN = range(2, 8)  # looks from which the next ones are foretold
MEASURED = 240  # clips


def calibrate(model: SceneModel, clips: Clips) -> None:
    """Set ``model.surprise_scale`` and ``model.surprise_quantiles`` from possible clips that it never learned from.

    The scale comes from one half, the quantiles from the other, which then are as new to it as what is judged later.
    """
    model.eval()
    possible = np.concatenate([statistics(misfit(model, batch)) for batch in _batches(clips)])
    model.surprise_scale.copy_(torch.from_numpy(scale(possible[::2])))
    scores = clip_scores(possible[1::2], model.surprise_scale.numpy())
    model.surprise_quantiles.copy_(torch.from_numpy(np.quantile(scores, np.linspace(0, 1, 513))).float())


def _batches(clips: Clips) -> Iterator[np.ndarray]:
    """All clips in their order, (N, T, 64, 64, 3), a few at a time: those of one length that follow each other."""
    for _, alike in groupby((clips.pixels[i] for i in range(len(clips))), len):
        while batch := list(islice(alike, BATCH)):
            yield np.stack(batch)


@torch.no_grad()
def validate(model: SceneModel, clips: Clips) -> dict[str, float]:
    """Errors of latents foretold, where something moved; ``copy_last``: with the last latent as prediction."""
    model.eval()
    stride = model.config.stride
    length = clips.length // stride
    starts = torch.tensor([t for t in SEEN if t + max(AHEAD) < length] or [length - max(AHEAD) - 1])
    error, copy = np.zeros(len(AHEAD)), np.zeros(len(AHEAD))
    for first in range(0, min(len(clips), MEASURED), 12):
        some = np.stack(
            [clips.pixels[i][: length * stride : stride] for i in range(first, min(first + 12, len(clips), MEASURED))]
        )
        pixels = torch.from_numpy(some)
        latents = model.encode(pixels)
        beliefs = model.track(latents)
        beliefs = type(beliefs)(*(part[:, starts].flatten(0, 1) for part in beliefs))
        foreseen = model.foresee(beliefs).latents.unflatten(0, (len(pixels), len(starts)))
        for k, ahead in enumerate(AHEAD):
            moved = cell_difference(pixels[:, starts + ahead], pixels[:, starts])
            weight = moved / (moved.mean((1, 2, 3), keepdim=True) + 1e-3)
            error[k] += _weighted(weight, foreseen[:, :, ahead - 1] - latents[:, starts + ahead])
            copy[k] += _weighted(weight, latents[:, starts] - latents[:, starts + ahead])
    figures = {}
    for k, ahead in enumerate(AHEAD):
        figures[f"error_of_copy_last_{ahead * stride}_frames"] = float(error[k] / copy[k])
    return figures


def _weighted(weight: Tensor, off: Tensor) -> float:
    return float((weight * off.square().mean(2)).mean())
