"""Where was it last? Rooms that are driven through, things that are then put elsewhere, and another look around."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from latentworld.agent import Agent
from latentworld.evaluation.memory_rooms import detector, driven
from latentworld.memory import VisualMemory
from latentworld.perception.objects import ObjectDetector
from latentworld.sim.world import World
from latentworld.training.objects.collect import rearrange, seen_from
from latentworld.types import Frame

CLEAR, FILLING = 80, 1600  # pixels of 4096 on which a thing has been seen, and with its surroundings
RIGHT = 0.5  # metres within which an answer is right
KNOWN = 0.5  # metres from where a thing stands within which what is found is it


@dataclass(frozen=True, slots=True)
class ObjectSettings:
    frames: int = 1500  # of the drive before things are moved
    frames_after: int = 600
    moved: float = 0.5  # share of the things that stand free


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing: was it moved, was it seen after that, and by how many metres was the answer wrong (NaN: none)?"""

    moved: bool
    seen_after: bool
    off: float

    @property
    def right(self) -> bool:
        return self.off <= RIGHT


@dataclass(slots=True)
class _Known:
    """What the simulator knows of one thing: the frame that showed it best before, and where it was seen since its last
    clear view (places as the robot believes them).
    """

    pixels: int = 0
    frame: Frame | None = None
    place: np.ndarray | None = None  # from the base, in that frame
    last: list[np.ndarray] | None = None
    after: bool = False


_world: World | None = None
_agent: Agent | None = None
_detector: ObjectDetector | None = None


def last_seen(checkpoint_file: str | None, finder: str | None, settings: ObjectSettings, seed: int) -> list[Asked]:
    """One room in a worker process, which keeps its world and its models."""
    global _world, _agent, _detector
    if _world is None:
        torch.set_num_threads(1)
        _world, _agent, _detector = World(seed), Agent.load(checkpoint_file), detector(finder)
    rng = np.random.default_rng([seed, 5])
    _world.reset(seed)
    known, moved = [_Known() for _ in _world.room.obstacles], []
    with tempfile.TemporaryDirectory() as folder:
        with VisualMemory(Path(folder) / "memory.sqlite", _agent.model.model_id) as memory:
            drive = driven(_world, _agent, rng, settings.frames + settings.frames_after)
            for number, seen in enumerate(drive):
                after = number >= settings.frames
                if number == settings.frames:
                    moved = rearrange(_world, rng, settings.moved)
                frame = _world.frame()
                memory.consider(seen.state, seen.latent, objects=partial(_detector.find, frame))
                _note(known, _world, seen.state.pose, frame, after)
            memory.flush()
            return [_ask(memory, _detector, thing, i in moved) for i, thing in enumerate(known) if thing.pixels]


def figures_of(rooms: list[list[Asked]]) -> dict[str, float]:
    """Shares of answers that are right: of all things asked for, of those that were moved, of those that were not."""
    asked = [one for room in rooms for one in room]

    def share(some: list[Asked]) -> float:
        return float(np.mean([one.right for one in some])) if some else math.nan

    return {
        "last_seen_accuracy": share(asked),
        "last_seen_accuracy_moved": share([one for one in asked if one.moved]),
        "last_seen_accuracy_still": share([one for one in asked if not one.moved]),
        "things_asked": float(len(asked)), "things_moved": float(sum(one.moved for one in asked)),
    }  # fmt: skip


def _note(known: list[_Known], world: World, believed: np.ndarray, frame: Frame, after: bool) -> None:
    """What this frame shows, by the simulator."""
    pose = world.truth().pose
    shown = np.bincount(world.objects_in_view(pose).ravel() + 1, minlength=len(known) + 1)[1:]
    places = seen_from(pose, world.object_positions())
    c, s = np.cos(believed[2]), np.sin(believed[2])
    as_believed = places @ np.array([[c, s], [-s, c]]) + believed[:2]
    for index in np.flatnonzero(shown[: len(known)]):
        thing = known[index]
        if shown[index] >= CLEAR:
            thing.last, thing.after = [as_believed[index]], after
            if not after and thing.pixels < shown[index] <= FILLING:
                thing.pixels, thing.frame, thing.place = int(shown[index]), frame, places[index]
        elif thing.last is not None:
            thing.last.append(as_believed[index])


def _ask(memory: VisualMemory, finder: ObjectDetector, thing: _Known, moved: bool) -> Asked:
    """Shown the picture of it that was taken before, where was it seen last?"""
    objects = finder.find(thing.frame)
    far = np.hypot(*(objects.places - thing.place).T)
    found = memory.objects(like=objects, which=int(far.argmin())) if len(far) and far.min() <= KNOWN else ()
    off = min(math.dist(found[0].last.place, place) for place in thing.last) if found else math.nan
    return Asked(moved, thing.after, off)
