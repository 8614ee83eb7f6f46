"""``latentworld evaluate …``: one subcommand for each thing that is measured. What is heavy is imported inside."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

commands = typer.Typer(help="Measure the shipped or your own checkpoint.", no_args_is_help=True)

Json = Annotated[Optional[Path], typer.Option("--json", metavar="F", help="Write the figures to this file.")]
Checkpoint = Annotated[Optional[Path], typer.Option(help="Weights to use instead of the shipped ones.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes that simulate.")]


@commands.command()
def navigation(
    rooms: Annotated[
        int, typer.Option(min=1, help="Unseen rooms a trial; in every other one the way is blocked.")
    ] = 200,
    trials: Annotated[str, typer.Option(help="Some of pose, movers, image_2.5m, image_room; all: each.")] = "all",
    controllers: Annotated[
        str, typer.Option(help="Some of world_model, rgb, blind, reactive, oracle; all: each.")
    ] = "all",
    checkpoint: Checkpoint = None,
    workers: Workers = 2,
    keep: Annotated[
        Optional[Path], typer.Option(metavar="FILE", help="Keep each episode here, and go on from those already in it.")
    ] = None,
    json: Json = None,
) -> None:
    """Drive to goals in unseen rooms, beside blind, reactive and oracle controllers; no ROS. All of it takes hours.

    rgb is the world model without depth. Movers: other robots, balls and doors. A goal image is first looked for.
    """
    from latentworld.evaluation.navigation import CONTROLLERS, TRIALS, evaluate

    asked = [
        tuple(known) if said == "all" else said.split(",")
        for said, known in ((trials, TRIALS), (controllers, CONTROLLERS))
    ]
    evaluate(rooms, *asked, checkpoint=checkpoint and str(checkpoint), workers=workers, json=json, keep=keep)


@commands.command()
def robots(
    rooms: Annotated[
        int, typer.Option(min=1, help="Unseen rooms a robot and controller; in every other one the way is blocked.")
    ] = 100,
    which: Annotated[
        str, typer.Option("--robots", help="Some of those it knows, or other descriptions by file; all: each.")
    ] = "all",
    controllers: Annotated[
        str, typer.Option(help="Some of world_model, rgb, reactive, blind, oracle; all: each.")
    ] = "all",
    ledges: Annotated[
        int, typer.Option(min=0, help="Rooms with a ledge beside the way, for each robot with a level camera.")
    ] = 50,
    checkpoint: Checkpoint = None,
    workers: Workers = 2,
    keep: Annotated[
        Optional[Path], typer.Option(metavar="FILE", help="Keep each episode here, and go on from those already in it.")
    ] = None,
    json: Json = None,
) -> None:
    """One model on many robots: other cameras, bodies, drive trains and clocks. All of it takes hours.

    rgb is the world model without depth. Shares come with the ends of their 95 % interval over rooms.
    """
    from latentworld.evaluation.robots import CONTROLLERS, ROBOTS, evaluate

    asked = [
        tuple(known) if said == "all" else said.split(",")
        for said, known in ((which, ROBOTS), (controllers, CONTROLLERS))
    ]
    evaluate(rooms, *asked, checkpoint and str(checkpoint), ledges=ledges, workers=workers, json=json, keep=keep)


@commands.command()
def worlds(
    barn: Annotated[Optional[Path], typer.Option(metavar="DIR", help="Folder with barn_worlds.npz.")] = None,
    frames: Annotated[
        Optional[Path], typer.Option(metavar="DIR", help="Folder of real frames, or the one that it lies in.")
    ] = None,
    rooms: Annotated[
        Optional[int], typer.Option(min=1, help="MiniWorld goals and BARN worlds, at most.  [default: 40, and all]")
    ] = None,
    checkpoint: Checkpoint = None,
    workers: Workers = 2,
    keep: Annotated[
        Optional[Path], typer.Option(metavar="FILE", help="Keep each episode here, and go on from those already in it.")
    ] = None,
    json: Json = None,
) -> None:
    """Worlds that nobody here drew: MiniWorld (tools/peers.sh installs it), BARN by its rules, a real walk."""
    from latentworld.evaluation.worlds import evaluate

    evaluate(barn, frames, rooms, checkpoint and str(checkpoint), workers, json, keep)


@commands.command()
def physics(
    clips: Annotated[
        Optional[Path],
        typer.Option(metavar="DIR", help="Pairs of others: DIR/<property>/<id>.npz with possible and impossible."),
    ] = None,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs a property.")] = 204,
    checkpoint: Checkpoint = None,
    pixel_checkpoint: Annotated[
        Optional[Path], typer.Option(help="Weights of the baseline that foretells pixels.")
    ] = None,
    data: Annotated[Path, typer.Option(help="Folder where the test set is kept once it is made.")] = Path("data"),
    pictures: Annotated[
        Optional[Path], typer.Option(metavar="DIR", help="Also draw films and their surprise, a PNG a property.")
    ] = None,
    workers: Workers = 2,
    json: Json = None,
) -> None:
    """Violation of expectation: is the model more surprised where physics is broken? Nine properties, with controls."""
    from latentworld.evaluation.physics import evaluate

    evaluate(pairs, clips, checkpoint, data, workers, json, pictures, pixel_weights=pixel_checkpoint)


@commands.command()
def memory(
    rooms: Annotated[int, typer.Option(min=1, help="Rooms remembered; as many others are never seen.")] = 30,
    checkpoint: Checkpoint = None,
    finder: Annotated[Optional[Path], typer.Option(help="Weights that find things, if not the shipped ones.")] = None,
    workers: Workers = 2,
    json: Json = None,
) -> None:
    """Places known again under another light, views never seen, things that were moved, and views foretold from memory
    alone.
    """
    from latentworld.evaluation.memory import MemorySettings, evaluate

    evaluate(MemorySettings(rooms), checkpoint and str(checkpoint), workers, json, finder=finder and str(finder))


@commands.command()
def calibration(
    robot: Annotated[Optional[list[str]], typer.Option(help="Of `robot list`, or a trial; may be given again.")] = None,
    checkpoint: Checkpoint = None,
    workers: Workers = 2,
    json: Json = None,
) -> None:
    """Violations in ten minutes of ordinary driving, after five minutes that calibrated a robot's surprise."""
    from latentworld.evaluation.calibration import FOREIGN, evaluate

    evaluate(robot or list(FOREIGN), checkpoint, workers, json)


@commands.command()
def stable_worldmodel(
    env: Annotated[str, typer.Option(help="two_room or push_t.")] = "two_room",
    episodes: Annotated[int, typer.Option(min=1, help="Held-out starts, the goal 25 steps later.")] = 50,
    seed: Annotated[
        Optional[int], typer.Option(min=0, help="Of the first episode.  [default: the first unseen one]")
    ] = None,
    checkpoint: Checkpoint = None,
    json: Json = None,
) -> None:
    """Tasks of stable-worldmodel (tools/peers.sh installs it) by its own protocol: 50 steps to reach a goal picture."""
    from latentworld.evaluation.stable_worldmodel import TEST_SEED, evaluate

    evaluate(env, episodes, checkpoint, TEST_SEED if seed is None else seed, json=json)
