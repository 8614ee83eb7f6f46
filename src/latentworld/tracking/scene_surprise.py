"""How surprising a film is to a scene model: where things were foretold, what came instead.

For every frame, what was foretold 4 to 8 frames ahead is held against what came, cell by cell: the squared error, less
what was to be expected of it. So far ahead, a thing that should have come out from behind a screen is missed for as
long as it stays away; one frame ahead the model has given it up by then. Summed, and divided by the root of the summed
squares of what was expected, that is a z-score: a film in which much moves does not surprise for that alone. Two of
them count: that of the whole film, and that of the cell in which each frame is worst, over the worse half of frames,
for what is wrong may be small and soon gone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from latentworld.model.scene_model import SceneModel

WARM_UP = 4  # looks before anything can surprise, a third of a short film
FLOOR = 5.0  # summed squared error that is little
FRAMES = 3  # that are looked at together
WHOLE = 0.5  # weight of the whole film beside its worst places
BATCH = 16


class Misfit(NamedTuple):
    """Of every cell of every frame, summed over horizons and aspects: squared error beyond what was expected, and the
    squares of what was expected. Both (N, T, 8, 8), NaN where nothing was foretold.
    """

    excess: np.ndarray
    expected: np.ndarray


@torch.no_grad()
def misfit(model: SceneModel, pixels: np.ndarray) -> Misfit:
    """Of films (N, T, 64, 64, 3) uint8. A model that looks at every other frame watches twice, once from the first and
    once from the second on.
    """
    out, stride = [], model.config.stride
    for first in range(0, len(pixels), BATCH):
        films = np.ascontiguousarray(pixels[first : first + BATCH])
        parts = [_looks(model, torch.from_numpy(films[:, phase::stride])) for phase in range(stride)]
        whole = np.empty((2, *films.shape[:2], *parts[0].shape[-2:]), np.float32)
        for phase, part in enumerate(parts):
            whole[:, :, phase::stride] = part
        out.append(whole)
    return Misfit(*np.concatenate(out, 1))


def _looks(model: SceneModel, pixels: torch.Tensor) -> torch.Tensor:
    """Excess and expected of every look, (2, N, L, 8, 8)."""
    latents = model.encode(pixels)
    n, length = latents.shape[:2]
    beliefs = model.track(latents)
    horizons = [ahead for ahead in model.config.horizons if ahead < length]
    foreseen = model.foresee(type(beliefs)(*(part.flatten(0, 1) for part in beliefs)))
    out = torch.zeros(2, n, length, *latents.shape[-2:])
    for ahead in horizons:
        latent, doubt = (part[:, ahead - 1].unflatten(0, (n, length))[:, :-ahead] for part in foreseen)
        error, expected = model.errors(latent, latents[:, ahead:]), doubt.exp()
        out[0, :, ahead:] += (error - expected).sum(2)
        out[1, :, ahead:] += expected.square().sum(2)
    out[:, :, : max(min(horizons, default=length), min(WARM_UP, length // 3))] = torch.nan
    return out


def frame_scores(misfit: Misfit) -> np.ndarray:
    """(N, T): log(1 + z) of the cell in which each frame is worst, 0 where nothing was foretold."""
    excess, expected = (_last_frames(np.nan_to_num(part)) for part in misfit)
    return np.log1p(np.maximum(excess / np.sqrt(expected + FLOOR**2), 0).max((2, 3)))


def _last_frames(cells: np.ndarray) -> np.ndarray:
    """Sums over each frame and those just before it, (N, T, 8, 8)."""
    length = cells.shape[1]
    padded = np.pad(cells, ((0, 0), (FRAMES - 1, 0), (0, 0), (0, 0)))
    return sum(padded[:, t : t + length] for t in range(FRAMES))


def statistics(misfit: Misfit) -> np.ndarray:
    """(N, 2) of films: the mean of the worse half of their frames' scores, and log(1 + z) of the whole, signed."""
    known = ~np.isnan(misfit.excess).all((0, 2, 3))  # as many frames of every film
    frames = np.sort(frame_scores(misfit)[:, known], 1)
    excess, expected = (np.nansum(part, (1, 2, 3)) for part in misfit)
    whole = excess / np.sqrt(expected + FLOOR**2)
    return np.stack([frames[:, frames.shape[1] // 2 :].mean(1), np.sign(whole) * np.log1p(np.abs(whole))], 1)


def scale(statistics: np.ndarray) -> np.ndarray:
    """Mean and spread (2, 2) of possible films' statistics: what ``clip_scores`` measures in."""
    return np.stack([statistics.mean(0), statistics.std(0) + 1e-6]).astype(np.float32)


def clip_scores(statistics: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(N,) surprise of films, in about standard deviations of possible ones'."""
    worst, whole = ((statistics - scale[0]) / scale[1]).T
    return (worst + WHOLE * whole) / (1 + WHOLE)


def score(model: SceneModel, pixels: np.ndarray) -> np.ndarray:
    """(N,) surprise of films (N, T, 64, 64, 3)."""
    return clip_scores(statistics(misfit(model, pixels)), model.surprise_scale.numpy())


def p_values(model: SceneModel, clips: np.ndarray) -> np.ndarray:
    """Of clip scores (N,): the share of held-out possible clips that surprise as much (conformal: Vovk et al. 2005)."""
    quantiles = model.surprise_quantiles.numpy()
    above = len(quantiles) - np.searchsorted(quantiles, clips, side="left")
    return (1 + above) / (1 + len(quantiles))
