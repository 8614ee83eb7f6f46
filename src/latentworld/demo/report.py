"""What a demo says while it runs, and the tables it ends with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from latentworld.demo.live_run import Room, Watcher
from latentworld.ros.demo_client import Drive, Status
from latentworld.types import GoalKind

NAMES = {
    "pose": "world model",
    "separate_pose": "world model, one process a node",
    "image": "world model, goal image",
    "separate_image": "… one process a node",
    "blind": "blind",
    "reactive": "depth-reactive",
    "oracle": "oracle",
}
COLUMNS = {
    "success": "success",
    "clean": "clean",
    "clean_blocked": "clean, blocked",
    "contact": "contact",
    "drop": "drop",
}


class LiveReport(Watcher):
    """One line that is always true now, and one that stays for each drive that is over. Use as a context manager."""

    def __init__(self, console: Console, rooms: int) -> None:
        self._console, self._rooms = console, rooms
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._last: Status | None = None

    def __enter__(self) -> LiveReport:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def starting(self, composed: bool, domain: int) -> None:
        how = "all that thinks in one process" if composed else "one process a node"
        self._say(f"Starting simulator, robot ({how}) and command gate; ROS domain {domain}")

    def driving(self, index: int, room: Room, status: Status) -> None:
        self._last = status
        if self._console.is_terminal:
            risk = status.risk
            line = Text(f"{self._name(index, room.seed, room.blocked, room.kind)}  ")
            line.append(f"{status.elapsed:5.1f} s  {status.distance:5.2f} m to go  plan {status.plan_ms:3.0f} ms  ")
            line.append(f"risk {risk:4.2f}" if math.isfinite(risk) else "risk    –", "red" if risk > 0.3 else "")
            line.append(f"  surprise {status.surprise:+5.1f} σ", "magenta" if status.surprise > 3 else "")
            line.append(f"  contacts {status.contacts}", "red" if status.contacts else "dim")
            self._live.update(line, refresh=True)

    def driven(self, drive: Drive) -> None:
        last = self._last
        line = Text(f"{self._name(drive.index, drive.seed, drive.blocked, GoalKind(drive.kind))}  ")
        ended = "says it is there" if drive.code == 0 else drive.message
        line.append(f"{(drive.ended - drive.began) / 1e9:5.1f} s  ")
        if last is not None:
            line.append(
                f"{last.distance:5.2f} m from the goal  contacts {last.contacts}  ", "red" if last.contacts else ""
            )
        line.append(ended, "green" if drive.code == 0 else "yellow")
        self._say(line)

    def _say(self, line: Text | str) -> None:
        self._console.print(line, soft_wrap=True)

    def _name(self, index: int, seed: int, blocked: bool, kind: GoalKind) -> str:
        return f"{index + 1:2d}/{self._rooms} room {seed} {'blocked' if blocked else 'free   '} {kind.name.lower():5s}"


def score_rows(figures: Mapping[str, float]) -> list[tuple[str, list[str]]]:
    """The head, then a row for each that drove."""
    rows = [("", list(COLUMNS.values()))]
    for prefix, name in NAMES.items():
        if f"{prefix}_success" in figures:
            cells = [figures.get(f"{prefix}_{column}", math.nan) for column in COLUMNS]
            rows.append((name, ["–" if math.isnan(cell) else f"{cell:.0%}" for cell in cells]))
    return rows


def score_table(figures: Mapping[str, float], rooms: str) -> Table:
    (_, head), *rows = score_rows(figures)
    table = Table("", *head, title=f"Driving to a goal in {rooms}", title_justify="left", caption_justify="left")
    table.caption = (
        "World model: live over ROS. The others: same rooms and goal poses, without ROS, faster than real time"
    )
    for name, cells in rows:
        table.add_row(name, *cells, style="bold" if name.startswith(("world", "…")) else "")
    return table


def remarks(figures: Mapping[str, float]) -> list[str]:
    """What to know beside the scores, a line each."""

    def of(name: str) -> str:
        return f"{figures[name]:.0f}" if name in figures else "–"

    return [
        "world model: live over ROS 2; the others: in the same rooms to a goal pose, without ROS",
        f"a plan in {of('plan_ms_p50')} ms (p99 {of('plan_ms_p99')}, deadline {of('deadline_ms')}), "
        f"{of('control_hz')} times a second",
        f"from camera to command {of('camera_to_command_ms_p50')} ms (p99 {of('camera_to_command_ms_p99')})",
    ]


def loop_table(figures: Mapping[str, float], ways: Sequence[tuple[str, str]]) -> Table:
    """How fast and how costly the loop was; a column for each (prefix, name) of ``ways``."""
    table = Table("", *(name for _, name in ways), title="The loop", title_justify="left", caption_justify="left")
    table.caption = (
        "Rates per simulated second. Camera to command: from the moment of exposure until the gate sent the first "
        "command of a plan made from that frame, by this machine's clock (DDS source timestamps)"
    )

    def row(name: str, *parts: tuple[str, str]) -> None:
        cells = []
        for prefix, _ in ways:
            values = [(figures.get(prefix + key), form) for key, form in parts]
            cells.append(" / ".join("–" if value is None else format(value, form) for value, form in values))
        table.add_row(name, *cells)

    row("plan time p50 / p99 (ms)", ("plan_ms_p50", ".1f"), ("plan_ms_p99", ".1f"))
    row("plans within the deadline / deadline (ms)", ("plans_in_time", ".1%"), ("deadline_ms", ".0f"))
    row("plans / commands (Hz)", ("control_hz", ".1f"), ("command_hz", ".1f"))
    row("camera to command p50 / p99 (ms)", ("camera_to_command_ms_p50", ".1f"), ("camera_to_command_ms_p99", ".1f"))
    row("real time factor", ("real_time_factor", ".2f"))
    row("CPU, all that thinks (cores)", ("cpu_thinking", ".2f"))
    known = dict.fromkeys(key[key.index("cpu_") :] for key in figures if "cpu_" in key)
    for name in known:
        if name != "cpu_thinking":
            row(f"CPU, {name.removeprefix('cpu_')} (cores)", (name, ".2f"))
    return table
