"""How well depth is estimated in rooms and through cameras that were never seen: cells, and where the ground ends."""

from __future__ import annotations

import numpy as np
import torch

from latentworld.model.depth_estimator import ABOVE, BELOW, FLOOR, DepthEstimator
from latentworld.perception.estimated_depth import Cells, feet
from latentworld.perception.level_view import CELL
from latentworld.perception.range_scan import TOP
from latentworld.training.depth.collect import LevelViews

BATCH = 8
BANDS = ((0.0, 0.5), (0.5, 1.0), (1.0, 1.5), (1.5, 2.5))  # metres to what stands there
LATE = 0.3  # metres past a thing's foot up to which the ground may be called free


def validate(model: DepthEstimator, views: LevelViews, most: int | None = None) -> dict[str, float]:
    """Figures by name.

    ``cell_accuracy``: cells whose kind is right; ``floor_recall`` and so on by kind. ``log_distance_error``: mean, of
    cells that stand. For columns in which something stands at ``lo``-``hi`` m: ``foot_error_lo_hi_m``, mean, and
    ``foot_missed_lo_hi``, the share in which the ground is called free from 0.3 m past it on. ``ghosts``: the share of
    all columns in which something is said to stand 0.3 m or more before what is there.
    """
    right, errors, columns = np.zeros((3, 2)), [], []
    model.eval()
    for begin in range(0, min(len(views), most or len(views)), BATCH):
        pixels, kinds, nearness, height = views.rows(np.arange(begin, min(begin + BATCH, len(views))))
        with torch.inference_mode():
            said = model(torch.from_numpy(pixels), torch.from_numpy(height))
        probabilities, near = said.kind.softmax(1).numpy(), said.nearness.numpy()
        for i, kind in enumerate(kinds):
            true = nearness[i].astype(np.float32)
            told = probabilities[i].argmax(0)
            for k in (FLOOR, ABOVE, BELOW):
                right[k] += (kind == k).sum(), ((kind == k) & (told == k)).sum()
            errors.append(np.abs(near[i] - true)[kind == ABOVE])
            shown = (pixels[i] > 0).any(-1).reshape(kind.shape[0], CELL, kind.shape[1], CELL).all((1, 3))
            seen, far = shown & (kind <= BELOW), height[i] * np.exp(-near[i])
            exact = np.stack([kind == k for k in (FLOOR, ABOVE, BELOW)]).astype(np.float32)
            estimate = feet(Cells(probabilities[i], far, np.exp(said.spread[i].numpy()), seen), height[i], TOP)
            truth = feet(Cells(exact, height[i] * np.exp(-true), np.zeros_like(far), seen), height[i], TOP)
            columns.append(np.stack([truth.nearest, truth.free, estimate.nearest, estimate.free])[:, truth.seen])
    total, hit = right.T
    nearest, free, found, called = np.concatenate(columns, 1)
    figures = {
        "cell_accuracy": hit.sum() / total.sum(),
        **{f"{name}_recall": hit[k] / max(total[k], 1) for k, name in enumerate(("floor", "above", "below"))},
        "log_distance_error": np.concatenate(errors).mean(),
        "ghosts": (found < np.minimum(nearest, free) - LATE).mean(),
    }
    for low, high in BANDS:
        there = (nearest >= low) & (nearest < high)
        both = there & np.isfinite(found)
        figures[f"foot_error_{low:g}_{high:g}_m"] = _mean(np.abs(found[both] - nearest[both]))
        figures[f"foot_missed_{low:g}_{high:g}"] = _mean(called[there] > nearest[there] + LATE)
    return {name: float(value) for name, value in figures.items()}


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
