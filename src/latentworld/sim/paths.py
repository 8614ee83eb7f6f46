"""Shortest paths on a grid (A*): is there a way through this room, and how long is it?"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from math import hypot, inf

import numpy as np

NEIGHBOURS = [(dx, dy, hypot(dx, dy)) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if dx or dy]


def shortest_path(
    start: np.ndarray,
    goal: np.ndarray,
    clearance: Callable[[np.ndarray], np.ndarray],
    size: tuple[float, float],
    margin: float,
    cell: float = 0.05,
) -> np.ndarray | None:
    """Way points (N, 2) from start to goal through cells with at least ``margin`` metres of clearance; None: no way.

    size: (width, depth) of the room, whose centre is the origin of all points. clearance: (N, 2) -> (N,) metres.
    """
    columns, rows = int(np.ceil(size[0] / cell)) + 1, int(np.ceil(size[1] / cell)) + 1
    origin = -np.asarray(size) / 2
    x, y = np.meshgrid(origin[0] + cell * np.arange(columns), origin[1] + cell * np.arange(rows), indexing="ij")
    free = (clearance(np.stack([x.ravel(), y.ravel()], 1)) >= margin).reshape(columns, rows)
    free[[0, -1], :] = free[:, [0, -1]] = False
    free = free.tolist()
    first, last = (tuple(int(i) for i in np.round((np.asarray(p)[:2] - origin) / cell)) for p in (start, goal))
    if not (free[first[0]][first[1]] and free[last[0]][last[1]]):
        return None

    cost, parent = {first: 0.0}, {first: first}
    queue = [(hypot(first[0] - last[0], first[1] - last[1]), first)]
    closed = set()
    while queue:
        _, here = heapq.heappop(queue)
        if here in closed:
            continue
        if here == last:
            break
        closed.add(here)
        i, j = here
        for di, dj, length in NEIGHBOURS:
            there = (i + di, j + dj)
            total = cost[here] + length
            if free[there[0]][there[1]] and total < cost.get(there, inf):
                cost[there], parent[there] = total, here
                heapq.heappush(queue, (total + hypot(there[0] - last[0], there[1] - last[1]), there))
    else:
        return None

    cells = [last]
    while cells[-1] != first:
        cells.append(parent[cells[-1]])
    inner = origin + cell * np.array(cells[-2:0:-1], dtype=float).reshape(-1, 2)
    return np.concatenate([np.asarray(start)[None, :2], inner, np.asarray(goal)[None, :2]])
