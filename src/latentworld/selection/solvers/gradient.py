"""Sampling first, then down the slope of the cost."""

from __future__ import annotations

import numpy as np

from latentworld.selection.solvers.cem import Cem

PROBE = 0.04  # of what is allowed: how far apart the cost is compared
HEAD = 3  # that the loop puts first in later batches: standing still, the best plan, our own
LONGEST, STEPS = 0.5, 10  # of what is allowed: the longest step tried; how many lengths are tried, each half the last
FLATTEST = 0.01  # of the strongest curvature: what is flatter, or curved downwards, counts as this
STALLED = 1e-3  # share of the cost: steps that gain less lead nowhere
AGAIN = 0.5  # spread of a further sampling about the best plan, as a share of the first


class Gradient(Cem):
    """One batch of CEM, then by turns: the slope at the best plan, and steps of many lengths down it. Where that gains
    no more, it samples about the best plan for another valley, and goes on from there.

    Slope and curvature are taken by central differences over the knots of the plan (its values are held for ``hold``
    steps), all in one batch: it needs nothing of the simulator but costs, so that a true or a remote one will do.
    Steps go straight down, and each knot by its own curvature (Newton's method with a diagonal Hessian).
    """

    def begin(self, mean: np.ndarray) -> None:
        super().begin(mean)
        self.best, self.least, self.turn = mean, np.inf, "sample"

    def draw(self, iteration: int) -> np.ndarray:
        if self.turn == "sample":
            return super().draw(iteration)
        new = self._probes() if self.turn == "probe" else self._steps()
        return np.concatenate([np.repeat(self.best[None], HEAD, 0), new]).astype(np.float32)

    def learn(self, batch: np.ndarray, costs: np.ndarray, best: np.ndarray) -> None:
        if self.turn == "probe":
            plus, minus = costs[HEAD:].reshape(2, self._knots(), -1)
            with np.errstate(invalid="ignore"):
                self.slope, self.curvature = plus - minus, plus + minus - 2 * costs[1]
            for part in (self.slope, self.curvature):
                np.nan_to_num(part, copy=False, posinf=0.0, neginf=0.0)
            self.turn = "step"
        else:
            least = min(self.least, float(costs.min()))
            stalled = self.turn == "step" and not self.least - least > STALLED * abs(least)
            self.least, self.turn = least, "sample" if stalled else "probe"
        self.best = best
        if self.turn == "sample":
            self.mean, self.spread = best, AGAIN * self.wide(best)

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
        lengths = LONGEST * 0.5 ** np.arange(STEPS)
        curvature = np.maximum(self.curvature, FLATTEST * np.abs(self.curvature).max() + 1e-12)
        steps = []
        for down in (-self.slope, -self.slope / curvature):
            unit = down / (np.abs(down).max() + 1e-12) * (self.high - self.low)
            steps.append(lengths[:, None, None] * unit)
        return self.best + self._spread_out(np.concatenate(steps))
