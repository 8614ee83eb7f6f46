"""Improved CEM (Pinneri et al. 2020, arXiv 2008.06389)."""

from __future__ import annotations

import numpy as np

from latentworld.selection.solvers.cem import Cem

KEPT = 0.3  # share of the elite that comes back in the next batch
SHRINK = 1.25  # by which each batch is smaller than the one before
LEAST = 2  # elites' worth of samples that a batch never falls below


class ICem(Cem):
    """CEM with coloured noise, elites that are kept, and batches that shrink as the spread does."""

    def begin(self, mean: np.ndarray) -> None:
        super().begin(mean)
        self.kept = np.empty((0, *mean.shape), np.float32)

    def draw(self, iteration: int) -> np.ndarray:
        p = self.parameters
        least = LEAST * max(2, round(p.elite_fraction * p.samples))
        count = max(round(p.samples / SHRINK**iteration), min(least, p.samples))
        noise = coloured(self.rng, count, len(self.mean), len(self.low), p.noise_colour)
        return self.mean + self.spread * noise

    def learn(self, batch: np.ndarray, costs: np.ndarray, best: np.ndarray) -> None:
        chosen = self.elites(batch, costs)
        self.kept = chosen[: max(1, round(KEPT * len(chosen)))]
        self.mean, self.spread = chosen.mean(0), np.maximum(chosen.std(0), self.floor)

    def own(self) -> np.ndarray:
        return np.concatenate([self.mean[None], self.kept])


def coloured(rng: np.random.Generator, count: int, horizon: int, actions: int, colour: float) -> np.ndarray:
    """(count, H, A) noise of unit variance whose power falls with frequency to the power ``colour`` (Timmer, Koenig
    1995): 0 is white; the higher, the longer an action is kept up.
    """
    frequency = np.fft.rfftfreq(horizon)
    frequency[0] = 1 / horizon
    scale = frequency ** (-colour / 2)
    shape = (count, actions, len(scale))
    real, imaginary = rng.standard_normal(shape), rng.standard_normal(shape)
    imaginary[..., 0] = 0
    if horizon % 2 == 0:
        imaginary[..., -1] = 0
    noise = np.fft.irfft(scale * (real + 1j * imaginary), n=horizon)
    weight = np.where(
        (np.arange(len(scale)) == 0) | ((horizon % 2 == 0) & (np.arange(len(scale)) == len(scale) - 1)), 1, 4
    )
    variance = (weight * scale**2).sum() / horizon**2
    return np.moveaxis(noise / np.sqrt(variance), 1, 2).astype(np.float32)
