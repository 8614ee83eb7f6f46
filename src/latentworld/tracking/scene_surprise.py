"""How surprising a film is to a scene model: where things were foretold, what came instead.

For every frame, what was foretold 4 to 8 frames ahead is held against what came, cell by cell: by how much the error
is more than was to be expected, in units of that. So far ahead, a thing that should have come out from behind a screen
is missed for as long as it stays away; one frame ahead the model has given it up by then. And a film in which much
moves does not surprise for that alone: what errs as much as expected adds nothing.
"""

from __future__ import annotations

import numpy as np
import torch

from latentworld.model.scene_model import SceneModel

WARM_UP = 4  # looks before anything can surprise, a third of a short film
FLOOR = 3.0  # squared error that is little
BATCH = 16


@torch.no_grad()
def misfits(model: SceneModel, pixels: np.ndarray) -> np.ndarray:
    """Misfit (N, T, K) of every frame at each horizon, NaN where nothing was foretold. pixels: (N, T, 64, 64, 3) uint8.

    A model that looks at every other frame watches twice, once from the first and once from the second on.
    """
    out, stride = [], model.config.stride
    for first in range(0, len(pixels), BATCH):
        films = np.ascontiguousarray(pixels[first : first + BATCH])
        misfit = np.full((*films.shape[:2], len(model.config.horizons)), np.nan, np.float32)
        for phase in range(stride):
            misfit[:, phase::stride] = _looks(model, torch.from_numpy(films[:, phase::stride]))
        out.append(misfit)
    return np.concatenate(out)


def _looks(model: SceneModel, pixels: torch.Tensor) -> torch.Tensor:
    """Of every look (N, L, K)."""
    latents = model.encode(pixels)
    n, length = latents.shape[:2]
    beliefs = model.track(latents)
    horizons = model.config.horizons
    foreseen = model.imagine(type(beliefs)(*(part.flatten(0, 1) for part in beliefs)), max(horizons))
    misfit = torch.full((n, length, len(horizons)), torch.nan)
    for k, ahead in enumerate(horizons):
        if ahead >= length:
            continue
        latent, doubt = (part[:, ahead - 1].unflatten(0, (n, length))[:, :-ahead] for part in foreseen)
        error, expected = model.errors(latent, latents[:, ahead:]), doubt.exp()
        misfit[:, ahead:, k] = ((error - expected) / (expected + FLOOR)).flatten(2).mean(2)
    misfit[:, : min(WARM_UP, length // 3)] = torch.nan
    return misfit


def score(model: SceneModel, pixels: np.ndarray) -> np.ndarray:
    """Surprise of every frame, (N, T), in standard deviations of possible clips'. pixels: (N, T, 64, 64, 3)."""
    return frame_scores(misfits(model, pixels), model.surprise_scale.numpy())


def p_values(model: SceneModel, clips: np.ndarray) -> np.ndarray:
    """Of clip scores (N,): the share of held-out possible clips that surprise as much (conformal: Vovk et al. 2005)."""
    quantiles = model.surprise_quantiles.numpy()
    above = len(quantiles) - np.searchsorted(quantiles, clips, side="left")
    return (1 + above) / (1 + len(quantiles))


def scale(misfit: np.ndarray) -> np.ndarray:
    """Mean and spread (2, K) of possible clips' misfits: what ``frame_scores`` measures in."""
    return np.stack([np.nanmean(misfit, (0, 1)), np.nanstd(misfit, (0, 1)) + 1e-6]).astype(np.float32)


def frame_scores(misfit: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(N, T): mean over horizons in standard deviations; 0 where nothing was foretold."""
    scores = (misfit - scale[0]) / scale[1]
    known = ~np.isnan(scores)
    return np.where(known, scores, 0).sum(-1) / np.maximum(known.sum(-1), 1)


def clip_scores(frames: np.ndarray) -> np.ndarray:
    """(N,) from frame scores (N, T). All frames count: the worst of two films are often of what both show."""
    return frames.mean(1)
