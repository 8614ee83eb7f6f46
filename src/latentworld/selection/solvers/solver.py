"""What all solvers share: the protocol, and the loop that has a plan ready at any deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

Evaluate = Callable[[np.ndarray], tuple[np.ndarray, object]]
"""(K, H, A) candidates -> (K,) costs and whatever the caller wants back for the best."""


class Solution(NamedTuple):
    """best: (H, A), its cost, its index in the batch ``extra`` belongs to. spread: std / mean of cost over the first
    batch, which ``sampled`` belongs to as ``extra`` does to the best's. history: the least cost after each iteration.
    """

    best: np.ndarray
    cost: float
    index: int
    extra: object
    samples: int
    iterations: int
    spread: float
    sampled: object
    history: tuple[float, ...] = ()


class Solver(Protocol):
    """low, high: (A,) what actions may be; may be changed between searches."""

    low: np.ndarray
    high: np.ndarray

    def optimise(self, evaluate: Evaluate, mean: np.ndarray, seeds: np.ndarray, give_up: float) -> Solution:
        """mean: (H, A) to start from. seeds: (S, H, A), the first of which is the first of every batch.

        give_up: time.perf_counter() past which no iteration is begun. One is always done, so that there is a plan at
        any deadline.
        """


class Sampler:
    """The loop: draw a batch, ask what it costs, learn from that. Subclasses draw and learn.

    parameters: an object with samples, iterations, hold, elite_fraction, seed and what the subclass names.
    """

    def __init__(self, parameters: Any, low: np.ndarray, high: np.ndarray):
        self.parameters, self.low, self.high = parameters, low, high
        self.rng = np.random.default_rng(parameters.seed)

    def begin(self, mean: np.ndarray) -> None:
        """A new search from ``mean`` (H, A)."""
        raise NotImplementedError

    def draw(self, iteration: int) -> np.ndarray:
        """(K, H, A) candidates; limits are applied by the loop."""
        raise NotImplementedError

    def learn(self, batch: np.ndarray, costs: np.ndarray, best: np.ndarray) -> None:
        """costs: (K,), infinite where they came out as no number."""
        raise NotImplementedError

    def own(self) -> np.ndarray:
        """(N, H, A): candidates of later batches that are no noise, such as the mean."""
        raise NotImplementedError

    def optimise(self, evaluate: Evaluate, mean: np.ndarray, seeds: np.ndarray, give_up: float) -> Solution:
        """See Solver. A further iteration is begun only if one as long as the longest so far fits."""
        self.begin(mean)
        best: Solution | None = None
        samples, took, flatness, history = 0, 0.0, 0.0, []
        for iteration in range(self.parameters.iterations):
            began = time.perf_counter()
            if iteration and began + took > give_up:
                break
            batch = self.draw(iteration)
            known = seeds if iteration == 0 else np.concatenate([seeds[:1], best.best[None], self.own()])
            batch[: len(known)] = known[: len(batch)]
            np.clip(batch, self.low, self.high, out=batch)
            costs, extra = evaluate(batch)
            costs = np.where(np.isfinite(costs), costs, np.inf)
            index = int(costs.argmin())
            samples += len(batch)
            if iteration == 0:
                flatness, sampled = _flatness(costs), extra
            if best is None or costs[index] < best.cost:
                best = Solution(batch[index].copy(), float(costs[index]), index, extra, 0, 0, flatness, sampled)
            self.learn(batch, costs, best.best)
            history.append(best.cost)
            took = max(took, time.perf_counter() - began)
        return best._replace(samples=samples, iterations=len(history), history=tuple(history))

    def held_noise(self, count: int, horizon: int) -> np.ndarray:
        """(count, H, A) standard normal, each value held for ``hold`` steps: a base can't follow faster changes."""
        hold = self.parameters.hold
        knots = self.rng.standard_normal((count, -(-horizon // hold), len(self.low)), dtype=np.float32)
        return knots.repeat(hold, 1)[:, :horizon]

    def wide(self, mean: np.ndarray) -> np.ndarray:
        """(H, A): a spread that covers what is allowed."""
        return np.broadcast_to((self.high - self.low) / 4, mean.shape).astype(np.float32)

    @property
    def floor(self) -> np.ndarray:
        """(A,): the spread never narrows below."""
        return 0.05 * (self.high - self.low)

    def elites(self, batch: np.ndarray, costs: np.ndarray) -> np.ndarray:
        """The best share of a batch, the best first."""
        count = max(2, round(self.parameters.elite_fraction * len(batch)))
        order = np.argpartition(costs, min(count, len(costs) - 1))[:count]
        return batch[order[np.argsort(costs[order])]]


def _flatness(costs: np.ndarray) -> float:
    known = costs[np.isfinite(costs)]
    return float(known.std() / (abs(known.mean()) + 1e-9)) if len(known) else 0.0
