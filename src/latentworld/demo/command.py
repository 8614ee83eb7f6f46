"""`latentworld demo`: drive unseen rooms live over ROS 2, score it beside simple controllers, draw it."""

from __future__ import annotations

import fcntl
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress

from latentworld.consequence.simulator import ConsequenceSimulator
from latentworld.demo import beside, report, scoring
from latentworld.demo.live_run import Room, run
from latentworld.demo.pictures import film, filmstrip
from latentworld.demo.recording import Recorded, recorded
from latentworld.evaluation.episodes import ARRIVAL
from latentworld.evaluation.figures import write_figures
from latentworld.evaluation.navigation import FIRST_TEST_SEED, TOLERANCE, summarise
from latentworld.model import checkpoint as checkpoints
from latentworld.model.world_model import WorldModel
from latentworld.sim.world import World
from latentworld.types import GoalKind, LatentworldError

TIME_LIMIT = 25.0  # simulated seconds a drive
WAYS = {"true": (True,), "false": (False,), "both": (True, False)}
SEPARATE = "separate_"  # prefix of the second run's figures and files, where there are two
STRIP_SIDE, FILM_SIDE = 480, film.SIDE  # pixels of a panel
HEADLINE = (
    "Ten times a second it imagines hundreds of ways to drive on, asks of each what would happen, and sends the best.",
    "Live over ROS 2, in simulated rooms it has never seen. What is imagined is latent: no pixel is ever generated.",
)


def run_demo(
    output: Path = Path("demo_output"),
    composed: str = "true",
    pose_episodes: int = 10,
    image_episodes: int = 5,
    seed: int = FIRST_TEST_SEED,
    checkpoint: Path | None = None,
    json: Path | None = None,
) -> int:
    """Writes scorecard.json, filmstrip.png, demo.mp4 and demo.mcap into ``output``; exit status 0: the world model won.

    composed: "true", "false" or "both". Rooms: from ``seed`` on, every other one with its straight way blocked.
    """
    if composed not in WAYS:
        raise LatentworldError(f"composed: expected true, false or both, got {composed}")
    rooms = [
        Room(seed + i, bool(i % 2), GoalKind.POSE if i < pose_episodes else GoalKind.IMAGE)
        for i in range(pose_episodes + image_episodes)
    ]
    if not rooms:
        raise LatentworldError("demo: expected at least one episode, got none")
    torch.set_num_threads(1)
    model = checkpoints.load(checkpoint)  # before anything is started: a bad file is said at once
    output.mkdir(parents=True, exist_ok=True)
    _end_in_order()
    with _alone(output):
        return _run(output, composed, rooms, model, checkpoint, json)


def _run(
    output: Path, composed: str, rooms: list[Room], model: WorldModel, checkpoint: Path | None, json: Path | None
) -> int:
    console = Console()
    drives: list[Recorded] = []
    figures: dict[str, float] = {}
    for way in WAYS[composed]:
        prefix = SEPARATE if figures else ""
        bag = output / f"{prefix}demo.mcap"
        with report.LiveReport(console, len(rooms)) as live:
            cores = run(rooms, way, bag, checkpoint, TOLERANCE, TIME_LIMIT, live)
        driven = recorded(bag)
        figures |= {prefix + name: value for name, value in scoring.figures(driven, cores).items()}
        drives = drives or driven
    rivals = _rivals(console, rooms, figures)
    _write(figures, rooms, drives, model, composed, output / "scorecard.json", json)
    _tables(console, figures, rooms, composed)
    _draw(console, output, drives, rivals, model, figures)
    why = scoring.shortfalls(figures)
    if composed == "both":
        why += [f"one process a node: {line}" for line in scoring.shortfalls(figures, SEPARATE)]
    for line in why:
        console.print(f"[red]not won:[/] {line}", soft_wrap=True)
    if not why:
        console.print("[green]The world model won.[/]")
    written = ", ".join(str(path) for path in sorted(output.iterdir()) if path.is_file())
    console.print(f"Written: {written}", soft_wrap=True)
    return 1 if why else 0


def _rivals(console: Console, rooms: list[Room], figures: dict[str, float]) -> dict[str, dict[int, beside.Beside]]:
    tasks = [(room.seed, room.blocked) for room in rooms if room.kind == GoalKind.POSE]
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("the same rooms, other controllers", total=len(tasks) * len(beside.CONTROLLERS))
        rivals = beside.drive(tasks, TIME_LIMIT, lambda: progress.advance(bar))
    for name, driven in rivals.items():
        if driven:
            figures |= scoring.finite(summarise((one.result for one in driven.values()), f"{name}_"))
    return rivals


def _write(
    figures: dict[str, float],
    rooms: list[Room],
    drives: list[Recorded],
    model: WorldModel,
    composed: str,
    *paths: Path | None,
) -> None:
    settings = {
        "composed": composed, "model_id": model.model_id, "arrival_m": ARRIVAL, "tolerance_m": TOLERANCE,
        "time_limit_s": TIME_LIMIT, "rooms": [{**room._asdict(), "kind": room.kind.name} for room in rooms],
        "rates": "per simulated second",
        "camera_to_command": "exposure to first command of a plan from it, machine clock, DDS source timestamps",
        "rivals": "same rooms, goal pose, in process without ROS, faster than real time",
        "episodes": [asdict(scoring.result(d)) | {"plan_ms": None, "message": d.drive.message} for d in drives],
    }  # fmt: skip
    for path in paths:
        if path is not None:
            write_figures(path, figures, settings)


def _tables(console: Console, figures: dict[str, float], rooms: list[Room], composed: str) -> None:
    poses = sum(room.kind == GoalKind.POSE for room in rooms)
    console.print(
        report.score_table(figures, f"unseen rooms: {poses} to a goal pose, {len(rooms) - poses} to a goal image")
    )
    names = {"true": ["one process"], "false": ["one process a node"], "both": ["one process", "one process a node"]}[
        composed
    ]
    console.print(report.loop_table(figures, list(zip(("", SEPARATE), names, strict=False))))


def _draw(
    console: Console,
    output: Path,
    drives: list[Recorded],
    rivals: dict[str, dict[int, beside.Beside]],
    model: WorldModel,
    figures: dict[str, float],
) -> None:
    believe = ConsequenceSimulator(model).free_space
    told = []
    for drive in drives:
        ways = {
            name: rivals[name][drive.drive.seed].way
            for name in ("blind", "reactive")
            if drive.drive.seed in rivals[name]
        }
        told.append(filmstrip.Told(drive, scoring.result(drive), ways))
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("drawing", total=1.0)
        world = World(drives[0].drive.seed, image_size=STRIP_SIDE)
        filmstrip.draw(output / "filmstrip.png", told, believe, world, "\n".join(HEADLINE))
        progress.update(bar, completed=0.15)
        world.image_size = FILM_SIDE
        film.draw(
            output / "demo.mp4", told, believe, world, "\n".join(HEADLINE), report.score_rows(figures),
            report.remarks(figures), lambda share: progress.update(bar, completed=0.15 + 0.85 * share),
        )  # fmt: skip
        world.close()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two demos that write the same bag would spoil it for each other."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise LatentworldError(f"demo: another one is writing to {folder}; expected another --out") from None
    finally:
        os.close(handle)


def _end_in_order() -> None:
    """A request to end is like Ctrl-C: what was started is stopped on the way out."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
