"""Rooms that are driven through, left, and come back to under another light: what a memory should make of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

from latentworld.agent import Agent
from latentworld.sim.world import World
from latentworld.training.driving.drivers import anywhere, free_distance
from latentworld.types import Action, Latent, WorldState

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
    """One frame: the belief without what only the model reads, its latent, and the true pose (3,) in odom."""

    state: WorldState
    latent: Latent
    truth: np.ndarray


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


def visit(checkpoint: str | None, settings: MemorySettings, seed: int) -> MemoryRoom:
    """One room in a worker process, which keeps its world and its agent. Rooms beyond those remembered are new."""
    global _world, _agent
    if _world is None:
        torch.set_num_threads(1)
        _world, _agent = World(seed), Agent.load(checkpoint)
    rng = np.random.default_rng([seed, 0])
    _world.reset(seed)
    if seed >= settings.first_seed + settings.rooms:
        _world.relight(seed + 1)
        back = list(driven(_world, _agent, rng, settings.return_frames))[:: settings.every]
        return MemoryRoom(seed, [], back, np.empty((0, 3)), np.empty((0, 0)))
    drive = list(driven(_world, _agent, rng, settings.frames))
    poses = asked_poses(_world, np.array([seen.truth for seen in drive]), rng, settings.asked)
    _world.reset(seed)  # what was pushed stands where it stood
    views = np.array([_agent.encoder.encode(_world.view(pose)).vector for pose in poses])
    _world.relight(seed + 1)
    back = list(driven(_world, _agent, rng, settings.return_frames))[:: settings.every]
    return MemoryRoom(seed, drive, back, poses, views)


def driven(world: World, agent: Agent, rng: np.random.Generator, frames: int) -> Iterator[Seen]:
    """What is seen on a scripted drive that begins anywhere."""
    agent.reset()
    driver, command = anywhere(world, rng), None
    for _ in range(frames):
        truth = world.truth()
        if truth.dropped:
            return
        latent = agent.encoder.encode(world.frame())
        agent.tracker.odometry(world.odometry())
        if command is not None:
            agent.tracker.command(command)
        state, _ = agent.tracker.observe(latent)
        kept = latent.first(agent.model.config.kept_dim)
        yield Seen(replace(state, belief=np.empty(0, np.float32)), kept, truth.pose)
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
