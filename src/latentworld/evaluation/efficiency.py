"""The price of pixels: how many times as long as latents do other targets take until a belief is as good?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.table import Table

from latentworld.evaluation.efficiency_runs import ARMS, BACKDROPS, Run
from latentworld.types import LatentworldError

# What a belief must be able to do, fixed before any arm was trained.
THRESHOLDS = {
    "position_r2": (0.3, 0.5),
    "velocity_r2": (0.3, 0.5),
    "position_r2_hidden": (0.05, 0.2),
    "velocity_r2_hidden": (0.2, 0.4),
    "pairwise_mean": (0.6, 0.7, 0.8),
}
COSTS = ("seconds", "samples", "flops")
COLOURS = ("#1b7f79", "#d1495b", "#c58b2a")  # of the arms
FINAL = (*THRESHOLDS, "error_of_copy_last_2_frames", "error_of_copy_last_6_frames")
REPEATS, INTERVAL = 2000, 0.95  # of the bootstrap over seeds


def thresholds() -> Iterator[tuple[str, str, float]]:
    """(name, figure, value) of each."""
    for figure, values in THRESHOLDS.items():
        for value in values:
            yield f"{figure.removesuffix('_mean')}_{value:g}", figure, value


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as much as "latent" an arm spent to get somewhere.

    ratio: of geometric means over runs, with the bootstrap interval low, high. A run that never arrived counts with all
    it spent. So where the arm did not always arrive the ratio is a lower bound and high is unknown (None); where
    "latent" did not, it is an upper bound and low is unknown; where neither did, all are.
    """

    ratio: float | None
    low: float | None
    high: float | None
    arrived: int
    latent_arrived: int
    runs: int

    def __str__(self) -> str:
        if self.ratio is None:
            return "–"
        sign = "≥ " if self.high is None else "≤ " if self.low is None else ""
        ends = ("?" if end is None else f"{end:.2g}" for end in (self.low, self.high))
        return f"{sign}{self.ratio:.2g} ({' – '.join(ends)})"


def ratio(
    runs: list[Run],
    arm: str,
    figure: str,
    threshold: float,
    cost: str = "seconds",
    backdrops: Iterable[str] = BACKDROPS,
) -> Ratio:
    """Of the arm to "latent", over all seeds and the given backdrops, each pair of runs on the same films."""
    by_place = {(run.arm, run.backdrop, run.seed): run for run in runs}
    places = sorted((b, s) for a, b, s in by_place if a == arm and b in backdrops and ("latent", b, s) in by_place)
    if not places:
        raise LatentworldError(f"efficiency: expected runs of latent and of {arm}, got none to compare")
    arrived, spent = {}, {}
    for name in ("latent", arm):
        some = [by_place[name, backdrop, seed] for backdrop, seed in places]
        reached = np.array([run.reached(figure, threshold, cost) for run in some])
        arrived[name] = np.isfinite(reached)
        spent[name] = np.log(np.where(arrived[name], reached, [run.spent(cost) for run in some]))
    off = spent[arm] - spent["latent"]
    means = off[np.random.default_rng(0).integers(len(off), size=(REPEATS, len(off)))].mean(1)
    low, high = np.exp(np.quantile(means, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2])).tolist()
    ours, theirs = arrived["latent"].all(), arrived[arm].all()
    return Ratio(
        float(np.exp(off.mean())) if ours or theirs else None,
        low if ours else None,
        high if theirs else None,
        int(arrived[arm].sum()), int(arrived["latent"].sum()), len(off),
    )  # fmt: skip


def figures(runs: list[Run]) -> dict[str, float]:
    """Flat, for ``--json``: ratios of pixels to latents in seconds over both backdrops; then apart, by other arms and
    in other costs. What is unknown is left out.
    """
    out: dict[str, float] = {}
    arms = [arm for arm in ARMS[1:] if any(run.arm == arm for run in runs)]
    backdrops = [backdrop for backdrop in BACKDROPS if any(run.backdrop == backdrop for run in runs)]
    for arm, cost, where in product(arms, COSTS, (None, *backdrops)):
        words = (arm if arm != "pixels" else "", cost if cost != "seconds" else "", where or "")
        prefix = "".join(f"{word}_" for word in words if word)
        for name, figure, value in thresholds():
            found = ratio(runs, arm, figure, value, cost, BACKDROPS if where is None else (where,))
            for suffix, number in (("", found.ratio), ("_low", found.low), ("_high", found.high)):
                if number is not None:
                    out[f"{prefix}ratio_{name}{suffix}"] = number
            if cost == "seconds":
                out[f"{prefix}ratio_{name}_arrived"] = found.arrived / found.runs
                out[f"{prefix}ratio_{name}_latent_arrived"] = found.latent_arrived / found.runs
    for arm in ("latent", *arms):
        last = [run.points[-1] for run in runs if run.arm == arm]
        out |= {f"{arm}_final_{name}": float(np.mean([point[name] for point in last])) for name in FINAL}
    return out


def table(runs: list[Run]) -> Table:
    """Seconds of the other arms over those of "latent", to every threshold."""
    arms = [arm for arm in ARMS[1:] if any(run.arm == arm for run in runs)]
    columns = [(arm, backdrop) for arm in arms for backdrop in BACKDROPS]
    out = Table(
        "until",
        *(f"{arm}, {backdrop}" for arm, backdrop in columns),
        title="Seconds of training, as a multiple of latent's",
    )
    for _, figure, value in thresholds():
        cells = (ratio(runs, arm, figure, value, backdrops=(backdrop,)) for arm, backdrop in columns)
        out.add_row(f"{figure.replace('_', ' ')} {value:g}", *(f"{c}  {c.arrived}/{c.runs}" for c in cells))
    out.caption = "interval over seeds; ≥: some never arrived and count with all they spent; n/m: runs that arrived"
    return out


def draw(path: Path, runs: list[Run]) -> None:
    """What each arm is worth after so many seconds: a row a figure, a column a backdrop, a line a run."""
    figure = Figure(figsize=(11, 3 * len(THRESHOLDS)), layout="constrained")
    figure.suptitle("What a belief is worth, by seconds of training", fontsize=15, weight="bold")
    grid = figure.subplots(len(THRESHOLDS), len(BACKDROPS), squeeze=False, sharex=True, sharey="row")
    for row, (name, values) in zip(grid, THRESHOLDS.items(), strict=True):
        for axes, backdrop in zip(row, BACKDROPS, strict=True):
            _curves(axes, [run for run in runs if run.backdrop == backdrop], name)
            for value in values:
                axes.axhline(value, color="0.7", linestyle=":", linewidth=1)
            axes.set(xscale="log", title=f"{name.replace('_', ' ')}, backdrop {backdrop}")
            axes.spines[["top", "right"]].set_visible(False)
    for axes in grid[-1]:
        axes.set_xlabel("seconds of training")
    grid[0, 0].legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)


def _curves(axes: Axes, runs: list[Run], name: str) -> None:
    for arm, colour in zip(ARMS, COLOURS, strict=True):
        lines = [([p["seconds"] for p in r.points], [p[name] for p in r.points]) for r in runs if r.arm == arm]
        for seconds, values in lines:
            axes.plot(seconds, values, color=colour, linewidth=0.7, alpha=0.6)
        if lines:
            axes.plot(*np.mean(lines, 0), color=colour, linewidth=2.5, label=arm)
