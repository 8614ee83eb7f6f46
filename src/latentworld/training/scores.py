"""How well scores tell true cases from false ones."""

from __future__ import annotations

import numpy as np


def auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Chance that a true case scores above a false one (Mann-Whitney), a tie counting half; NaN labels are left out."""
    known = ~np.isnan(labels)
    scores, labels = scores[known], labels[known] > 0.5
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (count.cumsum() - (count - 1) / 2)[place]  # those that tie share a rank
    positive = labels.sum()
    if not 0 < positive < len(labels):
        return float("nan")
    return float((ranks[labels].sum() - positive * (positive + 1) / 2) / (positive * (len(labels) - positive)))
