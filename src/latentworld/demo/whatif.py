"""What would happen if? One command is imagined, then carried out in the simulator, and both are shown beside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from latentworld.agent import Agent
from latentworld.demo.pictures import colours
from latentworld.demo.pictures.camera_view import CameraView
from latentworld.demo.pictures.futures import Future
from latentworld.demo.pictures.lettering import write
from latentworld.demo.pictures.top_view import TopView
from latentworld.sim.world import PERIOD, Truth, World
from latentworld.types import Action, Consequences, FreeSpace, LatentworldError

STEP = 0.2  # s of an imagined step
LOOKS = 10  # frames that the robot has seen when it is asked
SIDE, HEAD = 480, 64  # pixels of a picture, and of what is written above it
LEARNED = 3.0  # s: as far ahead as the shipped model was trained


@dataclass(frozen=True, slots=True)
class Outcome:
    """imagined: K = 1, from the same moment as truths, one a step."""

    imagined: Consequences
    truths: tuple[Truth, ...]
    start: np.ndarray

    @property
    def risk(self) -> float:
        return float(np.maximum(self.imagined.contact, self.imagined.drop).max())

    @property
    def touched(self) -> bool:
        return any(t.contact or t.dropped for t in self.truths)

    @property
    def off(self) -> float:
        """Metres between where the base was expected and where it came to be, at the end."""
        return float(np.hypot(*(self.imagined.poses[0, -1, :2] - self.truths[-1].pose[:2])))


def run_whatif(
    linear: float,
    angular: float,
    seconds: float,
    seed: int,
    blocked: bool | None,
    moving: int,
    checkpoint: Path | None,
    output: Path,
) -> dict[str, float]:
    """Imagine ``linear`` m/s and ``angular`` rad/s for ``seconds``, then do it; writes a PNG, prints, returns figures.

    The robot first stands for a second in the room of ``seed`` and looks.
    """
    if not (np.isfinite([linear, angular]).all() and 0 < seconds <= 10):
        raise LatentworldError(
            f"whatif: expected finite speeds and up to 10 seconds, got {linear} m/s, {angular} rad/s, {seconds} s"
        )
    agent, world = Agent.load(checkpoint), World(seed, blocked, moving=moving)
    action = None
    for _ in range(LOOKS):
        state = agent.observe(world.frame(), world.odometry(), action)
        action = Action(state.stamp, 0.0, 0.0)
        world.step(0.0, 0.0)
    state = agent.observe(world.frame(), world.odometry(), action)
    steps = max(1, round(seconds / STEP))
    command = np.tile(np.float32([linear, angular]), (1, steps, 1))
    imagined, space = agent.simulator.simulate(state, command, STEP), agent.simulator.free_space(state)
    world.image_size = SIDE
    start = world.truth().pose
    future = _future(imagined, start)
    camera = CameraView(world).draw(start, [], future, None)
    above = TopView(world, SIDE)
    outcome = Outcome(imagined, _carry_out(world, linear, angular, steps), start)
    _draw(output, outcome, camera, above, space, f"{linear:g} m/s, {angular:g} rad/s for {steps * STEP:g} s")
    _print(outcome, seconds)
    return {
        "risk": outcome.risk,
        "touched": float(outcome.touched),
        "position_error_m": outcome.off,
        "least_clearance_m": float(imagined.clearance.min()),
    }


def _carry_out(world: World, linear: float, angular: float, steps: int) -> tuple[Truth, ...]:
    truths = []
    for _ in range(steps):
        touched = False
        for _ in range(round(STEP / PERIOD)):
            world.step(linear, angular)
            touched |= world.truth().contact
        now = world.truth()
        truths.append(Truth(now.pose, touched, now.dropped, now.contacts))
    return tuple(truths)


def _future(imagined: Consequences, start: np.ndarray) -> Future:
    risk = np.maximum.accumulate(np.maximum(imagined.contact[0], imagined.drop[0]))
    return Future(np.concatenate([start[None], imagined.poses[0]]), risk)


def _draw(output: Path, outcome: Outcome, camera: np.ndarray, top: TopView, space: FreeSpace, asked: str) -> None:
    future = _future(outcome.imagined, outcome.start)
    driven = np.stack([outcome.start, *(t.pose for t in outcome.truths)])[:, :2]
    believed, real = top.believed(space), top.real.copy()
    for picture in (believed, real):
        top.driven(picture, driven, width=6)
        top.futures(picture, [], future)
        top.robot(picture, outcome.start)
        top.robot(picture, outcome.truths[-1].pose)
    page = np.empty((HEAD + SIDE, 3 * SIDE, 3), np.uint8)
    page[:] = colours.BACKGROUND
    page[HEAD:] = np.concatenate([camera, believed, real], 1)
    titles = ("what it sees, and expects to sweep", "what it believes of the room", "what really happens (blue)")
    for i, text in enumerate(titles):
        write(page, text, i * SIDE + 12, HEAD - 26, colours.FAINT, 15)
    came = "it touched something" if outcome.touched else "it touched nothing"
    headline = (
        f"What if {asked}?  Risk {outcome.risk:.0%}; {came}; {100 * outcome.off:.0f} cm from where it was expected"
    )
    write(page, headline, 12, 8, colours.TEXT, 19, bold=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(output), cv2.cvtColor(page, cv2.COLOR_RGB2BGR)):
        raise LatentworldError(f"whatif: cannot write {output}")


def _print(outcome: Outcome, seconds: float) -> None:
    table = Table("after", "expected x, y", "came x, y", "off", "contact", "drop", "clearance", "came", title="What if")
    for i, truth in enumerate(outcome.truths):
        expected, c = outcome.imagined.poses[0, i], outcome.imagined
        happened = "fell" if truth.dropped else "touched" if truth.contact else ""
        table.add_row(
            f"{(i + 1) * STEP:.1f} s", "{:.2f}, {:.2f}".format(*expected[:2]), "{:.2f}, {:.2f}".format(*truth.pose[:2]),
            f"{100 * np.hypot(*(expected[:2] - truth.pose[:2])):.0f} cm", f"{c.contact[0, i]:.0%}",
            f"{c.drop[0, i]:.0%}", f"{c.clearance[0, i]:.2f} m", happened,
        )  # fmt: skip
    console = Console()
    console.print(table)
    if seconds > LEARNED:
        console.print(f"Beyond {LEARNED:g} s the model was never trained: read those rows as a guess.")
