"""Rooms of many kinds: corridors, halls, clutter, rooms joined by doorways. Models for any place are trained in them.

They are rooms as in ``room.py``: inner walls are obstacles as high as the outer walls.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .furniture import Part, Shape, any_obstacle, crate
from .room import WALL_HEIGHT, Ledge, Obstacle, Room, add_where_free, generate_room, ledge_along_a_wall

CORRIDOR_WIDTH, CORRIDOR_LENGTH = (1.3, 2.6), (6.0, 15.0)  # metres
HALL, CLUTTER, DOORWAYS = (6.0, 15.0), (4.0, 7.0), (5.0, 10.0)  # metres a side
DOOR = (0.8, 1.5)  # metres wide
LEDGE_SHARE = 0.25
MOST = 45  # obstacles in one room


Furniture = Callable[[np.random.Generator], Shape]


def generate_wide_room(seed: int, attempt: int = 0, furniture: Furniture = any_obstacle) -> Room:
    """The room of this seed; ``attempt`` > 0 derives another from it. One in three is as ``generate_room`` makes it.
    furniture: draws what stands in the others.
    """
    rng = np.random.default_rng([seed, attempt, 29])
    kind = rng.choice(("plain", "corridor", "hall", "clutter", "doorways"), p=(0.3, 0.2, 0.15, 0.1, 0.25))
    if kind == "plain":
        return generate_room(seed, attempt)
    if kind == "corridor":
        sides = [rng.uniform(*CORRIDOR_LENGTH), rng.uniform(*CORRIDOR_WIDTH)]
        size = tuple(float(s) for s in rng.permutation(sides))
        return _furnished(seed, rng, size, [], rng.uniform(0.0, 0.25), None, furniture)
    span, density = {
        "hall": (HALL, (0.05, 0.3)), "clutter": (CLUTTER, (0.35, 0.7)), "doorways": (DOORWAYS, (0.05, 0.3))
    }[kind]  # fmt: skip
    size = tuple(float(s) for s in rng.uniform(*span, 2))
    walls = _inner_walls(rng, size) if kind == "doorways" else []
    ledge = ledge_along_a_wall(rng, size) if kind != "doorways" and rng.random() < LEDGE_SHARE else None
    return _furnished(seed, rng, size, walls, rng.uniform(*density), ledge, furniture)


def _furnished(
    seed: int,
    rng: np.random.Generator,
    size: tuple[float, float],
    walls: list[Obstacle],
    density: float,
    ledge: Ledge | None,
    furniture: Furniture,
) -> Room:
    """density: obstacles a square metre."""
    obstacles = list(walls)
    for _ in range(min(round(density * size[0] * size[1]), MOST)):
        add_where_free(rng, size, ledge, obstacles, furniture(rng))
    for _ in range(int(rng.integers(0, 3))):
        add_where_free(rng, size, ledge, obstacles, crate(rng), mass=float(rng.uniform(0.3, 1.0)))
    return Room(seed, size, tuple(obstacles), ledge)


def _inner_walls(rng: np.random.Generator, size: tuple[float, float]) -> list[Obstacle]:
    """One or two walls across the room, each with a doorway, and now and then one that ends in the room."""
    along = int(np.argmax(size))
    half, across = size[along] / 2, size[1 - along] / 2
    places = (
        [rng.uniform(-0.3, 0.3) * half]
        if rng.random() < 0.6
        else [rng.uniform(-0.5, -0.25) * half, rng.uniform(0.25, 0.5) * half]
    )
    walls = []
    for place in places:
        thickness = rng.uniform(0.04, 0.1)  # half of it
        door = rng.uniform(*DOOR)
        left = rng.uniform(-across + 0.3, across - 0.3 - door)
        ends = ((-across, left), (left + door, across))
        if rng.random() < 0.25:
            ends = ends[:1]
        for low, high in ends:
            reach = (high - low) / 2 - 0.02
            shape = Shape(
                "wall", (Part("box", (thickness, reach, WALL_HEIGHT / 2), (0, 0, WALL_HEIGHT / 2)),), (thickness, reach)
            )
            centre = (place, (low + high) / 2) if along == 0 else ((low + high) / 2, place)
            walls.append(Obstacle(shape, float(centre[0]), float(centre[1]), 0.0 if along == 0 else np.pi / 2))
    return walls
