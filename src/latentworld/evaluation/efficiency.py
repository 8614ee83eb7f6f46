"""The price of pixels: how many times as long as latents do other targets take until a belief is as good?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, ScalarFormatter
from rich.box import SIMPLE
from rich.table import Table

from latentworld.evaluation import efficiency_rooms, efficiency_scenes
from latentworld.evaluation.efficiency_rooms import PLACE as ROOMS
from latentworld.evaluation.efficiency_rooms import RoomStudy
from latentworld.evaluation.efficiency_runs import ARMS, Key, Run, points
from latentworld.evaluation.efficiency_scenes import BACKDROPS, SceneStudy
from latentworld.types import LatentworldError

# What a belief must be able to do, fixed before any run that is compared.
THRESHOLDS = {
    "position_r2": (0.3, 0.5),
    "velocity_r2": (0.3, 0.5),
    "position_r2_hidden": (0.1, 0.3),
    "velocity_r2_hidden": (0.2, 0.4),
    "pairwise_mean": (0.6, 0.7, 0.8),
    "planning_success": (0.7, 0.8),  # driving blindly at the goal has about 0.55
}
PLACES = (*BACKDROPS, ROOMS)
COSTS = ("seconds", "samples", "flops")
COLOURS = ("#1b7f79", "#d1495b", "#c58b2a")  # of the arms
ALSO = ("error_of_copy_last_2_frames", "error_of_copy_last_6_frames")  # told of the last time each was asked
# Two-sided 95 % quantiles of Student's t by degrees of freedom, from one on.
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
STUDIES: dict[type, ModuleType] = {SceneStudy: efficiency_scenes, RoomStudy: efficiency_rooms}


def run_one(job: tuple[SceneStudy | RoomStudy, Key, int], data: Path, folder: Path) -> Run:
    """(study, arm and place, seed), whose data are there, in a worker process: two on a core each are done sooner than
    one after the other on both.
    """
    torch.set_num_threads(1)
    study, key, seed = job
    module = STUDIES[type(study)]
    recipe = module.recipe(study, *key, seed)
    return Run(*key, seed, points(study, recipe, folder, partial(module.prepare, study, recipe, data, 1), quiet=True))


def thresholds() -> Iterator[tuple[str, str, float]]:
    """(name, figure, value) of each."""
    for figure, values in THRESHOLDS.items():
        for value in values:
            yield f"{figure.removesuffix('_mean').removesuffix('_success')}_{value:g}", figure, value


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as much as "latent" an arm spent to get somewhere.

    ratio: of geometric means over runs. low, high: 95 % interval over seeds (t, of the logarithms); it speaks of
    other seeds, not of other films or rooms to be asked about. A run that never arrived counts with all it spent, one
    that was there when first asked with what it had spent till then. So the ratio may be a bound only; then the end of
    the interval that is open, and where both arms are so, the ratio too, is None.
    """

    ratio: float | None
    low: float | None
    high: float | None
    at_least: bool
    at_most: bool
    arrived: int
    latent_arrived: int
    runs: int

    def __str__(self) -> str:
        if self.ratio is None:
            return "–"
        sign = "≥ " if self.at_least else "≤ " if self.at_most else ""
        ends = ("?" if end is None else f"{end:.2g}" for end in (self.low, self.high))
        return f"{sign}{self.ratio:.2g} ({' – '.join(ends)})"


def ratio(
    runs: list[Run],
    arm: str,
    figure: str,
    threshold: float,
    cost: str = "seconds",
    places: Iterable[str] = PLACES,
) -> Ratio:
    """Of the arm to "latent", over all seeds and those of the places where it can be asked, each pair of runs on the
    same films or drives.
    """
    known = {(run.arm, run.place, run.seed): run for run in runs if run.place in places and figure in run.points[0]}
    both = sorted((place, seed) for a, place, seed in known if a == arm and ("latent", place, seed) in known)
    if not both:
        raise LatentworldError(f"efficiency: {figure}: expected runs of latent and of {arm}, got none to compare")
    arrived, first, spent = {}, {}, {}
    for name in ("latent", arm):
        some = [known[name, place, seed] for place, seed in both]
        reached = np.array([run.reached(figure, threshold, cost) for run in some])
        arrived[name] = np.isfinite(reached)
        first[name] = any(run.at_first(figure, threshold) for run in some)
        spent[name] = np.log(np.where(arrived[name], reached, [run.spent(cost) for run in some]))
    off = spent[arm] - spent["latent"]
    low, high = np.exp(_interval(off, [seed for _, seed in both])).tolist()
    at_least = not arrived[arm].all() or first["latent"]  # the true ratio may be higher
    at_most = not arrived["latent"].all() or first[arm]
    return Ratio(
        None if at_least and at_most else float(np.exp(off.mean())),
        None if at_most or np.isnan(low) else low,
        None if at_least or np.isnan(high) else high,
        at_least, at_most, int(arrived[arm].sum()), int(arrived["latent"].sum()), len(off),
    )  # fmt: skip


def _interval(off: np.ndarray, seeds: list[int]) -> np.ndarray:
    """(2,) about the mean, each seed counting once; nan for fewer than two."""
    means = np.array([off[np.array(seeds) == seed].mean() for seed in sorted(set(seeds))])
    if len(means) < 2:
        return np.full(2, np.nan)
    error = means.std(ddof=1) / np.sqrt(len(means))
    return means.mean() + np.array([-1, 1]) * STUDENT[min(len(means) - 1, len(STUDENT)) - 1] * error


def figures(runs: list[Run]) -> dict[str, float]:
    """Flat, for ``--json``: ratios of pixels to latents in seconds over both backdrops, or in the rooms; then apart, by
    other arms and in other costs. What is unknown is left out.
    """
    out: dict[str, float] = {}
    arms = [arm for arm in ARMS[1:] if any(run.arm == arm for run in runs)]
    for arm, cost, where in product(arms, COSTS, (None, *BACKDROPS)):
        words = (arm if arm != "pixels" else "", cost if cost != "seconds" else "", where or "")
        prefix = "".join(f"{word}_" for word in words if word)
        for name, figure, value in thresholds():
            if not _asked(runs, figure, where):
                continue
            found = ratio(runs, arm, figure, value, cost, PLACES if where is None else (where,))
            for suffix, number in (("", found.ratio), ("_low", found.low), ("_high", found.high)):
                if number is not None:
                    out[f"{prefix}ratio_{name}{suffix}"] = number
            if cost == "seconds":
                out[f"{prefix}ratio_{name}_arrived"] = found.arrived / found.runs
                out[f"{prefix}ratio_{name}_latent_arrived"] = found.latent_arrived / found.runs
    for arm, name in product(("latent", *arms), (*THRESHOLDS, *ALSO)):
        last = [run.points[-1][name] for run in runs if run.arm == arm and name in run.points[-1]]
        if last:
            out[f"{arm}_final_{name}"] = float(np.mean(last))
    return out


def _asked(runs: list[Run], figure: str, place: str | None) -> bool:
    return any(figure in run.points[0] for run in runs if place in (None, run.place))


def tables(runs: list[Run]) -> Iterator[Table]:
    """Seconds of the other arms over those of "latent", to every threshold: of films, then of rooms."""
    for title, places in (("in watching", BACKDROPS), ("in driving", (ROOMS,))):
        if some := [run for run in runs if run.place in places]:
            yield _table(f"Seconds of training, as a multiple of latent's, {title}", some, places)


def _table(title: str, runs: list[Run], places: Iterable[str]) -> Table:
    arms = [arm for arm in ARMS[1:] if any(run.arm == arm for run in runs)]
    out = Table("until", box=SIMPLE, title=title)
    for place in places:
        out.add_column(place, no_wrap=True)
    for arm in arms:
        out.add_row(f"[bold]{arm}")
        for _, figure, value in thresholds():
            asked = [place for place in places if _asked(runs, figure, place)]
            if not asked:
                continue
            found = [ratio(runs, arm, figure, value, places=(place,)) for place in asked]
            words = figure.removesuffix("_mean").replace("_", " ")
            out.add_row(f"{words} {value:g}", *(f"{r}  {r.arrived}/{r.runs}" for r in found))
        out.add_section()
    out.caption = (
        "95 % interval over seeds; ≥, ≤: a bound, for some never arrived, or had arrived when first asked; "
        "–: both; n/m: runs that arrived"
    )
    return out


def draw(path: Path, runs: list[Run]) -> None:
    """What each arm is worth after so many seconds: a row a figure, a column a place, a line a run."""
    rows = [(name, place) for name in THRESHOLDS for place in PLACES if _asked(runs, name, place)]
    names = list(dict.fromkeys(name for name, _ in rows))
    figure = Figure(figsize=(11, 3 * len(names)), layout="constrained")
    figure.suptitle("What a belief is worth, by seconds of training", fontsize=15, weight="bold")
    for row, part in zip(names, figure.subfigures(len(names), 1, squeeze=False)[:, 0], strict=True):
        places = [place for name, place in rows if name == row]
        for axes, place in zip(part.subplots(1, len(places), squeeze=False, sharey=True)[0], places, strict=True):
            _curves(axes, [run for run in runs if run.place == place], row)
            for value in THRESHOLDS[row]:
                axes.axhline(value, color="0.7", linestyle=":", linewidth=1)
            where = "in the rooms" if place == ROOMS else f"backdrop {place}"
            axes.set(xscale="log", xlabel="seconds of training", title=f"{row.replace('_', ' ')}, {where}")
            axes.xaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), minor_locator=NullLocator())
            axes.xaxis.set_major_formatter(ScalarFormatter())
            axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)


def _curves(axes: Axes, runs: list[Run], name: str) -> None:
    for arm, colour in zip(ARMS, COLOURS, strict=True):
        lines = [([p["seconds"] for p in r.points], [p[name] for p in r.points]) for r in runs if r.arm == arm]
        for seconds, values in lines:
            axes.plot(seconds, values, color=colour, linewidth=0.7, alpha=0.6)
        if lines:
            axes.plot(*np.mean(lines, 0), color=colour, linewidth=2.5, label=arm)
