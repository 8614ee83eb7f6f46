"""Model predictive path integral control (Williams et al. 2017, "Information-theoretic MPC")."""

from __future__ import annotations

import numpy as np

from latentworld.selection.solvers.solver import Sampler

NARROWER = 0.7  # by which the spread shrinks from one iteration to the next


class Mppi(Sampler):
    """Every sample counts, by how cheap it is: weights exp(-(cost - least) / temperature), in spreads of the cost."""

    def begin(self, mean: np.ndarray) -> None:
        self.mean, self.spread = mean, self.wide(mean)

    def draw(self, iteration: int) -> np.ndarray:
        return self.mean + self.spread * self.held_noise(self.parameters.samples, len(self.mean))

    def learn(self, batch: np.ndarray, costs: np.ndarray, best: np.ndarray) -> None:
        known = np.isfinite(costs)
        if not known.any():
            return
        scale = self.parameters.temperature * max(float(costs[known].std()), 1e-6)
        weights = np.exp(-(costs - costs.min()) / scale).astype(np.float32)
        self.mean = np.tensordot(weights / weights.sum(), batch, 1)
        self.spread = np.maximum(NARROWER * self.spread, self.floor)

    def own(self) -> np.ndarray:
        return self.mean[None]
