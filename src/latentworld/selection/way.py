"""How far it is to the goal from anywhere near, round what is believed to be in between.

Imagined futures are a second or two long; behind a wide obstacle the way round begins by leading away from the goal.
This is the cost to go at their end: shortest ways over the believed free space, beyond its border by ways driven
before or straight lines.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from latentworld.types import FreeSpace

Beyond = Callable[[np.ndarray, np.ndarray], np.ndarray]
CONTACT = 24.0  # metres that a metre counts for, more, where contact is certain: what the contact critic would say
BLOCKED = 100.0  # metres that a metre counts for, more, where there certainly is no room for the base
LEAST = 0.02  # metres, of the spread of a clearance


class WayToGoal:
    """Distance to ``goal`` (x, y in odom) over a FreeSpace grid, in metres; narrow ground counts for more.

    Cells are relaxed all at once until nothing changes (Bellman-Ford); the border cells start from what is ``beyond``
    to a goal outside the grid: (N, 2) and (2,) in odom -> (N,) metres.
    """

    def __init__(
        self,
        space: FreeSpace,
        goal: np.ndarray,
        margin: float,
        beyond: Beyond | None = None,
        toll: Callable[[np.ndarray], np.ndarray | float] | None = None,
    ):
        """toll: (..., 2) in odom -> (...,) what a metre there counts for, more than what stands near makes it."""
        self.space, self.goal = space, np.asarray(goal[:2], np.float64)
        rows, columns = space.clearance.shape
        y = space.origin[1] + space.cell * np.arange(rows)
        x = space.origin[0] + space.cell * np.arange(columns)
        straight = np.hypot(x[None] - self.goal[0], y[:, None] - self.goal[1])
        room = space.clearance
        touches, blocked = (_less(room, least, np.maximum(space.uncertainty, LEAST)) for least in (margin, 0.0))
        price = 1 + CONTACT * touches + BLOCKED * np.maximum(2 * blocked - 1, 0)
        distance = np.full((rows, columns), np.inf)
        edge = 0.75 * space.cell
        inside = straight <= edge
        if inside.any():
            distance[inside] = straight[inside]
        else:
            border = np.zeros((rows, columns), bool)
            border[[0, -1]] = border[:, [0, -1]] = True
            points = np.stack(np.broadcast_arrays(x[None], y[:, None]), -1)[border]
            distance[border] = (beyond or _straight)(points, self.goal)
        if toll is not None:
            price = price + toll(np.stack(np.broadcast_arrays(x[None], y[:, None]), -1))
        self.distance = _relax(distance, price * space.cell)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """points: (..., 2) in odom -> (...,) metres, interpolated; beyond the grid the straight line is added."""
        rows, columns = self.distance.shape
        at = (points - self.space.origin) / self.space.cell
        inside = np.clip(at, 0, [columns - 1.001, rows - 1.001])
        low = inside.astype(int)
        fx, fy = np.moveaxis(inside - low, -1, 0)
        c, r = low[..., 0], low[..., 1]
        d = self.distance
        value = (d[r, c] * (1 - fx) + d[r, c + 1] * fx) * (1 - fy) + (
            d[r + 1, c] * (1 - fx) + d[r + 1, c + 1] * fx
        ) * fy
        straight = np.hypot(points[..., 0] - self.goal[0], points[..., 1] - self.goal[1])
        outside = np.abs(at - inside).max(-1) > 0.01
        # Right at the goal the grid is too coarse to tell near from nearer.
        return np.where(outside | (straight < 2 * self.space.cell), straight, value)


def _straight(points: np.ndarray, goal: np.ndarray) -> np.ndarray:
    return np.hypot(*(points - goal).T)


def _less(median: np.ndarray, than: float, spread: np.ndarray) -> np.ndarray:
    """Probability that what has this median and spread of a Laplace distribution is less."""
    tail = 0.5 * np.exp(-np.abs(median - than) / spread)
    return np.where(median < than, 1 - tail, tail)


def _relax(distance: np.ndarray, price: np.ndarray) -> np.ndarray:
    """Shortest ways (8 neighbours) given what is known at some cells and the price of crossing each."""
    wide = np.pad(price, 1, constant_values=np.inf)
    d = np.pad(distance, 1, constant_values=np.inf)
    inner = (slice(1, -1), slice(1, -1))
    steps = []
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if dy or dx:
                there = (slice(1 + dy, d.shape[0] - 1 + dy), slice(1 + dx, d.shape[1] - 1 + dx))
                steps.append((there, np.hypot(dx, dy) * (wide[there] + wide[inner]) / 2))
    for _ in range(distance.size):
        best = d[inner]
        for there, cost in steps:
            best = np.minimum(best, d[there] + cost)
        if np.array_equal(best, d[inner]):
            break
        d[inner] = best
    return d[inner]
