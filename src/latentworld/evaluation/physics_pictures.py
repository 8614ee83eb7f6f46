"""Films with their surprise under them: what each way to break physics looks like, and whether the model noticed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from latentworld.evaluation.physics_suite import Pairs
from latentworld.model.scene_model import SceneModel
from latentworld.tracking import scene_surprise

SHOWN = 12  # frames of a film
POSSIBLE, IMPOSSIBLE = "#1b7f79", "#d1495b"


def draw(path: Path, model: SceneModel, pairs: list[Pairs], which: int = 0) -> None:
    """One property: for each of its kinds a possible film, an impossible one, and the surprise of both.

    pairs: of one property, one entry a kind. which: the pair of each kind that is shown.
    """
    figure = Figure(figsize=(12, 3.6 * len(pairs)), layout="constrained")
    figure.suptitle(pairs[0].name.replace("_", " "), fontsize=16, weight="bold")
    axes = figure.subplots(3 * len(pairs), 1, squeeze=False, height_ratios=[1, 1, 1.3] * len(pairs))[:, 0]
    for some, rows in zip(pairs, axes.reshape(-1, 3), strict=True):
        films = np.stack([some.possible[which], some.impossible[which]])
        for row, film, name in zip(rows[:2], films, ("possible", "impossible"), strict=True):
            _film(row, film, name)
        rows[0].set_title(some.kind.replace("_", " "), loc="left", fontsize=11)
        _curves(rows[2], scene_surprise.frame_scores(scene_surprise.misfit(model, films)), _event(*films))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)


def _event(possible: np.ndarray, impossible: np.ndarray) -> int:
    """The first frame in which the two differ."""
    return int((possible != impossible).any((1, 2, 3)).argmax())


def _film(axes: Axes, film: np.ndarray, name: str) -> None:
    shown = film[np.linspace(0, len(film) - 1, SHOWN).round().astype(int)]
    gap = np.full((film.shape[1], 2, 3), 255, np.uint8)
    axes.imshow(np.concatenate([part for frame in shown for part in (frame, gap)], 1), interpolation="nearest")
    axes.set_ylabel(name, color=POSSIBLE if name == "possible" else IMPOSSIBLE)
    axes.set(xticks=[], yticks=[])
    axes.set_frame_on(False)


def _curves(axes: Axes, scores: np.ndarray, event: int) -> None:
    for line, colour in zip(scores, (POSSIBLE, IMPOSSIBLE), strict=True):
        axes.plot(line, color=colour, linewidth=2)
    axes.axvline(event, color="0.6", linestyle=":", linewidth=1.5)
    axes.set(xlim=(0, scores.shape[1] - 1), xlabel="frame", ylabel="surprise, log(1 + z)")
    axes.spines[["top", "right"]].set_visible(False)
