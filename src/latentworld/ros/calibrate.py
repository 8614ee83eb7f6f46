"""Scores of surprise in ordinary driving: out of a bag, or as the running nodes publish them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import rclpy
from latentworld_ros.msg import Surprise, WorldState
from rclpy.executors import SingleThreadedExecutor
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from latentworld.model import checkpoint as checkpoint_file
from latentworld.model.world_model import WorldModel
from latentworld.perception.encoder import PerceptionEncoder
from latentworld.robot import Robot
from latentworld.robot_state import kept_with
from latentworld.ros import qos, robots
from latentworld.ros.bag_frames import Topics, frames
from latentworld.ros.codecs import from_time
from latentworld.tracking.calibration import Calibration
from latentworld.tracking.tracker import WorldStateTracker
from latentworld.types import LatentworldError

MOVING = 0.02  # m/s or rad/s below which a robot stands: what stands is no ordinary driving
WARM_UP = 5  # frames of a drive before the belief knows enough to be asked


def calibrate(
    name: str, bags: Sequence[Path], topics: Topics, seconds: float, output: Path | None, checkpoint: Path | None
) -> Path:
    """From bags, or, where there are none, from the running nodes. Returns the file that was written."""
    robot, model = robots.described(name), checkpoint_file.load(checkpoint)
    scores: list[float] = []
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()) as progress:
        bar = progress.add_task("calibrate", total=None if bags else seconds)

        def note(score: float | None, done: float | None = None) -> None:
            if score is not None:
                scores.append(score)
            progress.update(bar, completed=done, description=f"calibrate: {len(scores)} frames of driving")

        for bag in bags:
            for score in from_bag(bag, topics, model, robot):
                note(score)
        if not bags:
            for elapsed, score in from_nodes(seconds):
                note(score, elapsed)
    path = output or kept_with(robot, "calibration.safetensors")
    Calibration.of(np.array(scores), robot, model.model_id).save(path)
    return path


def from_bag(path: Path, topics: Topics, model: WorldModel, robot: Robot) -> Iterator[float | None]:
    """For each frame of the bag its score; None where the robot stood, or had just begun."""
    encoder, tracker = PerceptionEncoder(model, robot), WorldStateTracker(model, robot=robot)
    for number, (frame, attitude) in enumerate(frames(path, topics, tracker)):
        state, surprise = tracker.observe(encoder.encode(frame, attitude))
        yield surprise.excess if number >= WARM_UP and moves(state.velocity) else None


def from_nodes(seconds: float) -> Iterator[tuple[float, float | None]]:
    """(seconds that have passed, score) as they come on the topic ``surprise``, for so long; None: the robot stands.

    Raises LatentworldError where no node publishes them.
    """
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    node = rclpy.create_node("calibrate", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    moving, came = {}, []

    def on_state(message: WorldState) -> None:
        velocity = [message.linear, message.angular, message.lateral]
        moving[from_time(message.observation_stamp)] = moves(velocity)
        while len(moving) > 50:
            del moving[next(iter(moving))]

    node.create_subscription(WorldState, "world_state", on_state, qos.belief())
    node.create_subscription(Surprise, "surprise", came.append, 50)
    began = time.monotonic()
    try:
        while (elapsed := time.monotonic() - began) < seconds:
            executor.spin_once(timeout_sec=0.1)
            while came:
                message = came.pop(0)
                yield elapsed, message.excess if moving.get(from_time(message.header.stamp), False) else None
        if not moving:
            raise LatentworldError(
                "calibrate: expected messages on surprise and world_state, got none; are the nodes up?"
            )
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()


def moves(velocity: np.ndarray | list[float]) -> bool:
    return bool(np.abs(velocity).max() > MOVING)
