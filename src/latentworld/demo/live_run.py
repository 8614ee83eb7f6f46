"""The robot, live: simulator, nodes and gate as processes of their own, over DDS, driven through rooms, recorded."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

from latentworld.ros.demo_client import DemoClient, Drive, Status
from latentworld.ros.domain import unused_domain
from latentworld.ros.processes import Processes
from latentworld.ros.up import SEPARATE, commands, write_parameters
from latentworld.types import GoalKind, LatentworldError

START = 90.0  # s within which everything must be up


class Room(NamedTuple):
    seed: int
    blocked: bool
    kind: GoalKind


class Watcher:
    """What is told of a run while it goes on; does nothing."""

    def starting(self, composed: bool, domain: int) -> None: ...

    def driving(self, index: int, room: Room, status: Status) -> None: ...

    def driven(self, drive: Drive) -> None: ...


def run(
    rooms: Sequence[Room],
    composed: bool,
    bag: Path,
    checkpoint: Path | None,
    tolerance: float,
    time_limit: float,
    watcher: Watcher,
) -> dict[str, float]:
    """Drive all rooms; what was heard lies in ``bag`` then, what the processes said in a .log beside it.

    Returns how many cores each process was busy with on average, simulated and real time being meant to be the same.
    Call it from the main thread: the processes end with the thread that started them.
    """
    domain = unused_domain()
    os.environ |= {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    watcher.starting(composed, domain)
    log = bag.with_suffix(".log")
    with tempfile.TemporaryDirectory() as scratch, open(log, "w") as said, Processes() as processes:
        lines = commands(
            composed, simulator=True, params_files=[_parameters(scratch, rooms, checkpoint)], use_sim_time=True
        )
        environment = os.environ | {"ROS_HOME": str(scratch)}  # what this robot learns of itself is not kept
        for name, line in lines.items():
            processes.start(name, line, env=environment, stdout=said, stderr=said)

        def alive() -> None:
            if asked:
                raise KeyboardInterrupt
            for name, child in processes.children.items():
                if child.poll() is not None:
                    raise LatentworldError(f"demo: {name} ended with status {child.returncode}: {_last_line(log)}")

        with _noted_signals() as asked, DemoClient(domain, bag, alive) as client:
            client.wait_for_robot(START)
            meter = CpuMeter({name: child.pid for name, child in processes.children.items()})
            for index, room in enumerate(rooms):
                drive = client.drive(
                    index, room.seed, room.blocked, room.kind, tolerance, time_limit,
                    lambda status, index=index, room=room: watcher.driving(index, room, status),
                )  # fmt: skip
                watcher.driven(drive)
            return meter.cores()


@contextmanager
def _noted_signals() -> Iterator[list[int]]:
    """Requests to end are noted, not raised: amid rclpy's own code an exception may come out as anything."""
    asked: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda number, _: asked.append(number))
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class CpuMeter:
    """How busy processes are from now on; this one is among them as ``demo``."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in (pids | {"demo": os.getpid()}).items()}
        self._before, self._began = self._times(), time.monotonic()

    def cores(self) -> dict[str, float]:
        """Process -> cores, 1.0 being one that is always busy."""
        elapsed = time.monotonic() - self._began
        return {name: (now - self._before[name]) / elapsed for name, now in self._times().items()}

    def _times(self) -> dict[str, float]:
        times = {name: process.cpu_times() for name, process in self._processes.items()}
        return {name: t.user + t.system for name, t in times.items()}


def _parameters(folder: str, rooms: Sequence[Room], checkpoint: Path | None) -> Path:
    """What differs from the defaults: the first room, a memory that ends with the demo, the checkpoint."""
    parameters: dict[str, dict[str, object]] = {name: {} for name in SEPARATE}
    if checkpoint is not None:
        parameters = {name: {"checkpoint": str(checkpoint.resolve())} for name in SEPARATE}
    parameters["visual_memory"]["path"] = str(Path(folder) / "memory.sqlite")
    parameters["simulator"] = {"seed": rooms[0].seed, "blocked": rooms[0].blocked}
    path = Path(folder) / "demo.yaml"
    write_parameters(path, parameters)
    return path


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
