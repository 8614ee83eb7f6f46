"""Sampling first, then down the slope of the cost."""

from __future__ import annotations

import numpy as np

from latentworld.selection.solvers.cem import Cem

PROBE = 0.04  # of what is allowed: how far apart the cost is compared
HEAD = 3  # that the loop puts first in later batches: standing still, the best plan, the mean
LONGEST, STEPS = 0.5, 12  # of what is allowed: the longest step tried; how many lengths are tried, each half the last


class Gradient(Cem):
    """One batch of CEM, then by turns: the slope at the best plan, and steps of many lengths down it.

    The slope is taken by central differences over the knots of the plan (its values are held for ``hold`` steps), all
    in one batch: it needs nothing of the simulator but costs, so that a true or a remote one will do.
    """

    def begin(self, mean: np.ndarray) -> None:
        super().begin(mean)
        self.best, self.turn = mean, "sample"

    def draw(self, iteration: int) -> np.ndarray:
        self.turn = "sample" if iteration == 0 else "probe" if iteration % 2 else "step"
        if self.turn == "sample":
            return super().draw(iteration)
        new = self._probes() if self.turn == "probe" else self._steps()
        return np.concatenate([np.repeat(self.best[None], HEAD, 0), new]).astype(np.float32)

    def learn(self, batch: np.ndarray, costs: np.ndarray, best: np.ndarray) -> None:
        if self.turn == "sample":
            super().learn(batch, costs, best)
        elif self.turn == "probe":
            plus, minus = costs[HEAD:].reshape(2, -1)
            with np.errstate(invalid="ignore"):
                self.slope = np.nan_to_num(plus - minus, posinf=0.0, neginf=0.0).reshape(self._knots(), -1)
        self.best = best

    def _knots(self) -> int:
        return -(-len(self.best) // self.parameters.hold)

    def _spread_out(self, knots: np.ndarray) -> np.ndarray:
        """(N, knots, A) -> (N, H, A)."""
        return knots.repeat(self.parameters.hold, 1)[:, : len(self.best)]

    def _probes(self) -> np.ndarray:
        count = self._knots() * len(self.low)
        unit = np.eye(count).reshape(count, self._knots(), -1) * PROBE * (self.high - self.low)
        return self.best + self._spread_out(np.concatenate([unit, -unit]))

    def _steps(self) -> np.ndarray:
        down = -self.slope / (np.abs(self.slope).max() + 1e-12) * (self.high - self.low)
        lengths = LONGEST * 0.5 ** np.arange(STEPS)
        return self.best + self._spread_out(lengths[:, None, None] * down)
