"""The cross-entropy method (Rubinstein 1999; for planning as in PlaNet, arXiv 1811.04551)."""

from __future__ import annotations

import numpy as np

from latentworld.selection.solvers.solver import Sampler


class Cem(Sampler):
    """Samples sequences about a mean, keeps the elite, narrows."""

    def begin(self, mean: np.ndarray) -> None:
        self.mean, self.spread = mean, self.wide(mean)

    def draw(self, iteration: int) -> np.ndarray:
        return self.mean + self.spread * self.held_noise(self.parameters.samples, len(self.mean))

    def learn(self, batch: np.ndarray, costs: np.ndarray, best: np.ndarray) -> None:
        chosen = self.elites(batch, costs)
        self.mean, self.spread = chosen.mean(0), np.maximum(chosen.std(0), self.floor)

    def own(self) -> np.ndarray:
        return self.mean[None]
