"""How long the visual_memory node takes to answer another process, over DDS, while it goes on writing.

    ./latentworld benchmark memory_ros --rows 1000000 --json memory_ros.json

The memory is that of benchmark/memory.py. Latents and beliefs of a robot on its way come at 10 Hz, and each is kept; in
between it is asked by turns: by latent over a whole life, by place, by time, and by latent, place and time together.
Timed is what who asks waits: from the request to the answer in hand.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Optional

import numpy as np
import rclpy
import typer
from geometry_msgs.msg import Pose2D
from latentworld_ros import msg
from latentworld_ros.srv import QueryMemory
from memory import BEGIN, FLAT, FRAME, RADIUS, SPAN, Drive, Questions, fill, percentiles
from rclpy.executors import SingleThreadedExecutor
from rich.console import Console
from rich.progress import track
from rich.table import Table

from latentworld.evaluation.figures import write_figures
from latentworld.memory import VisualMemory
from latentworld.model.checkpoint import load
from latentworld.ros import qos
from latentworld.ros.codecs import latent_to_message, state_to_message, to_time
from latentworld.ros.domain import unused_domain
from latentworld.ros.tensors import to_tensor
from latentworld.types import NANOSECONDS, Latent, LatentworldError, WorldState

PERIOD, STEP = 0.1, 0.3  # s from one frame to the next, metres that the robot is farther then: far enough to be kept
START, ANSWER = 120.0, 10.0  # s until the node is up, and that one answer may take
KINDS = ("latent", "place", "time", "together")


class Asker:
    """Publishes what is seen, and asks. latents: (N, D), of both."""

    def __init__(self, domain: int, model_id: str, latents: np.ndarray, rows: int):
        self.model_id, self.latents, self.rows = model_id, latents, rows
        self.random, self.seen = np.random.default_rng(3), 0
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context, domain_id=domain)
        self.node = rclpy.create_node("asker", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.client = self.node.create_client(QueryMemory, "query_memory")
        self.observations = self.node.create_publisher(msg.LatentObservation, "latent_observation", qos.latent())
        self.states = self.node.create_publisher(msg.WorldState, "world_state", qos.belief())

    def begin(self, alive: subprocess.Popen) -> None:
        """Waits for the node, then shows it frames."""
        give_up = time.monotonic() + START
        while not (self.client.service_is_ready() and self.states.get_subscription_count()):
            if alive.poll() is not None or time.monotonic() > give_up:
                raise LatentworldError(f"benchmark memory_ros: expected the node within {START:.0f} s, it is not there")
            self.executor.spin_once(timeout_sec=0.1)
        self.node.create_timer(PERIOD, self._show)

    def _show(self) -> None:
        stamp, nothing = time.time_ns(), np.zeros(3, np.float32)
        latent = Latent(stamp, self.model_id, self.latents[self.seen % len(self.latents)])
        pose, speed = np.array([STEP * self.seen, 0.0, 0.0]), np.array([STEP / PERIOD, 0.0, 0.0])
        self.observations.publish(latent_to_message(latent))
        state = WorldState(stamp, stamp, self.model_id, pose, speed, nothing, np.zeros(1, np.float32), p_value=0.5)
        self.states.publish(state_to_message(state))
        self.seen += 1

    def request(self, kind: str) -> QueryMemory.Request:
        request = QueryMemory.Request(limit=10)
        if kind in ("latent", "together"):
            latent = self.latents[self.random.integers(len(self.latents))]
            request.latent, request.model_id = to_tensor(latent), self.model_id
        if kind in ("place", "together"):
            x, y = self.random.uniform((0, 0), FLAT)
            request.use_place, request.place, request.frame_id = True, Pose2D(x=x, y=y), FRAME
        if kind in ("time", "together"):
            after = BEGIN + int(self.random.integers(max(self.rows - SPAN, 1))) * NANOSECONDS
            request.after = to_time(after)
        if kind == "together":
            request.radius, request.before = RADIUS, to_time(after + SPAN * NANOSECONDS)
        return request

    def ask(self, kind: str) -> float:
        """Milliseconds from the request to the answer."""
        request = self.request(kind)
        began = time.perf_counter()
        future = self.client.call_async(request)
        self.executor.spin_until_future_complete(future, ANSWER)
        took = time.perf_counter() - began
        if not future.done() or not future.result().success:
            said = future.result().message if future.done() else f"nothing within {ANSWER:.0f} s"
            raise LatentworldError(f"benchmark memory_ros: expected an answer by {kind}, got: {said}")
        return 1e3 * took

    def wait(self, until: float) -> None:
        """Goes on showing frames."""
        while (left := until - time.perf_counter()) > 0:
            self.executor.spin_once(timeout_sec=left)

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


def asked(path: Path, model_id: str, latents: np.ndarray, rows: int, queries: int) -> dict[str, float]:
    """``queries`` of each kind, by turns, ten of each beforehand; one every 50 ms, if answers are faster."""
    domain = unused_domain()
    command = [sys.executable, "-c", "from latentworld.ros.executables import visual_memory as main; main()"]
    command += ["--ros-args", "-p", f"path:={path}"]
    node = subprocess.Popen(command, env={**os.environ, "ROS_DOMAIN_ID": str(domain)})
    asker = Asker(domain, model_id, latents, rows)
    spent: dict[str, list[float]] = {kind: [] for kind in KINDS}
    try:
        asker.begin(node)
        for turn in track(range(queries + 10), "questions"):
            for kind in KINDS:
                began = time.perf_counter()
                took = asker.ask(kind)
                if turn >= 10:
                    spent[kind].append(took)
                asker.wait(began + PERIOD / 2)
    finally:
        asker.close()
        node.send_signal(signal.SIGINT)
        node.wait()
    figures = percentiles("ros", [ms for times in spent.values() for ms in times]) | {"shown": float(asker.seen)}
    for kind, times in spent.items():
        figures |= percentiles(f"ros_{kind}", times)
    return figures


def main(
    file: Annotated[Optional[Path], typer.Option("--json", metavar="F", help="File to write figures to.")] = None,
    rows: Annotated[int, typer.Option(min=20_000, help="Keyframes that it begins with.")] = 1_000_000,
    queries: Annotated[int, typer.Option(min=20, help="Of each kind.")] = 300,
    seed: int = 0,
) -> None:
    """How long the visual_memory node takes to answer."""
    model = load()
    drive = Drive(model.config.kept_dim, model.config.descriptor_dim, seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "memory.sqlite"
        questions = Questions(drive, queries)
        fill(path, drive, rows, questions, [], lambda count: None, model_id=model.model_id)
        figures = asked(path, model.model_id, questions.latents, rows, queries)
        with VisualMemory(path) as memory:
            figures["kept"] = float(len(memory) - rows)
    table = Table("figure", "value", title=f"{rows:,} keyframes, and ten more a second")
    for name, value in figures.items():
        table.add_row(name, f"{value:,.2f}")
    Console().print(table)
    write_figures(file, figures, {"rows": rows, "queries": queries, "seed": seed})


if __name__ == "__main__":
    typer.run(main)
