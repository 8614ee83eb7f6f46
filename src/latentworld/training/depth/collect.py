"""Rooms of all kinds looked at through cameras of all kinds, turned level: what depth from colour is learned from.

Columns of the data set, an episode a room:

pixels     (N, 112, 192, 3) uint8, the level view; 0 where the camera shows nothing
kind       (N, 56, 96)      uint8, what each cell shows: FLOOR, ABOVE, BELOW, or NOTHING
nearness   (N, 56, 96)      float16, log(height of the camera / metres over the floor to what the cell shows)
height     (N,)             float32, metres of the camera above the floor, as it is described
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import h5py
import numpy as np

from latentworld.model.depth_estimator import ABOVE, BELOW, FLOOR
from latentworld.perception.level_view import CELL, LevelView
from latentworld.robot import Camera, Depth
from latentworld.sim.furniture import any_furniture
from latentworld.sim.sensors import SimulatedCamera
from latentworld.sim.wide_rooms import generate_wide_room
from latentworld.sim.world import World
from latentworld.training.depth.recipe import ViewSettings
from latentworld.training.driving.drivers import free_distance, random_point
from latentworld.training.driving.fleet import draw_robot
from latentworld.training.driving.photographs import photographs
from latentworld.training.episodes import gather
from latentworld.types import LatentworldError

NOTHING = 255
FAR = 14.0  # metres beyond which nothing is taught
STANDS, DROPS = 0.006, 0.03  # metres above and below the floor from which on a cell shows something else
CLEAR = 0.15  # metres about a pose that is looked from
TRIES = 50
HEADS = 0.25  # share of cameras that people carry
HEAD_HEIGHT, HEAD_PITCH, HEAD_ROLL = (1.3, 1.85), (-0.1, 0.65), 0.06  # metres, radians
BLOCK = 1000  # views that are read at once
SHOWN = 6  # cells from which on a drop counts as shown
EXACT = Depth(least=0.0, most=15.0, noise=0.0, holes=0.0)

_world: World | None = None


def look(settings: ViewSettings, seed: int) -> dict[str, np.ndarray]:
    """One room."""
    global _world
    rng = np.random.default_rng([seed, 17])
    if _world is None:
        rooms = partial(generate_wide_room, furniture=any_furniture)
        _world = World(seed, rooms=rooms, photographs=photographs() if settings.photographs else ())
    _world.reset(seed)
    rows = []
    for number in range(settings.cameras):
        if number == settings.cameras // 2:
            _world.relight(seed + 1)
        camera = draw_camera(rng)
        sensor = SimulatedCamera(camera, rng)
        level = LevelView(camera, (camera.intrinsics.height, camera.intrinsics.width))
        rows += [_view(_world, sensor, level, rng) for _ in range(settings.views)]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def draw_camera(rng: np.random.Generator) -> Camera:
    """Of a robot drawn at random, or on a person's head."""
    camera = replace(draw_robot(rng).camera, depth=EXACT)
    if rng.random() > HEADS:
        return camera
    z, pitch, roll = rng.uniform(*HEAD_HEIGHT), rng.uniform(*HEAD_PITCH), rng.normal(0, HEAD_ROLL)
    return replace(camera, mount=replace(camera.mount, z=float(z), pitch=float(pitch), roll=float(roll)))


def _view(world: World, sensor: SimulatedCamera, level: LevelView, rng: np.random.Generator) -> dict[str, np.ndarray]:
    for _ in range(TRIES):
        point = random_point(world, rng)
        if free_distance(world, point[None])[0] > CLEAR:
            break
    frame = world.look_through(sensor, np.append(point, rng.uniform(-np.pi, np.pi)))
    kind, nearness = labels(frame.depth, sensor, level)
    rgb = np.maximum(frame.rgb, 1)
    return {"pixels": level.look(rgb), "kind": kind, "nearness": nearness, "height": np.float32(level.height)}


def labels(depth: np.ndarray, sensor: SimulatedCamera, level: LevelView) -> tuple[np.ndarray, np.ndarray]:
    """What each cell shows and how near it is, from exact depth (height, width) along the optical axis."""
    across, down = level.pixels(CELL)
    seen = level.inside(across, down)
    at = [np.nan_to_num(w, nan=-9).astype(np.float32) for w in (across, down)]
    metres = cv2.remap(depth, *at, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    ahead = level.lens.directions(np.round(across), np.round(down))  # of the pixel that was read
    places = ahead * metres[..., None] @ sensor.mount.rotation.T
    height, far = places[..., 2] + sensor.mount.z, np.hypot(places[..., 0], places[..., 1])
    with np.errstate(invalid="ignore"):
        kind = np.where(height > STANDS, ABOVE, np.where(height < -DROPS, BELOW, FLOOR)).astype(np.uint8)
        kind[~seen | ~(metres < FAR) | ~(far > 0.02)] = NOTHING
        nearness = np.log(level.height / np.maximum(far, 0.02))
    return kind, np.where(kind == NOTHING, 0, nearness).astype(np.float16)


def collect(path: str | Path, settings: ViewSettings, workers: int = 2) -> dict[str, float]:
    gather(path, settings, settings.rooms, look, "rooms", workers)
    with h5py.File(path, "r") as file:
        return {"rooms": float(len(file["ep_len"])), "views": float(len(file["pixels"]))}


class LevelViews:
    """Reads a data set. What is small lives in memory; pictures are read as they are needed. drops: (M,) which views
    show a place below the floor.
    """

    def __init__(self, path: str | Path):
        try:
            self.file = h5py.File(path, "r")
            self.pixels, self.kind, self.nearness = (self.file[name] for name in ("pixels", "kind", "nearness"))
            self.heights = self.file["height"][:]
            kinds = (self.kind[i : i + BLOCK] for i in range(0, len(self.heights), BLOCK))
            self.drops = np.flatnonzero(np.concatenate([(k == BELOW).sum((1, 2)) >= SHOWN for k in kinds]))
        except (OSError, KeyError) as error:
            raise LatentworldError(f"dataset {path}: expected level views of rooms: {error}") from None

    def __len__(self) -> int:
        return len(self.heights)

    def rows(self, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        """pixels, kind, nearness and height of some views, in ascending order."""
        return self.pixels[rows], self.kind[rows], self.nearness[rows], self.heights[rows]
