"""Rooms looked at from clusters of poses, under two lights: what telling views and places apart is learned from.

A base cannot move sideways, so that drives hardly ever show one heading from two places side by side: who learns from
drives alone takes views half a metre apart for the same. Columns of the data set, an episode a room:

pixels, depth, known, flat, flat_known   pictures in the model's view, as in ``drives``
pose                                     (N, 3) float32, x, y, yaw
light                                    (N,) uint8, under which of the room's two lights
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from latentworld.perception.canonical_view import CanonicalView
from latentworld.sim.world import World
from latentworld.training.driving.collect import seen, world_for
from latentworld.training.driving.drivers import free_distance, random_point
from latentworld.training.driving.drives import Images
from latentworld.training.episodes import gather
from latentworld.types import LatentworldError

CLEAR = 0.22  # metres about a pose that is looked from: a base could stand there
CLOSE = (0.2, 0.2)  # metres, radians about a place within which its second view is taken
NEAR = (1.0, 0.6)  # the same of all further views
TRIES = 50


@dataclass(frozen=True, slots=True)
class GallerySettings:
    rooms: int = 1500
    first_seed: int = 0
    places: int = 10  # a room
    views: int = 6  # of each place, the place's own pose included
    fleet: bool = False  # a robot drawn at random for each room, instead of the shipped one
    wide: bool = False  # rooms of many kinds, with photographed surfaces


_world: World | None = None


def look(settings: GallerySettings, seed: int) -> dict[str, np.ndarray]:
    """One room."""
    global _world
    rng = np.random.default_rng([seed, 11])
    _world = world_for(_world, seed, settings.fleet, settings.wide)
    _world.reset(seed)
    eye = CanonicalView(_world.robot)
    poses = np.concatenate([_cluster(_world, rng, settings.views) for _ in range(settings.places)])
    light = rng.integers(0, 2, len(poses)).astype(np.uint8)
    views: list[dict[str, np.ndarray]] = [{} for _ in poses]
    for number in (0, 1):
        if number:
            _world.relight(seed + 1)
        for row in np.flatnonzero(light == number):
            views[row] = seen(eye, _world.view(poses[row]))
    pictures = {name: np.stack([view[name] for view in views]) for name in views[0]}
    return pictures | {"pose": poses.astype(np.float32), "light": light}


def _cluster(world: World, rng: np.random.Generator, views: int) -> np.ndarray:
    """Poses (views, 3): a place, one close to it, and others near it in any direction."""
    place = np.append(_somewhere(world, lambda: random_point(world, rng)), rng.uniform(-np.pi, np.pi))
    poses = [place]
    while len(poses) < views:
        reach, turned = CLOSE if len(poses) == 1 else NEAR

        def beside(reach: float = reach) -> np.ndarray:
            bearing, far = rng.uniform(-np.pi, np.pi), reach * rng.random()
            return place[:2] + far * np.array([np.cos(bearing), np.sin(bearing)])

        poses.append(np.append(_somewhere(world, beside), place[2] + rng.uniform(-turned, turned)))
    return np.array(poses)


def _somewhere(world: World, draw: Callable[[], np.ndarray]) -> np.ndarray:
    """The first of a few points drawn at which a base could stand; else the last."""
    for _ in range(TRIES):
        point = draw()
        if free_distance(world, point[None])[0] > CLEAR:
            break
    return point


def collect(path: str | Path, settings: GallerySettings, workers: int = 2) -> dict[str, float]:
    """Look at rooms first_seed … first_seed + rooms and write what was seen; goes on where it was interrupted."""
    gather(path, settings, settings.rooms, look, "rooms", workers)
    with h5py.File(path, "r") as file:
        return {"galleries": float(len(file["ep_len"])), "views": float(len(file["pose"]))}


class Gallery:
    """Reads a data set. Poses live in memory; images are read as they are needed."""

    def __init__(self, path: str | Path):
        try:
            self.file = h5py.File(path, "r")
            self.lengths, self.offsets = self.file["ep_len"][:], self.file["ep_offset"][:]
            self.poses = self.file["pose"][:]
            self.pictures = [self.file[name] if name in self.file else None for name in Images._fields]
            if self.pictures[0] is None:
                raise KeyError("pixels")
        except (OSError, KeyError) as error:
            raise LatentworldError(
                f"dataset {path}: expected a gallery (`latentworld collect` makes one): {error}"
            ) from None

    def __len__(self) -> int:
        return len(self.lengths)

    def room(self, number: int) -> tuple[Images, np.ndarray]:
        """N views of a room, and their poses (N, 3)."""
        rows = slice(self.offsets[number], self.offsets[number] + self.lengths[number])
        return Images(*(None if part is None else part[rows] for part in self.pictures)), self.poses[rows]
