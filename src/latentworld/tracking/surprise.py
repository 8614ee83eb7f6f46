"""How surprising a latent is, on a scale that means the same in every situation."""

from __future__ import annotations

import numpy as np

from latentworld.types import Surprise


def score(predicted: np.ndarray, doubt: float, came: np.ndarray) -> float:
    """Log ratio of the squared prediction error to the error the model expected to make. predicted, came: (D,)."""
    error = float(np.square(predicted - came).mean())
    return float(np.log(max(error, 1e-4)) - doubt)


class SurpriseScale:
    """Scores -> z-scores and p-values, from the sorted scores of ordinary held-out frames (conformal: Vovk et al.
    2005).
    """

    def __init__(self, quantiles: np.ndarray, threshold: float = 0.01):
        self.quantiles = quantiles
        self.threshold = threshold
        self.mean, self.spread = float(quantiles.mean()), float(quantiles.std() + 1e-6)

    def judge(self, stamp: int, raw: float) -> Surprise:
        above = len(self.quantiles) - int(np.searchsorted(self.quantiles, raw, side="left"))
        p_value = (1 + above) / (1 + len(self.quantiles))
        return Surprise(stamp, (raw - self.mean) / self.spread, p_value, self.threshold, p_value < self.threshold)
