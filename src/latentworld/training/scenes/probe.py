"""Does a belief know where the thing is, and how fast it goes, also while it is hidden? Read off by a linear map."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from latentworld.model.scene_model import SceneModel
from latentworld.training.scenes.clips import Clips

BATCH = 16
SEEN = 2  # looks before a belief is asked
RIDGE = 2000.0  # of the features' mean power
TARGETS = ("position", "velocity")


@torch.no_grad()
def probe(model: SceneModel, clips: Clips) -> dict[str, float]:
    """R² on one half of the clips of a ridge regression fitted on the other; ``_hidden``: while behind a screen.

    Position in picture coordinates, velocity as its change since the last look. Nothing for clips without positions.
    """
    if clips.position is None:
        return {}
    model.eval()
    square = cross = None
    rows = 0
    for features, target, _ in _looks(model, clips, range(0, len(clips), 2)):
        features = torch.cat([features, torch.ones(len(features), 1)], 1)
        square = features.T @ features if square is None else square.addmm_(features.T, features)
        cross = features.T @ target if cross is None else cross.addmm_(features.T, target)
        rows += len(features)
    power = square.diagonal()[:-1]
    power += RIDGE * power.mean() / rows  # a belief is worth no more for being written in larger numbers
    weights = torch.linalg.solve(square, cross)
    parts = [(f @ weights[:-1] + weights[-1], t, h) for f, t, h in _looks(model, clips, range(1, len(clips), 2))]
    found, true, hidden = (torch.cat(part) for part in zip(*parts, strict=True))
    figures = {}
    for n, name in enumerate(TARGETS):
        columns = slice(2 * n, 2 * n + 2)
        for suffix, asked in (("", ~hidden), ("_hidden", hidden)):
            figures[f"{name}_r2{suffix}"] = _r2(found[asked, columns], true[asked, columns])
    return figures


def _looks(model: SceneModel, clips: Clips, which: range):
    """Batches of (features (M, F), target (M, 4), hidden (M,)) of all looks in which the thing is in the picture."""
    stride = model.config.stride
    for first in range(0, len(which), BATCH):
        chosen = which[first : first + BATCH]
        pixels = torch.from_numpy(np.stack([clips.pixels[i][::stride] for i in chosen]))
        position = torch.from_numpy(clips.position[chosen, ::stride])
        hidden = torch.from_numpy(clips.hidden[chosen, ::stride])
        features = model.track(model.encode(pixels)).hidden.flatten(2)
        velocity = torch.diff(position, dim=1, prepend=position[:, :1])
        target = torch.cat([position, velocity], -1)
        known = torch.isfinite(target).all(-1) & (position.abs() < 1).all(-1)
        known[:, :SEEN] = False
        yield features[known], target[known], hidden[known]


def _r2(found: Tensor, true: Tensor) -> float:
    """Mean over columns; nan for fewer than two rows."""
    if len(true) < 2:
        return float("nan")
    return float((1 - (true - found).square().sum(0) / (true - true.mean(0)).square().sum(0)).mean())
