"""The learning rate each arm of `efficiency` learns best with: the same three for all, with a seed no run compared has.

    ./latentworld benchmark efficiency_rates --json rates.json

The best stands in RATES of evaluation/efficiency_scenes.py and efficiency_rooms.py. Finished runs are kept in --runs.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console
from rich.table import Table

from latentworld.evaluation.efficiency import STUDIES, THRESHOLDS
from latentworld.evaluation.efficiency_rooms import RoomStudy
from latentworld.evaluation.efficiency_runs import ARMS, points
from latentworld.evaluation.efficiency_scenes import SceneStudy
from latentworld.evaluation.figures import write_figures

SEED = 100
TRIED = (  # place, study, rates
    ("drifting", SceneStudy(looks=1), (1e-3, 2e-3, 4e-3)),
    ("rooms", RoomStudy(looks=1), (5e-4, 1e-3, 2e-3)),
)


def main(
    json: Optional[Path] = None,
    data: Path = Path("data"),
    runs_folder: Annotated[Path, typer.Option("--runs")] = Path("runs/efficiency-rates"),
    workers: int = 2,
) -> None:
    told, table = {}, Table("arm", "in", "rate", *THRESHOLDS, "mean", title="What a belief is worth, by learning rate")
    for place, study, rates in TRIED:
        module = STUDIES[type(study)]
        for arm in ARMS:
            for rate in rates:
                recipe = module.recipe(study, arm, place, SEED)
                stages = tuple(replace(stage, rate=rate) for stage in recipe.stages)
                recipe = replace(recipe, name=f"{recipe.name}-{rate:g}", stages=stages)
                last = points(study, recipe, runs_folder, partial(module.prepare, study, recipe, data, workers))[-1]
                worth = [last[name] for name in THRESHOLDS if name in last]
                told |= {f"{place}_{arm}_{rate:g}_{name}": last[name] for name in THRESHOLDS if name in last}
                told[f"{place}_{arm}_{rate:g}"] = mean = sum(worth) / len(worth)
                cells = (f"{last[name]:.3f}" if name in last else "" for name in THRESHOLDS)
                table.add_row(arm, place, f"{rate:g}", *cells, f"{mean:.3f}")
                write_figures(json, told, {place: asdict(study) for place, study, *_ in TRIED})
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
