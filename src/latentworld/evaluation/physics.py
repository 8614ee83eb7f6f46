"""Violation of expectation: is a scene model more surprised by the film in which physics is broken?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from latentworld.evaluation.figures import write_figures
from latentworld.evaluation.physics_controls import CopyLast, InItsLatents, ShortMemory, untrained
from latentworld.evaluation.physics_pictures import draw
from latentworld.evaluation.physics_suite import FIRST_TEST_SEED, PAIRS, Pairs, SuiteSettings, others_suite, suite
from latentworld.model import checkpoint
from latentworld.model.pixel_baseline import PixelBaseline
from latentworld.model.scene_model import SceneModel
from latentworld.tracking import scene_surprise
from latentworld.training.episodes import dataset_file
from latentworld.training.scenes.clips import Clips
from latentworld.training.scenes.collect import collect
from latentworld.training.scenes.recipe import RECIPES, FilmSettings
from latentworld.training.scenes.validation import calibrate
from latentworld.training.scores import auroc
from latentworld.types import LatentworldError

SHIPPED, SHIPPED_PIXELS = "physics-small", "physics-pixels"
Score = Callable[[np.ndarray], np.ndarray]  # films (N, T, 64, 64, 3) -> clip scores (N,)


def clip_score(model: SceneModel) -> Score:
    return partial(scene_surprise.score, model)


def evaluate(
    pairs: int = PAIRS,
    clips: str | Path | None = None,
    weights: str | Path | None = None,
    data: str | Path = "data",
    workers: int = 2,
    json: str | Path | None = None,
    pictures: str | Path | None = None,
    calibration: FilmSettings = RECIPES[SHIPPED].calibration,
    pixel_weights: str | Path | None = None,
) -> dict[str, float]:
    """The fixed suite, as the model has seen things look and shifted, beside controls; or pairs in folder ``clips``.

    weights: of the scene model. pixel_weights: of the pixel baseline. pictures: a folder for a PNG a property.
    calibration: possible clips from which the controls get their scale of surprise.
    """
    weights = weights or checkpoint.shipped(SHIPPED)
    if not Path(weights).exists():
        raise LatentworldError(
            f"checkpoint {weights}: no such file; `latentworld train --recipe {SHIPPED}` makes one for --checkpoint"
        )
    model = checkpoint.load(weights, SceneModel)
    if clips is not None:
        rows = measure(_drawn(others_suite(Path(clips)), model, pictures), {"": clip_score(model)})
        settings = {"clips": str(clips)}
    else:
        possible = _possible(calibration, Path(data), workers)
        arms = {"": clip_score(model)} | _pixel_arms(pixel_weights, possible) | _controls(model, possible)
        rows = measure(_drawn(suite(SuiteSettings(pairs=pairs), Path(data), workers), model, pictures), arms)
        shifted = measure(suite(SuiteSettings("shifted", pairs), Path(data), workers), {"shifted_": arms[""]})
        rows |= shifted
        settings = {"pairs_a_property": pairs, "first_seed": FIRST_TEST_SEED}
    figures: dict[str, float] = {}
    for prefix, kinds in rows.items():
        figures |= summarise(kinds, prefix)
    write_figures(json, figures, settings | {"checkpoint": str(weights)})
    Console().print(table(rows))
    return figures


def _possible(calibration: FilmSettings, data: Path, workers: int) -> Clips:
    """Clips that what has no scale of its own gets one from."""
    path = dataset_file(SHIPPED, "calibration", data)
    collect(path, calibration, workers)
    return Clips.from_dataset(path)


def _pixel_arms(weights: str | Path | None, possible: Clips) -> dict[str, Score]:
    """The baseline that foretells pixels, surprised in pixels, and in its latents; no arm where none ships."""
    weights = Path(weights or checkpoint.shipped(SHIPPED_PIXELS))
    if not weights.exists():
        return {}
    model = checkpoint.load(weights, PixelBaseline)
    in_latents = InItsLatents(model)
    calibrate(in_latents, possible)
    return {"pixel_": clip_score(model), "pixel_latent_": clip_score(in_latents)}


def _controls(model: SceneModel, possible: Clips) -> dict[str, Score]:
    """Copy-last, short memory and an untrained network, each with a scale of its own."""
    some = torch.from_numpy(np.stack([possible.pixels[i] for i in range(0, len(possible), 10)]))
    controls = {"copy_": CopyLast(model), "short_": ShortMemory(model), "untrained_": untrained(model, some)}
    for control in controls.values():
        calibrate(control, possible)
    return {prefix: clip_score(control) for prefix, control in controls.items()}


def _drawn(pairs: Iterable[Pairs], model: SceneModel, folder: str | Path | None) -> Iterator[Pairs]:
    """The same pairs; on the way the first of every kind is drawn, all kinds of a property in one picture."""
    by_name: dict[str, list[Pairs]] = {}
    for some in pairs:
        first = some._replace(possible=some.possible[:1], impossible=some.impossible[:1])
        by_name.setdefault(some.name, []).append(first)
        yield some
    if folder is not None:
        for name, kinds in by_name.items():
            draw(Path(folder) / f"{name}.png", model, kinds)


Rows = dict[str, dict[tuple[str, str], tuple[float, float]]]


def measure(pairs: Iterable[Pairs], arms: dict[str, Score]) -> Rows:
    """By arm, property and kind: pairwise accuracy, where a tie is lost, and the AUROC of single films."""
    rows: Rows = {prefix: {} for prefix in arms}
    for some in pairs:
        for prefix, score in arms.items():
            possible, impossible = score(some.possible), score(some.impossible)
            labels = np.repeat([0.0, 1.0], len(possible))
            single = auroc(np.concatenate([possible, impossible]), labels)
            rows[prefix][some.name, some.kind] = float((impossible > possible).mean()), single
    return rows


def summarise(kinds: dict[tuple[str, str], tuple[float, float]], prefix: str) -> dict[str, float]:
    """A property counts as the mean of its kinds, the whole as the mean of its properties."""
    names = list(dict.fromkeys(name for name, _ in kinds))
    by_name = {n: np.mean([value for (name, _), value in kinds.items() if name == n], 0) for n in names}
    pairwise = {n: float(value[0]) for n, value in by_name.items()}
    return {
        f"{prefix}pairwise_mean": float(np.mean(list(pairwise.values()))),
        f"{prefix}pairwise_min": min(pairwise.values()),
        f"{prefix}auroc_mean": float(np.mean([value[1] for value in by_name.values()])),
        **{f"{prefix}pairwise_{n}": value for n, value in pairwise.items()},
        **{f"{prefix}auroc_{n}": float(value[1]) for n, value in by_name.items()},
        **{f"{prefix}pairwise_{name}_{kind}".replace(" ", "_"): value[0] for (name, kind), value in kinds.items()},
    }


def table(rows: Rows) -> Table:
    """A row a property, and under it one a kind: pairwise accuracy / AUROC of every arm."""
    arms = (prefix.strip("_").replace("_", " ") or "model" for prefix in rows)
    title = "Violation of expectation: % of pairs told apart, AUROC of single films"
    out = Table("film", *arms, title=title, box=SIMPLE, padding=(0, 0, 0, 0), pad_edge=False)
    out.columns[0].no_wrap = True
    means = [summarise(arm, "") for arm in rows.values()]
    kinds = next(iter(rows.values()))
    for name in dict.fromkeys(name for name, _ in kinds):
        out.add_section()
        cells = (_cell(m[f"pairwise_{name}"], m[f"auroc_{name}"]) for m in means)
        out.add_row(name.replace("_constancy", "").replace("_", " "), *cells, style="bold")
        for kind in (kind for property, kind in kinds if property == name):
            out.add_row(f" {kind.replace('_', ' ')}", *(_cell(*arm[name, kind]) for arm in rows.values()))
    out.add_section()
    out.add_row("mean", *(_cell(m["pairwise_mean"], m["auroc_mean"]) for m in means), style="bold")
    return out


def _cell(pairs: float, single: float) -> str:
    """Narrow enough for seven of them in a terminal."""
    return f"{100 * pairs:3.0f} {single:.2f}".replace(" 0.", " .")
