"""Rooms in which things happen that cannot: obstacles vanish, jump, or pass through walls while the robot drives.

Every drive is made twice with the same commands, once as it should be and once with the event, so the first frame that
shows the event is the first in which the two differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from latentworld.model import checkpoint
from latentworld.perception.encoder import PerceptionEncoder
from latentworld.robot import VIEW
from latentworld.sim.processes import processes
from latentworld.sim.world import PERIOD, World
from latentworld.tracking.surprise import VIOLATION
from latentworld.tracking.tracker import WorldStateTracker
from latentworld.training.driving.drivers import anywhere, free_distance
from latentworld.types import Action, Frame, Odometry, turn

FIRST_TEST_SEED = 2_500_000  # validation rooms, where thresholds were chosen, end below 2 million
SETTLED = 60  # frames before anything happens
WAIT = 20  # frames after an event shows within which it must be noticed
QUIET = 20  # frames without an alarm after which the next one is another
NEAR, FAR = 0.5, 2.5  # m from the camera within which an obstacle is taken to be in view
VISIBLE, PIXELS = 25, 12  # levels by which so many pixels must differ for an event to show
LIVE = 3  # rooms whose films are played to the node
SPEED = 0.6  # m/s of an obstacle on its way through a wall


@dataclass(frozen=True, slots=True)
class RoomSettings:
    rooms: int = 150
    first_seed: int = FIRST_TEST_SEED
    frames: int = 300  # a drive


Play = Callable[["Drive"], tuple[np.ndarray, np.ndarray]]
"""Shows a drive to the node: its (T,) p-values, and the (T,) seconds from image to surprise."""


class Drive(NamedTuple):
    """One frame an entry. obstacles: (T, N, 2) where they were. contact: did the robot touch anything."""

    frames: list[Frame]
    odometry: list[Odometry]
    commands: list[Action]
    poses: np.ndarray
    obstacles: np.ndarray
    contact: np.ndarray


@dataclass(frozen=True, slots=True)
class Event:
    """kind: what happens. start: frame. where: frame -> (x, y) of the obstacle in ``odom``, nan when it is gone."""

    kind: str
    start: int
    obstacle: int
    where: Callable[[int], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Noticed:
    """shows: first frame that shows the event. alarm: the first alarm of the WAIT frames from then on, -1 for none."""

    kind: str
    shows: int
    alarm: int


@dataclass(frozen=True, slots=True)
class RoomResult:
    """p_values: (T,) of the drive in which nothing happened. alarms: how often it raised one."""

    seed: int
    p_values: np.ndarray
    alarms: int
    events: tuple[Noticed, ...] = field(default=())


def drive(world: World, seed: int, frames: int, replay: Drive | None = None, event: Event | None = None) -> Drive:
    """A scripted drive through room ``seed``; or the commands of another drive again, with an event."""
    rng = np.random.default_rng([seed, 7])
    world.reset(seed)
    driver = anywhere(world, rng)
    out = Drive([], [], [], *([] for _ in range(3)))
    for t in range(frames if replay is None else len(replay.commands)):
        if event is not None and t >= event.start:
            world.place_obstacle(event.obstacle, *event.where(t))
        frame, odometry, truth = world.frame(), world.odometry(), world.truth()
        command = Action(frame.stamp, *map(float, driver())) if replay is None else replay.commands[t]
        entry = frame, odometry, command, truth.pose, world.obstacle_positions(), truth.contact
        for values, value in zip(out, entry, strict=True):
            values.append(value)
        if truth.dropped:
            break
        world.step(command.linear, command.angular)
    return Drive(*out[:3], *(np.array(values) for values in out[3:]))


def watch(tracker: WorldStateTracker, encoder: PerceptionEncoder, film: Drive) -> np.ndarray:
    """(T,) p-values of a drive, 1 where nothing was foretold."""
    tracker.reset()
    p_values = np.ones(len(film.frames), np.float32)
    for t, (frame, odometry) in enumerate(zip(film.frames, film.odometry, strict=True)):
        tracker.odometry(odometry)
        if t:
            tracker.command(film.commands[t - 1])
        _, surprise = tracker.observe(encoder.encode(frame))
        p_values[t] = surprise.p_value
    return p_values


def in_view(film: Drive) -> np.ndarray:
    """(T, N): is the obstacle before the camera, be it behind another?"""
    off = film.obstacles - film.poses[:, None, :2]
    distance = np.hypot(off[..., 0], off[..., 1])
    bearing = turn(np.arctan2(off[..., 1], off[..., 0]) - film.poses[:, 2:])
    return (np.abs(bearing) < VIEW.intrinsics.field_of_view[0] / 2 - 0.1) & (distance > NEAR) & (distance < FAR)


def events(world: World, film: Drive, rng: np.random.Generator) -> list[Event]:
    """At most one of every kind that this drive has an occasion for."""
    view = in_view(film)
    length = len(view)
    found = []
    steady = [
        (t, i) for t in range(SETTLED, length - WAIT) for i in range(view.shape[1]) if view[t - 5 : t + 5, i].all()
    ]
    if steady:
        t, i = steady[rng.integers(len(steady))]
        found.append(Event("vanish", t, i, lambda _: (np.nan, np.nan)))
        t, i = steady[rng.integers(len(steady))]
        place = _place_in_view(world, film, t, i, rng)
        if place is not None:
            found.append(Event("teleport", t, i, lambda _, place=place: place))
        t, i = steady[rng.integers(len(steady))]
        found.append(Event("through_wall", t, i, partial(_to_the_wall, world, film.obstacles[t, i], t)))
    unseen = [
        (t, i)
        for i in range(view.shape[1])
        for t in range(SETTLED, length - WAIT)
        if not view[t - 5 : t + 8, i].any() and view[:t, i].sum() >= 15 and view[t + 8 :, i].sum() >= 5
    ]
    if unseen:
        t, i = unseen[rng.integers(len(unseen))]
        found.append(Event("vanish_unseen", t, i, lambda _: (np.nan, np.nan)))
    return found


def _place_in_view(world: World, film: Drive, t: int, obstacle: int, rng: np.random.Generator):
    """Somewhere free before the camera, away from where the obstacle stands; None where there is no such place."""
    x, y, yaw = film.poses[t]
    for _ in range(50):
        distance, bearing = rng.uniform(0.8, 2.2), yaw + rng.uniform(-0.45, 0.45)
        place = np.array([x + distance * np.cos(bearing), y + distance * np.sin(bearing)])
        if np.hypot(*(place - film.obstacles[t, obstacle])) > 0.7 and free_distance(world, place[None])[0] > 0.3:
            return float(place[0]), float(place[1])
    return None


def _to_the_wall(world: World, start: np.ndarray, since: int, t: int) -> tuple[float, float]:
    """On the straight way to the nearest wall, and on through it."""
    at, half = world.to_room(start), np.array(world.room.size) / 2
    axis = int(np.argmin(half - np.abs(at)))
    at[axis] += np.sign(at[axis]) * min(SPEED * PERIOD * (t - since + 1), half[axis] - abs(at[axis]) + 1.0)
    x, y = world.from_room(at)
    return float(x), float(y)


def shows(ordinary: Drive, film: Drive) -> int:
    """The first frame in which people would see a difference, -1 when there is none."""
    for t, (one, other) in enumerate(zip(ordinary.frames, film.frames, strict=False)):
        if (np.abs(one.rgb.astype(np.int16) - other.rgb).max(-1) > VISIBLE).sum() >= PIXELS:
            return t
    return -1


def alarms(p_values: np.ndarray, threshold: float = VIOLATION) -> int:
    """Violations, those within QUIET frames of the last one being the same."""
    raised = np.flatnonzero(p_values < threshold)
    return len(raised) and 1 + int((np.diff(raised) > QUIET).sum())


_world: World | None = None
_mind: tuple[WorldStateTracker, PerceptionEncoder] | None = None


def room(settings: RoomSettings, weights: str | None, seed: int) -> RoomResult:
    """One room in a worker process, which keeps its world and its network."""
    global _world, _mind
    if _world is None or _mind is None:
        torch.set_num_threads(1)
        model = checkpoint.load(weights)
        _world, _mind = World(seed), (WorldStateTracker(model), PerceptionEncoder(model))
    ordinary = drive(_world, seed, settings.frames)
    p_values = watch(*_mind, ordinary)
    noticed = []
    for event in events(_world, ordinary, np.random.default_rng([seed, 3])):
        film = drive(_world, seed, settings.frames, ordinary, event)
        first = shows(ordinary, film)
        if 0 <= first < len(film.frames) - WAIT:
            raised = np.flatnonzero(watch(*_mind, film)[first : first + WAIT] < VIOLATION)
            noticed.append(Noticed(event.kind, first, first + int(raised[0]) if len(raised) else -1))
    return RoomResult(seed, p_values, alarms(p_values), tuple(noticed))


def run(settings: RoomSettings, weights: str | None = None, workers: int = 2) -> list[RoomResult]:
    seeds = range(settings.first_seed, settings.first_seed + settings.rooms)
    columns = (TextColumn("rooms"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress, processes(workers) as pool:
        bar = progress.add_task("", total=len(seeds))
        results = []
        for result in pool.map(partial(room, settings, weights), seeds):
            results.append(result)
            progress.advance(bar)
    return results


def in_the_loop(settings: RoomSettings, weights: str | None, play: Play) -> dict[str, float]:
    """The films of some rooms, played to the node and to the library: do they say the same, and how soon?"""
    model = checkpoint.load(weights)
    world, tracker, encoder = World(settings.first_seed), WorldStateTracker(model), PerceptionEncoder(model)
    apart, delays, noticed = [], [], []
    for seed in range(settings.first_seed, settings.first_seed + min(LIVE, settings.rooms)):
        ordinary = drive(world, seed, settings.frames)
        for event in [None, *events(world, ordinary, np.random.default_rng([seed, 3]))]:
            film = ordinary if event is None else drive(world, seed, settings.frames, ordinary, event)
            p_values, delay = play(film)
            apart.append(np.abs(p_values - watch(tracker, encoder, film)))
            delays.append(delay[1:])
            first = -1 if event is None else shows(ordinary, film)
            if 0 <= first < len(film.frames) - WAIT:
                noticed.append(bool((p_values[first : first + WAIT] < VIOLATION).any()))
    world.close()
    milliseconds = 1000 * np.concatenate(delays)
    return {
        "node_frames": float(sum(map(len, apart))),
        "node_p_value_difference_max": float(np.concatenate(apart).max()),
        "node_detection_rate": float(np.mean(noticed)) if noticed else float("nan"),
        "node_image_to_surprise_ms_p50": float(np.median(milliseconds)),
        "node_image_to_surprise_ms_p99": float(np.quantile(milliseconds, 0.99)),
    }


def summarise(results: list[RoomResult]) -> dict[str, float]:
    p_values = np.concatenate([result.p_values[1:] for result in results])
    minutes = len(p_values) * PERIOD / 60
    noticed = [event for result in results for event in result.events]
    delays = [PERIOD * (event.alarm - event.shows) for event in noticed if event.alarm >= 0]
    figures = {
        "room_minutes": minutes,
        "room_false_alarm_rate_at_0.01": float((p_values < 0.01).mean()),
        "false_alarms_per_10min": 10 * sum(result.alarms for result in results) / minutes,
        "detection_rate": _share(noticed),
        "time_to_detect_s": float(np.median(delays)) if delays else float("nan"),
    }
    for kind in dict.fromkeys(event.kind for event in noticed):
        some = [event for event in noticed if event.kind == kind]
        figures |= {f"detection_rate_{kind}": _share(some), f"events_{kind}": len(some)}
    return figures


def _share(events: list[Noticed]) -> float:
    return float(np.mean([event.alarm >= 0 for event in events])) if events else float("nan")
