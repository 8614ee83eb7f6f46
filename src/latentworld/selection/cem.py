"""The cross-entropy method (Rubinstein 1999; for planning as in PlaNet, arXiv 1811.04551), anytime."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from latentworld.selection.parameters import SelectionParameters

Evaluate = Callable[[np.ndarray], tuple[np.ndarray, object]]
"""(K, H, 2) candidates -> (K,) costs and whatever the caller wants back for the best."""


class Solution(NamedTuple):
    """best: (H, 2), its cost, its index in the batch ``extra`` belongs to. spread: std / mean of cost over the first
    samples.
    """

    best: np.ndarray
    cost: float
    index: int
    extra: object
    samples: int
    iterations: int
    spread: float


class Cem:
    """Samples sequences about a mean, keeps the elite, narrows; the first batch also holds seed plans."""

    FLOOR = np.array([0.03, 0.1], np.float32)  # m/s, rad/s: the spread never narrows below

    def __init__(self, parameters: SelectionParameters):
        self.parameters = p = parameters
        self.low = np.array([-p.max_reverse, -p.max_angular], np.float32)
        self.high = np.array([p.max_linear, p.max_angular], np.float32)
        self.rng = np.random.default_rng(p.seed)

    def optimise(self, evaluate: Evaluate, mean: np.ndarray, seeds: np.ndarray, give_up: float) -> Solution:
        """mean: (H, 2) to start from. seeds: (S, H, 2), the first of which is the first of every batch. give_up:
        time.perf_counter() past which no iteration is begun.

        The first iteration is always done, so that there is a plan at any deadline; a further one only if one as long
        as the longest fits.
        """
        p = self.parameters
        spread = np.broadcast_to((self.high - self.low) / 4, mean.shape).copy()
        elite = max(2, round(p.elite_fraction * p.samples))
        best: Solution | None = None
        samples, took, flatness = 0, 0.0, 0.0
        for iteration in range(p.iterations):
            began = time.perf_counter()
            if iteration and began + took > give_up:
                break
            batch = self._sample(mean, spread)
            if iteration == 0:
                batch[: len(seeds)] = seeds[: len(batch)]
            else:
                batch[0], batch[1], batch[2] = seeds[0], best.best, mean
            np.clip(batch, self.low, self.high, out=batch)
            costs, extra = evaluate(batch)
            costs = np.where(np.isfinite(costs), costs, np.inf)
            order = np.argpartition(costs, elite)[:elite]
            first = int(costs.argmin())
            samples += len(batch)
            if iteration == 0:
                known = costs[np.isfinite(costs)]
                flatness = float(known.std() / (abs(known.mean()) + 1e-9)) if len(known) else 0.0
            if best is None or costs[first] < best.cost:
                best = Solution(batch[first].copy(), float(costs[first]), first, extra, 0, 0, 0.0)
            chosen = batch[order]
            mean, spread = chosen.mean(0), np.maximum(chosen.std(0), self.FLOOR)
            took = max(took, time.perf_counter() - began)
            done = iteration + 1
        return best._replace(samples=samples, iterations=done, spread=flatness)

    def _sample(self, mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
        p = self.parameters
        knots = -(-len(mean) // p.hold)
        noise = self.rng.standard_normal((p.samples, knots, 2), dtype=np.float32).repeat(p.hold, 1)[:, : len(mean)]
        return mean + spread * noise
