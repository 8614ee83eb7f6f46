"""The price of pixels: seconds, samples and FLOPs until a belief that was taught to foretell pixels knows as much as
one that foretells latents; beside both, latents with a decoder.

    ./latentworld benchmark efficiency --json efficiency.json --picture efficiency.png

Every run is the same encoder, belief, films and order of films. Finished runs are kept in --runs and not run again,
so it goes on where it was cut off. Leave the machine alone meanwhile: what is measured is time.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console

from latentworld.evaluation.efficiency import draw, figures, table
from latentworld.evaluation.efficiency_runs import ARMS, BACKDROPS, EfficiencySettings, runs
from latentworld.evaluation.figures import write_figures

STANDARD = EfficiencySettings()


def main(
    json: Optional[Path] = None,
    picture: Path = Path("efficiency.png"),
    seeds: Annotated[int, typer.Option(min=1)] = STANDARD.seeds,
    steps: Annotated[int, typer.Option(min=2, help="Of every run.")] = STANDARD.steps,
    looks: Annotated[int, typer.Option(min=2, help="How often a run is asked what it knows.")] = STANDARD.looks,
    clips: Annotated[int, typer.Option(min=20, help="To learn from, of each backdrop.")] = STANDARD.clips,
    held_out: Annotated[int, typer.Option(min=8, help="Clips to ask about.")] = STANDARD.held_out,
    pairs: Annotated[int, typer.Option(min=1, help="Of a property, to be told apart.")] = STANDARD.pairs,
    batch: Annotated[int, typer.Option(min=1)] = STANDARD.batch,
    data: Path = Path("data"),
    runs_folder: Annotated[Path, typer.Option("--runs")] = Path("runs/efficiency"),
    workers: int = 2,
) -> None:
    settings = EfficiencySettings(seeds, steps, looks, clips=clips, held_out=held_out, pairs=pairs, batch=batch)
    done = []
    for run in runs(settings, data, runs_folder, workers):
        done.append(run)
        if len(done) % (len(ARMS) * len(BACKDROPS)) == 0:  # a seed is whole
            draw(picture, done)
            write_figures(json, figures(done), asdict(settings) | {"runs": len(done)})
    Console().print(table(done))
    Console().print(f"Drawn: {picture}")


if __name__ == "__main__":
    typer.run(main)
