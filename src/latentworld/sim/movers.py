"""What moves by itself in a room: another robot on patrol, a ball that rolls to and fro, a door that swings.

Each follows a course that its seed decides. Robot and door wait for whom they would touch; a ball waits for nobody.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .furniture import Part

MOVERS = 4  # mixed into the seed, so that a room with movers is the same room
MARGIN = 0.12  # m between a mover that yields and what it waits for
AWAY = 0.4  # m from the place where the robot starts, or is to go, to any mover, at any time
CLEAR = 0.06  # m between a mover and what stands in the room
TRIES = 60

Distance = Callable[[np.ndarray], np.ndarray]
"""Points (N, 2) in the room -> (N,) metres to the nearest thing that stands."""


@dataclass(frozen=True, slots=True)
class Mover:
    """A body that goes to and fro between two poses (x, y, yaw) of the room, in ``travel`` seconds, with rests.

    A circle of ``radius`` (m), or a box of half sizes ``half`` whose hinge is its own origin: its middle lies
    ``half[0]`` ahead of it. phase: seconds of its course gone by at the start.
    """

    kind: str
    parts: tuple[Part, ...]
    first: tuple[float, float, float]
    last: tuple[float, float, float]
    travel: float
    rest: float
    phase: float
    yields: bool
    radius: float | None = None
    half: tuple[float, float] = (0.0, 0.0)

    def pose(self, time: float) -> np.ndarray:
        """(3,) x, y, yaw after ``time`` seconds of moving and resting."""
        there, back = self.travel + self.rest, 2 * (self.travel + self.rest)
        now = (time + self.phase) % back
        share = min(now / self.travel, 1.0) if now < there else max(1 - (now - there) / self.travel, 0.0)
        return np.asarray(self.first) + share * (np.asarray(self.last) - np.asarray(self.first))

    def middle(self, pose: np.ndarray) -> tuple[float, float]:
        return pose[0] + self.half[0] * math.cos(pose[2]), pose[1] + self.half[0] * math.sin(pose[2])

    def distance(self, points: np.ndarray, pose: np.ndarray) -> np.ndarray:
        """(N, 2) -> (N,) metres to its rim when it is at this pose, negative inside."""
        x, y = self.middle(pose)
        dx, dy = points[:, 0] - x, points[:, 1] - y
        if self.radius is not None:
            return np.hypot(dx, dy) - self.radius
        c, s = math.cos(pose[2]), math.sin(pose[2])
        u, v = np.abs(dx * c + dy * s) - self.half[0], np.abs(dy * c - dx * s) - self.half[1]
        return np.hypot(np.maximum(u, 0), np.maximum(v, 0)) + np.minimum(np.maximum(u, v), 0)

    def way(self) -> np.ndarray:
        """Poses (16, 3) from the first to the last, close enough together that nothing fits between two."""
        return np.linspace(self.first, self.last, 16)


class Course:
    """One mover as it goes: its own time stands still while it waits."""

    def __init__(self, mover: Mover) -> None:
        self.mover, self.time = mover, 0.0

    def advance(self, seconds: float, robot: np.ndarray, radius: float) -> np.ndarray:
        """Goes on unless that would bring it too near the robot (2,); returns its pose (3,)."""
        mover, then = self.mover, self.time + seconds
        if mover.yields:
            now, next_ = (float(mover.distance(robot[None], mover.pose(t))[0]) - radius for t in (self.time, then))
            if next_ < min(now, MARGIN):
                return mover.pose(self.time)
        self.time = then
        return mover.pose(then)


def movers(
    seed: int, count: int, size: tuple[float, float], standing: Distance, keep_away: np.ndarray
) -> tuple[Mover, ...]:
    """Up to ``count`` movers for the room of this seed, as many as find room in it.

    keep_away: (N, 2) points that no mover comes near, such as where the robot starts.
    """
    rng = np.random.default_rng([seed, MOVERS])
    found: list[Mover] = []
    for _ in range(count):
        make = (_robot, _ball, _door)[rng.choice(3, p=(0.6, 0.2, 0.2))]
        for _ in range(TRIES):
            mover = make(rng, np.asarray(size))
            if _fits(mover, standing, keep_away, found):
                found.append(mover)
                break
    return tuple(found)


def _fits(mover: Mover, standing: Distance, keep_away: np.ndarray, others: list[Mover]) -> bool:
    way = mover.way()
    rim = np.concatenate([_rim(mover, pose) for pose in way])
    if standing(rim).min() < CLEAR:
        return False
    if len(keep_away) and min(float(mover.distance(keep_away, pose).min()) for pose in way) < AWAY:
        return False
    return all(other.distance(rim, pose).min() > CLEAR for other in others for pose in other.way())


def _rim(mover: Mover, pose: np.ndarray) -> np.ndarray:
    if mover.radius is not None:
        angle = np.linspace(0, 2 * np.pi, 8, endpoint=False)
        return pose[:2] + mover.radius * np.stack([np.cos(angle), np.sin(angle)], 1)
    along = np.linspace(0, 2 * mover.half[0], 6)
    return pose[:2] + along[:, None] * [math.cos(pose[2]), math.sin(pose[2])]


def _to_and_fro(rng: np.random.Generator, size: np.ndarray, lengths: tuple[float, float]) -> tuple[tuple, tuple]:
    start = rng.uniform(-0.5, 0.5, 2) * (size - 0.6)
    heading, length = rng.uniform(-np.pi, np.pi), rng.uniform(*lengths)
    end = start + length * np.array([math.cos(heading), math.sin(heading)])
    return (*start.tolist(), heading), (*end.tolist(), heading)


def _robot(rng: np.random.Generator, size: np.ndarray) -> Mover:
    """A little larger or smaller than ours; it waits for whom it would run over."""
    radius, height = float(rng.uniform(0.14, 0.22)), float(rng.uniform(0.25, 0.6))
    first, last = _to_and_fro(rng, size, (0.8, 3.0))
    travel = math.dist(first[:2], last[:2]) / rng.uniform(0.15, 0.4)
    parts = (
        Part("cylinder", (radius, height / 2), (0, 0, height / 2)),
        Part("cylinder", (0.4 * radius, 0.06), (0, 0, height + 0.06), accent=True),
    )
    return Mover("robot", parts, first, last, travel, *_timing(rng, travel), True, radius)


def _ball(rng: np.random.Generator, size: np.ndarray) -> Mover:
    radius = float(rng.uniform(0.1, 0.16))
    first, last = _to_and_fro(rng, size, (0.8, 2.0))
    travel = math.dist(first[:2], last[:2]) / rng.uniform(0.1, 0.25)
    parts = (Part("sphere", (radius,), (0, 0, radius)),)
    return Mover("ball", parts, first, last, travel, *_timing(rng, travel), False, radius)


def _door(rng: np.random.Generator, size: np.ndarray) -> Mover:
    """Swings by a quarter turn about its post."""
    a, height = float(rng.uniform(0.28, 0.4)), float(rng.uniform(0.7, 1.2))
    x, y = rng.uniform(-0.5, 0.5, 2) * (size - 0.3)
    shut = float(rng.uniform(-np.pi, np.pi))
    swung = shut + float(rng.choice([-1, 1])) * np.pi / 2
    travel = float(rng.uniform(2.5, 5.0))
    parts = (
        Part("box", (a, 0.025, height / 2), (a, 0, height / 2)),
        Part("cylinder", (0.035, height / 2 + 0.05), (0, 0, height / 2 + 0.05), accent=True),
    )
    return Mover("door", parts, (x, y, shut), (x, y, swung), travel, *_timing(rng, travel), True, half=(a, 0.025))


def _timing(rng: np.random.Generator, travel: float) -> tuple[float, float]:
    """Seconds of rest at either end, and of the course that have gone by."""
    rest = float(rng.uniform(0.3, 2.0))
    return rest, float(rng.uniform(0, 2 * (travel + rest)))
