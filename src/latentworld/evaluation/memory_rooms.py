"""Rooms that are driven through, left, and come back to under another light: what a memory should make of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

from latentworld.agent import Agent
from latentworld.memory import KeyframeGate, MemoryParameters
from latentworld.model.checkpoint import load, shipped
from latentworld.model.object_finder import ObjectFinder
from latentworld.perception.objects import ObjectDetector
from latentworld.sim.world import World
from latentworld.training.driving.drivers import anywhere, free_distance
from latentworld.types import Action, Frame, Latent, Objects, WorldState

FIRST_TEST_SEED = 2_600_000
CLEAR = 0.25  # metres about a pose that is asked for


@dataclass(frozen=True, slots=True)
class MemorySettings:
    rooms: int = 30  # remembered; as many others are seen for the first time when it is asked
    first_seed: int = FIRST_TEST_SEED
    frames: int = 3000  # of the drive that is remembered: five minutes, in which most of a room has been seen
    return_frames: int = 300  # of the drive under another light
    every: int = 5  # frames of that from one question to the next
    asked: int = 64  # poses a room, of which it is asked what would be seen


class Seen(NamedTuple):
    """One frame: the belief without what only the model reads, its latent, and the true pose (3,) in odom. objects:
    what it shows, of frames that a memory keeps and of those that are asked about.
    """

    state: WorldState
    latent: Latent
    truth: np.ndarray
    objects: Objects | None = None


@dataclass(frozen=True, slots=True)
class MemoryRoom:
    """drive: what is remembered, empty of a room that is new. back: of the drive under another light. poses: (Q, 3) in
    odom at which nobody stood, views: (Q, V) latents of what would have been seen there.
    """

    seed: int
    drive: list[Seen]
    back: list[Seen]
    poses: np.ndarray
    views: np.ndarray


_world: World | None = None
_agent: Agent | None = None
_detector: ObjectDetector | None = None


def visit(checkpoint: str | None, finder: str | None, settings: MemorySettings, seed: int) -> MemoryRoom:
    """One room in a worker process, which keeps its world and its models. Rooms beyond those remembered are new."""
    global _world, _agent, _detector
    if _world is None:
        torch.set_num_threads(1)
        _world, _agent, _detector = World(seed), Agent.load(checkpoint), detector(finder)
    rng = np.random.default_rng([seed, 0])
    _world.reset(seed)

    def asked(number: int, state: WorldState, frame: Frame) -> Objects | None:
        return _detector.find(frame) if number % settings.every == 0 else None

    if seed >= settings.first_seed + settings.rooms:
        _world.relight(seed + 1)
        back = list(driven(_world, _agent, rng, settings.return_frames, asked))[:: settings.every]
        return MemoryRoom(seed, [], back, np.empty((0, 3)), np.empty((0, 0)))
    gate = KeyframeGate(MemoryParameters())
    drive = list(
        driven(
            _world,
            _agent,
            rng,
            settings.frames,
            lambda _, state, frame: _detector.find(frame) if gate.keep(state) else None,
        )
    )
    poses = asked_poses(_world, np.array([seen.truth for seen in drive]), rng, settings.asked)
    _world.reset(seed)  # what was pushed stands where it stood
    views = np.array([_agent.encoder.encode(_world.view(pose)).vector for pose in poses])
    _world.relight(seed + 1)
    back = list(driven(_world, _agent, rng, settings.return_frames, asked))[:: settings.every]
    return MemoryRoom(seed, drive, back, poses, views)


def later(seen: Seen, by: int) -> tuple[WorldState, Latent, Objects | None]:
    """State, latent and objects with stamps ``by`` ns later."""
    stamp = seen.state.stamp + by
    state = replace(seen.state, stamp=stamp, observation_stamp=stamp)
    objects = None if seen.objects is None else replace(seen.objects, stamp=stamp)
    return state, replace(seen.latent, stamp=stamp), objects


def detector(finder: str | None) -> ObjectDetector:
    """With these weights, ``None``: the shipped ones."""
    return ObjectDetector(load(finder or shipped("objects-small"), ObjectFinder))


def driven(
    world: World, agent: Agent, rng: np.random.Generator, frames: int,
    find: Callable[[int, WorldState, Frame], Objects | None] = lambda number, state, frame: None,
) -> Iterator[Seen]:  # fmt: skip
    """What is seen on a scripted drive that begins anywhere. find: what a frame shows."""
    agent.reset()
    driver, command = anywhere(world, rng), None
    for number in range(frames):
        truth = world.truth()
        if truth.dropped:
            return
        frame = world.frame()
        latent = agent.encoder.encode(frame)
        agent.tracker.odometry(world.odometry())
        if command is not None:
            agent.tracker.command(command)
        state, _ = agent.tracker.observe(latent)
        kept = latent.first(agent.model.config.kept_dim)
        objects = find(number, state, frame)
        yield Seen(replace(state, belief=np.empty(0, np.float32)), kept, truth.pose, objects)
        command = Action(latent.stamp, *map(float, driver()))
        world.step(command.linear, command.angular)


def asked_poses(world: World, driven: np.ndarray, rng: np.random.Generator, count: int) -> np.ndarray:
    """Poses (count, 3) near where the robot was, under any heading: turn around, and what would be seen?"""
    found: list[np.ndarray] = []
    while len(found) < count:
        place = driven[rng.integers(len(driven)), :2] + rng.normal(0, 0.15, 2)
        if free_distance(world, place[None])[0] > CLEAR:
            found.append(np.append(place, rng.uniform(-np.pi, np.pi)))
    return np.array(found)
