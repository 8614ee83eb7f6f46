"""Exact signed distances in the plane to oriented boxes, circles and the walls of a rectangular room."""

from __future__ import annotations

import numpy as np


class Footprints:
    """What stands in a room, seen from above, in the frame of the room's centre (metres).

    size: (width, depth) between the walls. boxes: (B, 5) x, y, yaw, half length, half width.
    circles: (C, 3) x, y, radius.
    """

    def __init__(self, size: tuple[float, float], boxes: np.ndarray, circles: np.ndarray) -> None:
        self._half = np.asarray(size, dtype=float) / 2
        boxes = np.asarray(boxes, dtype=float).reshape(-1, 5)
        self._x, self._y = boxes[:, 0].copy(), boxes[:, 1].copy()
        self._cos, self._sin = np.cos(boxes[:, 2]), np.sin(boxes[:, 2])
        self._a, self._b = boxes[:, 3].copy(), boxes[:, 4].copy()
        self._circles = np.asarray(circles, dtype=float).reshape(-1, 3)

    def move_box(self, row: int, x: float, y: float, cos: float, sin: float) -> None:
        """Box ``row`` now stands at (x, y), turned by the angle of this cosine and sine."""
        self._x[row], self._y[row], self._cos[row], self._sin[row] = x, y, cos, sin

    def move_circle(self, row: int, x: float, y: float) -> None:
        """Circle ``row`` now stands at (x, y)."""
        self._circles[row, :2] = x, y

    def distance(self, points: np.ndarray) -> np.ndarray:
        """(N, 2) -> (N,) metres to the nearest surface, negative inside an obstacle or beyond a wall."""
        nearest = (self._half - np.abs(points)).min(1)
        x, y = points[:, :1], points[:, 1:]
        if len(self._x):
            dx, dy = x - self._x, y - self._y
            u = np.abs(dx * self._cos + dy * self._sin) - self._a
            v = np.abs(dy * self._cos - dx * self._sin) - self._b
            far_u, far_v = np.maximum(u, 0), np.maximum(v, 0)
            outside = np.sqrt(far_u * far_u + far_v * far_v)
            nearest = np.minimum(nearest, (outside + np.minimum(np.maximum(u, v), 0)).min(1))
        if len(self._circles):
            centre = self._circles
            nearest = np.minimum(nearest, (np.hypot(x - centre[:, 0], y - centre[:, 1]) - centre[:, 2]).min(1))
        return nearest
