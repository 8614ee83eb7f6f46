"""Where an episode starts and ends in a room, and that it can be driven."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..robot import Base
from ..types import LatentworldError
from .movers import Distance, movers
from .paths import shortest_path
from .room import Room, generate_room

CORRIDOR = 0.05  # metres beside the base that belong to its straight way
FREE_MARGIN = 0.1  # how much wider a corridor must be to count as free (m)
POSE_ROOM, PATH_ROOM = 0.2, 0.1  # metres about the base at start and goal, and beside it on the way
DISTANCE = (2.0, 3.8)  # metres from start to goal
ATTEMPTS = 64

RoomMaker = Callable[[int, int], Room]  # of a seed and an attempt


@dataclass(frozen=True, slots=True)
class Episode:
    """start, goal: (3,) x, y, yaw in the frame of the room. path: (N, 2) a shortest way. blocked: the straight one."""

    room: Room
    start: np.ndarray
    goal: np.ndarray
    path: np.ndarray
    blocked: bool


def generate_episode(
    seed: int,
    base: Base,
    blocked: bool | None = None,
    moving: int = 0,
    distance: tuple[float, float] = DISTANCE,
    rooms: RoomMaker = generate_room,
) -> Episode:
    """The room of this seed with a start and a goal for this base; where it allows none, a room derived from the seed.

    moving: how many things shall move by themselves, as far as there is room for them. distance: metres, least and
    most, from start to goal. rooms: what makes a room of a seed.
    """
    for attempt in range(ATTEMPTS):
        room = rooms(seed, attempt)
        rng = np.random.default_rng([seed, attempt, 0 if blocked is None else 1 + blocked])
        episode = _sample(rng, room, base, blocked, distance)
        if episode is not None:
            return _with_movers(episode, moving) if moving else episode
    raise LatentworldError(
        f"room seed {seed}: expected a start and goal with blocked={blocked}, {distance[0]} to {distance[1]} m apart, "
        f"got none in {ATTEMPTS} rooms"
    )


def _with_movers(episode: Episode, moving: int) -> Episode:
    room = episode.room
    ends = np.stack([episode.start[:2], episode.goal[:2]])
    return replace(episode, room=replace(room, movers=movers(room.seed, moving, room.size, _standing(room), ends)))


def _standing(room: Room) -> Distance:
    footprints = room.footprints()
    return lambda points: np.minimum(footprints.distance(points), room.drop_distance(points))


def _sample(
    rng: np.random.Generator, room: Room, base: Base, blocked: bool | None, distance: tuple[float, float]
) -> Episode | None:
    clearance = _standing(room)
    half = np.array(room.size) / 2
    points = rng.uniform(-half, half, (256, 2))
    points = points[clearance(points) >= base.reach + POSE_ROOM]
    if len(points) < 2:
        return None
    pairs = rng.integers(len(points), size=(96, 2))
    starts, goals = points[pairs[:, 0]], points[pairs[:, 1]]
    length = np.hypot(*(goals - starts).T)
    far = (length >= distance[0]) & (length <= distance[1])
    starts, goals = starts[far], goals[far]
    if not len(starts):
        return None
    along = np.linspace(0, 1, 128)[None, :, None]
    ways = starts[:, None] + along * (goals - starts)[:, None]
    narrowest = clearance(ways.reshape(-1, 2)).reshape(len(starts), -1).min(1)
    corridor = base.half_width + CORRIDOR
    hit, free = narrowest < corridor, narrowest >= corridor + FREE_MARGIN
    wanted = np.flatnonzero(hit | free if blocked is None else hit if blocked else free)
    for i in wanted[:4]:
        path = shortest_path(starts[i], goals[i], clearance, room.size, base.half_width + PATH_ROOM)
        if path is not None:
            heading = np.arctan2(*(goals[i] - starts[i])[::-1])
            turn = rng.uniform(-1, 1, 2) * (np.pi / 2, np.pi / 4)
            start, goal = np.append(starts[i], heading + turn[0]), np.append(goals[i], heading + turn[1])
            return Episode(room, start, goal, path, bool(hit[i]))
    return None
