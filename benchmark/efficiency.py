"""The price of pixels: seconds, samples and FLOPs until a belief that was taught to foretell pixels knows as much as
one that foretells latents; beside both, latents with a decoder. In watching (films of the stage, the backdrop still or
drifting) and in driving (how often the robot gets to its goal and touches nothing).

    ./latentworld benchmark efficiency --json efficiency.json --picture efficiency.png

Every run is the same encoder, belief, data and order of data. Seconds are those of a step, timed first of all, all
arms in turn (leave the machine alone for these three minutes), times the steps. The runs themselves then go side by
side. Finished ones are kept in --runs and not run again, so it goes on where it was cut off: all five seeds take a few
hours.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from latentworld.evaluation.efficiency import STUDIES, draw, figures, run_one, tables
from latentworld.evaluation.efficiency_rooms import PLACE, RoomStudy
from latentworld.evaluation.efficiency_runs import Key, Run, seconds_a_step
from latentworld.evaluation.efficiency_scenes import SceneStudy
from latentworld.evaluation.figures import write_figures
from latentworld.sim.processes import processes

SCENES, ROOMS = SceneStudy(), RoomStudy()
COLUMNS = TextColumn("efficiency"), BarColumn(), MofNCompleteColumn(), TextColumn("runs"), TimeRemainingColumn()


def report(
    done: list[Run], films: SceneStudy, drives: RoomStudy, seconds: dict[Key, float], picture: Path, json: Path | None
) -> None:
    draw(picture, done)
    settings = {"films": asdict(films), "drives": asdict(drives), "seeds": len(done) // len(seconds), "runs": len(done)}
    settings["seconds_a_step"] = {f"{arm} {place}": took for (arm, place), took in seconds.items()}
    write_figures(json, figures(done), settings)


def main(
    json: Optional[Path] = None,
    picture: Path = Path("efficiency.png"),
    seeds: Annotated[int, typer.Option(min=1)] = 5,
    steps: Annotated[int, typer.Option(min=2, help="Of every run on films.")] = SCENES.steps,
    looks: Annotated[int, typer.Option(min=1, help="How often a run is asked what it knows.")] = SCENES.looks,
    clips: Annotated[int, typer.Option(min=20, help="To learn from, of each backdrop.")] = SCENES.clips,
    held_out: Annotated[int, typer.Option(min=8, help="Clips to ask about.")] = SCENES.held_out,
    pairs: Annotated[int, typer.Option(min=1, help="Of a property, to be told apart.")] = SCENES.pairs,
    batch: Annotated[int, typer.Option(min=1, help="Clips a step.")] = SCENES.batch,
    room_steps: Annotated[int, typer.Option(min=2, help="Of every run in rooms.")] = ROOMS.steps,
    rooms: Annotated[int, typer.Option(min=2, help="To learn from.")] = ROOMS.rooms,
    held_out_rooms: Annotated[int, typer.Option(min=2, help="To calibrate on.")] = ROOMS.held_out,
    room_looks: Annotated[int, typer.Option(min=1, help="How often a run in rooms is asked.")] = ROOMS.looks,
    trials: Annotated[int, typer.Option(min=1, help="Rooms to drive in, each time it is asked.")] = ROOMS.trials,
    data: Path = Path("data"),
    runs_folder: Annotated[Path, typer.Option("--runs")] = Path("runs/efficiency"),
    workers: int = 2,
) -> None:
    films = SceneStudy(steps, looks, clips=clips, held_out=held_out, pairs=pairs, batch=batch)
    drives = RoomStudy(room_steps, room_looks, rooms, held_out_rooms, trials, batch)
    seconds = {}
    for study in (films, drives):
        seconds |= seconds_a_step(STUDIES[type(study)].trainers(study, data, workers))
    jobs = [
        (drives if place == PLACE else films, (arm, place), seed) for seed in range(seeds) for arm, place in seconds
    ]
    done = []
    with Progress(*COLUMNS) as progress, processes(workers) as pool:
        for run in progress.track(pool.map(partial(run_one, data=data, folder=runs_folder), jobs), total=len(jobs)):
            done.append(run.timed(seconds[run.arm, run.place]))
            if len(done) % len(seconds) == 0:  # a seed more
                report(done, films, drives, seconds, picture, json)
    Console().print(*tables(done))
    Console().print(f"Drawn: {picture}")


if __name__ == "__main__":
    typer.run(main)
