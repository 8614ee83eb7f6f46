"""How surprising a latent is, on a scale that means the same in every situation."""

from __future__ import annotations

import numpy as np

from latentworld.types import Surprise

VIOLATION = 2e-4  # p-value: at ten frames a second an ordinary drive falls below it about once in ten minutes
TAIL = 0.02  # share of ordinary scores from which the rarer ones are foretold


FLOOR = 0.1  # squared error that is little


def score(error: float | np.ndarray, doubt: float | np.ndarray) -> float | np.ndarray:
    """By how much the squared error of a predicted latent is more than was expected, in units of that.

    doubt: log of the squared error that the model expected to make.
    """
    expected = np.exp(doubt)
    return (error - expected) / (expected + FLOOR)


class SurpriseScale:
    """Scores -> z-scores and p-values, from evenly spaced quantiles of the scores of ordinary held-out frames.

    Conformal (Vovk et al. 2005) as far as there are frames to compare with. What is rarer than one in fifty falls off
    exponentially, as the frames beyond that do (peaks over threshold, Pickands 1975): a robot that takes ten frames a
    second meets one in ten thousand often enough.
    """

    def __init__(
        self, quantiles: np.ndarray, threshold: float = VIOLATION, calibrated: bool = True, frames: int | None = None
    ):
        """calibrated: whether the quantiles are those of this robot; otherwise nothing counts as surprising. frames: of
        how many they are; few frames tell little of rare ones, so that the tail is then taken to be longer, by three
        standard deviations of its estimate.
        """
        self.quantiles = quantiles
        self.threshold, self.calibrated = threshold, calibrated
        self.mean, self.spread = float(quantiles.mean()), float(quantiles.std() + 1e-6)
        share = np.linspace(1, 0, len(quantiles))  # of ordinary frames at or above each
        rare = (share <= TAIL) & (share > 0)
        self.tail = float(np.interp(TAIL, share[::-1], quantiles[::-1]))
        self.excess = float((quantiles[rare] - self.tail).sum() / np.log(TAIL / share[rare]).sum() + 1e-6)
        if frames is not None:  # the mean excess, of which the standard deviation is known
            beyond = np.clip(quantiles - self.tail, 0.0, None)
            self.excess = float(np.trapezoid(beyond) / (len(quantiles) - 1) / TAIL + 1e-6)
            self.excess *= 1 + 3 / np.sqrt(max(TAIL * frames, 1.0))

    def p_value(self, raw: float) -> float:
        """The share of ordinary frames at least as surprising."""
        if raw > self.tail:
            return TAIL * float(np.exp((self.tail - raw) / self.excess))
        above = len(self.quantiles) - int(np.searchsorted(self.quantiles, raw, side="left"))
        return max(TAIL, above / len(self.quantiles))

    def judge(self, stamp: int, raw: float, comparable: bool = True) -> Surprise:
        """comparable: whether the frame is of the kind that the quantiles were taken from; else nothing is judged."""
        calibrated = self.calibrated and comparable
        p_value = self.p_value(raw) if calibrated else 1.0
        z = (raw - self.mean) / self.spread
        return Surprise(stamp, z, p_value, self.threshold, p_value < self.threshold, raw, calibrated)
