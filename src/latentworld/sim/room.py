"""Procedural rooms: one integer seed is one layout. Pure NumPy; the frame of a room lies at its centre, on the floor.

Seeds tell which rooms may be learned from, and nothing else does: below ``VALIDATION_SEEDS`` are training rooms,
from there held-out validation rooms, from ``TEST_SEEDS`` on test rooms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .footprints import Footprints
from .furniture import Shape, any_obstacle, crate
from .movers import Mover

TRAINING_SEEDS = 0
VALIDATION_SEEDS = 1_000_000
TEST_SEEDS = 2_000_000

WALL_HEIGHT = 2.3  # metres, of inner and outer walls
LEDGE_DROP = 0.3  # metres from the floor down to the strip
LEDGE_PROBABILITY = 0.35
GAP = 0.06  # least distance between two obstacles (m)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A shape that stands at x, y (m), turned by yaw (rad). mass: kg where it can be pushed, else None."""

    shape: Shape
    x: float
    y: float
    yaw: float
    mass: float | None = None

    def outline(self) -> np.ndarray:
        """Points (P, 2) along the rim of the footprint."""
        if self.shape.radius is not None:
            angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
            rim = self.shape.radius * np.stack([np.cos(angle), np.sin(angle)], 1)
        else:
            s = np.linspace(-1, 1, 7)
            one = np.ones_like(s)
            rim = np.concatenate([np.stack(e, 1) for e in ((s, one), (s, -one), (one, s), (-one, s))]) * self.shape.half
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        return rim @ np.array([[c, s], [-s, c]]) + (self.x, self.y)


@dataclass(frozen=True, slots=True)
class Ledge:
    """A lower strip along one wall. axis: 0 x, 1 y; side: -1, +1; depth: metres from the wall; edge: its x or y."""

    axis: int
    side: int
    depth: float
    edge: float

    def distance(self, points: np.ndarray) -> np.ndarray:
        """(N, 2) -> (N,) metres to the strip, negative over it."""
        return self.side * (self.edge - points[:, self.axis])


@dataclass(frozen=True, slots=True)
class Room:
    """size: (width, depth) in metres between the walls. Pushable obstacles come last. movers: what moves by itself."""

    seed: int
    size: tuple[float, float]
    obstacles: tuple[Obstacle, ...]
    ledge: Ledge | None
    movers: tuple[Mover, ...] = ()

    def footprints(self) -> Footprints:
        """Signed distances to what stands; their rows are ``box_row`` and ``circle_row`` of the obstacles."""
        boxes = [(o.x, o.y, o.yaw, *o.shape.half) for o in self.obstacles if o.shape.radius is None]
        circles = [(o.x, o.y, o.shape.radius) for o in self.obstacles if o.shape.radius is not None]
        return Footprints(self.size, np.array(boxes), np.array(circles))

    def box_row(self, obstacle: Obstacle) -> int:
        return [o for o in self.obstacles if o.shape.radius is None].index(obstacle)

    def circle_row(self, obstacle: Obstacle) -> int:
        return [o for o in self.obstacles if o.shape.radius is not None].index(obstacle)

    def drop_distance(self, points: np.ndarray) -> np.ndarray:
        """(N, 2) -> (N,) metres to the ledge, negative over it, inf where the room has none."""
        return np.full(len(points), np.inf) if self.ledge is None else self.ledge.distance(points)


def generate_room(seed: int, attempt: int = 0) -> Room:
    """The room of this seed; ``attempt`` > 0 derives another from it, emptier with every fourth."""
    rng = np.random.default_rng([seed, attempt])
    size = tuple(float(s) for s in rng.uniform(4.5, 6.0, 2))
    ledge = ledge_along_a_wall(rng, size) if rng.random() < LEDGE_PROBABILITY else None
    obstacles: list[Obstacle] = []
    for _ in range(max(int(rng.integers(4, 9)) - attempt // 4, 2)):
        add_where_free(rng, size, ledge, obstacles, any_obstacle(rng))
    for _ in range(int(rng.integers(0, 3))):
        add_where_free(rng, size, ledge, obstacles, crate(rng), mass=float(rng.uniform(0.3, 1.0)))
    return Room(seed, size, tuple(obstacles), ledge)


def ledge_along_a_wall(rng: np.random.Generator, size: tuple[float, float]) -> Ledge:
    axis, side, depth = int(rng.integers(2)), int(rng.choice([-1, 1])), float(rng.uniform(0.6, 1.2))
    return Ledge(axis, side, depth, side * (size[axis] / 2 - depth))


def add_where_free(
    rng: np.random.Generator, size: tuple[float, float], ledge: Ledge | None, obstacles: list[Obstacle], shape: Shape,
    mass: float | None = None,
) -> None:  # fmt: skip
    """Adds the shape where there is room for it; after 30 vain tries it is left out."""
    others = Room(0, size, tuple(obstacles), ledge)
    distances, half = others.footprints(), np.array(size) / 2
    for _ in range(30):
        x, y = rng.uniform(-half, half)
        yaw = float(rng.uniform(-np.pi, np.pi))
        if rng.random() < shape.against_wall:
            axis, side = int(rng.integers(2)), int(rng.choice([-1, 1]))
            away = half[axis] - shape.half[0] - 0.02
            x, y = (side * away, y) if axis == 0 else (x, side * away)
            yaw = float(np.arctan2(-side * (axis == 1), -side * (axis == 0)))
        candidate = Obstacle(shape, float(x), float(y), yaw, mass)
        rim = candidate.outline()
        inside = (half - np.abs(rim)).min() > 0.01 and others.drop_distance(rim).min() > (0.3 if mass else 0.05)
        if inside and distances.distance(rim).min() > 0.01 and _apart(candidate, obstacles):
            obstacles.append(candidate)
            return


def _apart(candidate: Obstacle, obstacles: list[Obstacle]) -> bool:
    """Whether no rim comes nearer than GAP to another footprint."""
    one = Room(0, (1e3, 1e3), (candidate,), None).footprints()
    rim = candidate.outline()
    for other in obstacles:
        if np.hypot(other.x - candidate.x, other.y - candidate.y) > other.shape.reach + candidate.shape.reach + GAP:
            continue
        back = Room(0, (1e3, 1e3), (other,), None).footprints()
        if one.distance(other.outline()).min() < GAP or back.distance(rim).min() < GAP:
            return False
    return True
