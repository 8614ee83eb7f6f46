"""Rooms driven through by scripted drivers -> a dataset."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np

from latentworld.perception.canonical_view import CanonicalView
from latentworld.sim.wide_rooms import generate_wide_room
from latentworld.sim.world import World
from latentworld.training.driving.drivers import anywhere
from latentworld.training.driving.fleet import draw_robot
from latentworld.training.driving.photographs import photographs
from latentworld.training.episodes import gather
from latentworld.types import Frame


@dataclass(frozen=True, slots=True)
class CollectSettings:
    rooms: int = 2000
    first_seed: int = 0
    rows: int = 160  # a room, at the camera's period of 0.1 s
    queries: int = 48  # free-space labels a row
    moving: float = 0.0  # share of rooms in which one to three things move by themselves
    looking: float = 0.0  # share of drives that begin with a look around
    fleet: bool = False  # a robot drawn at random for each room, instead of the shipped one
    wide: int = 0  # the first so many rooms are of many kinds, with photographed surfaces; the others as at home


def label_points(rng: np.random.Generator, n: int) -> np.ndarray:
    """Points (n, 2) in the robot's frame at which free space is labelled: half of them near, most of them ahead."""
    reach = np.where(rng.random(n) < 0.5, 1.0, 2.4) * np.sqrt(rng.random(n))
    bearing = np.where(rng.random(n) < 0.7, rng.uniform(-1.0, 1.0, n), rng.uniform(-np.pi, np.pi, n))
    return np.stack([reach * np.cos(bearing), reach * np.sin(bearing)], -1)


def labels(world: World, rng: np.random.Generator, n: int) -> np.ndarray:
    """(n, 4) float16: x, y in the robot's frame, clearance, distance to a ledge (m), both cut off at 2 m."""
    points = label_points(rng, n)
    x, y, yaw = world.truth().pose
    c, s = np.cos(yaw), np.sin(yaw)
    there = points @ np.array([[c, s], [-s, c]]) + [x, y]
    far = [np.clip(distance(there), -1, 2) for distance in (world.clearance, world.drop_distance)]
    return np.column_stack([points, *far]).astype(np.float16)


def seen(eye: CanonicalView, frame: Frame) -> dict[str, np.ndarray]:
    """The columns of a picture in the model's view, with depth and without."""
    whole, flat = eye.look(frame), eye.look(replace(frame, depth=None))
    return {
        "pixels": whole.rgb,
        "depth": (whole.depth * 1000).astype(np.uint16),
        "known": np.packbits(whole.known, axis=-1),
        "flat": flat.rgb,
        "flat_known": np.packbits(flat.known, axis=-1),
    }


def world_for(world: World | None, seed: int, fleet: bool, wide: bool) -> World:
    """The world of before where every room has the same robot, else another: the caller resets it to its room."""
    if world is not None and not fleet:
        return world
    if world is not None:
        world.close()
    robot = draw_robot(np.random.default_rng([seed, 13])) if fleet else None
    kind = {"rooms": generate_wide_room, "photographs": photographs()} if wide else {}
    return World(seed, robot=robot, **kind)


_world: World | None = None


def drive(settings: CollectSettings, seed: int) -> dict[str, np.ndarray]:
    """One episode in room ``seed``: the columns of training.driving.drives."""
    global _world
    rng = np.random.default_rng([seed, 7])
    _world = world_for(_world, seed, settings.fleet, seed - settings.first_seed < settings.wide)
    world, eye = _world, CanonicalView(_world.robot)
    some = int(rng.integers(1, 4)) if settings.moving and rng.random() < settings.moving else 0
    world.reset(seed, moving=some)
    driver = anywhere(world, rng)
    if settings.looking and rng.random() < settings.looking:
        driver.looking = int(rng.integers(30, 80))
    rows: dict[str, list] = defaultdict(list)
    for _ in range(settings.rows):
        frame, odometry, truth = world.frame(), world.odometry(), world.truth()
        action = driver()
        for name, values in seen(eye, frame).items():
            rows[name].append(values)
        rows["action"].append(action.astype(np.float32))
        rows["odometry"].append(np.array([*odometry.pose, odometry.linear, odometry.angular], np.float32))
        rows["contact"].append(truth.contact)
        rows["drop"].append(truth.dropped)
        rows["query"].append(labels(world, rng, settings.queries))
        if truth.dropped:
            break
        world.step(*action)
    return {name: np.stack(values) for name, values in rows.items()}


def collect(path: str | Path, settings: CollectSettings = CollectSettings(), workers: int = 2) -> dict[str, float]:
    """Drive through rooms first_seed … first_seed + rooms and write them. Goes on where an interrupted run stopped.

    The result does not depend on the number of workers. Returns shares of what was met.
    """
    gather(path, settings, settings.rooms, drive, "rooms", workers)
    with h5py.File(path, "r") as file:
        return {
            "episodes": len(file["ep_len"]),
            "rows": len(file["action"]),
            "contact_fraction": float(file["contact"][:].mean()),
            "drops": int(file["drop"][:].sum()),
            "mean_speed": float(np.abs(file["odometry"][:, 3]).mean()),
        }
