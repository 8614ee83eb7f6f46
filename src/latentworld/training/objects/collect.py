"""Rooms looked at from anywhere, rearranged, and looked at again under another light: what objects are learned from.

Columns of the data set, an episode a room:

pixels     (N, 64, 64, 3) uint8
depth      (N, 64, 64)    uint16, millimetres
object     (N, 64, 64)    int8, which object a pixel shows, -1 for none
middle     (N, MOST, 2)   float32, x, y of each object's middle from the base, NaN where there is none
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from latentworld.sim.world import World
from latentworld.training.driving.drivers import free_distance, random_point
from latentworld.training.episodes import gather
from latentworld.training.objects.recipe import ViewSettings
from latentworld.types import LatentworldError

MOST = 16  # objects of a room
CLEAR = 0.25  # metres about a pose that is looked from: a base could stand there
APART = 0.35  # metres from where an object is put to what stands there
MOVED = 0.5  # share of the objects that stand elsewhere the second time
TRIES = 30

_world: World | None = None


def look(settings: ViewSettings, seed: int) -> dict[str, np.ndarray]:
    """One room."""
    global _world
    rng = np.random.default_rng([seed, 12])
    moving = int(rng.integers(0, settings.moving + 1))
    if _world is None:
        _world = World(seed)
    _world.reset(seed, moving=moving)
    parts = [_views(_world, rng, settings.views // 2)]
    rearrange(_world, rng, MOVED)
    _world.relight(seed + 1)
    parts.append(_views(_world, rng, settings.views - settings.views // 2))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def rearrange(world: World, rng: np.random.Generator, share: float) -> list[int]:
    """Put some obstacles where there is room for them; answers which."""
    moved = []
    for index, obstacle in enumerate(world.room.obstacles):
        if obstacle.shape.against_wall or rng.random() > share:
            continue
        reach = obstacle.shape.reach
        for _ in range(TRIES):
            point = random_point(world, rng)
            clear = free_distance(world, point[None])[0]
            far = np.hypot(*(world.obstacle_positions()[index] - point)) > 2 * reach
            if far and clear > reach + 0.05 and np.hypot(*(world.truth().pose[:2] - point)) > reach + APART:
                world.place_obstacle(index, *point)
                moved.append(index)
                break
    return moved


def _views(world: World, rng: np.random.Generator, count: int) -> dict[str, np.ndarray]:
    side = world.image_size
    pixels, depth = np.empty((count, side, side, 3), np.uint8), np.empty((count, side, side), np.uint16)
    shown, middle = np.empty((count, side, side), np.int8), np.full((count, MOST, 2), np.nan, np.float32)
    for row in range(count):
        for _ in range(TRIES):
            point = random_point(world, rng)
            if free_distance(world, point[None])[0] > CLEAR:
                break
        pose = np.append(point, rng.uniform(-np.pi, np.pi))
        frame = world.view(pose)
        pixels[row], depth[row] = frame.rgb, np.round(1000 * frame.depth)
        shown[row] = world.objects_in_view(pose)
        places = seen_from(pose, world.object_positions())
        middle[row, : len(places)] = places
    return {"pixels": pixels, "depth": depth, "object": shown, "middle": middle}


def seen_from(pose: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (N, 2) as seen from a base at ``pose`` (x, y, yaw)."""
    c, s = np.cos(pose[2]), np.sin(pose[2])
    return (points - pose[:2]) @ np.array([[c, -s], [s, c]])


def collect(path: str | Path, settings: ViewSettings, workers: int = 2) -> dict[str, float]:
    gather(path, settings, settings.rooms, look, "rooms", workers)
    with h5py.File(path, "r") as file:
        return {"rooms": float(len(file["ep_len"])), "views": float(len(file["pixels"]))}


class RoomViews:
    """Reads a data set."""

    def __init__(self, path: str | Path):
        try:
            self.file = h5py.File(path, "r")
            self.lengths, self.offsets = self.file["ep_len"][:], self.file["ep_offset"][:]
        except (OSError, KeyError) as error:
            raise LatentworldError(f"dataset {path}: expected views of rooms: {error}") from None

    def __len__(self) -> int:
        return len(self.lengths)

    def room(self, number: int, views: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        """pixels, depth, object and middle of some of its views, ascending (default: all)."""
        begin, count = int(self.offsets[number]), int(self.lengths[number])
        rows = begin + (np.arange(count) if views is None else views)
        return tuple(self.file[name][rows] for name in ("pixels", "depth", "object", "middle"))
