"""A room from above: as it is, or as the robot believes it to be; with what was driven and what is imagined."""

from __future__ import annotations

import cv2
import numpy as np

from latentworld.demo.pictures.colours import BACKGROUND, DRIVEN, GOAL, ROBOT, risk_colours, room_colours
from latentworld.demo.pictures.futures import Future, Shift
from latentworld.sim.world import World
from latentworld.types import FreeSpace

ARRIVAL = 0.3  # m
BRIGHTNESS = 100.0  # mean of a room: neither too dark to see nor brighter than what is drawn on it
_FINE = 16


class TopView:
    """The room of ``world`` in ``size`` x ``size`` pixels; room x points right, y up."""

    def __init__(self, world: World, size: int) -> None:
        self.size = size
        real = world.top_view(size).astype(np.float32)
        gain = np.clip(BRIGHTNESS / real[real.max(2) > 8].mean(), 0.6, 2.0)
        self.real = np.clip(gain * (0.8 * real + 0.2 * real.mean(2, keepdims=True)), 0, 255).astype(np.uint8)
        origin, ahead, left = world.top_view_pixels(np.array([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]), size)
        self._origin, self._axes = origin, np.stack([ahead - origin, left - origin])
        self.metre = float(np.hypot(*self._axes[0]))  # pixels
        self._outlines = [world.top_view_pixels(world.from_room(o.outline()), size) for o in world.room.obstacles]
        self._walls = self._wall_corners(world)
        self._footprint = world.base.polygon

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 2) in odom -> (..., 2) column, row."""
        return np.asarray(points)[..., :2] @ self._axes + self._origin

    def believed(self, space: FreeSpace | None, shift: Shift | None = None) -> np.ndarray:
        """The room there is around a base, as far as the belief reaches; thin lines: where things really stand."""
        picture = np.empty((self.size, self.size, 3), np.uint8)
        picture[:] = BACKGROUND
        if space is not None:
            corners = space.origin + space.cell * np.array([(0, 0), (1, 0), (0, 1)])
            first, right, up = self.pixels(corners if shift is None else shift(corners))
            transform = np.stack([right - first, up - first, first], 1)  # of one column, one row of the grid
            grid = np.ascontiguousarray(space.clearance, np.float32)
            square = (self.size, self.size)
            wide = cv2.warpAffine(grid, transform, square, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
            cover = cv2.warpAffine(np.ones_like(grid), transform, square, flags=cv2.INTER_LINEAR)[..., None]
            picture = (picture * (1 - cover) + room_colours(wide) * cover).astype(np.uint8)
        for outline in (*self._outlines, self._walls):
            cv2.polylines(picture, [_fine(_hull(outline))], True, (150, 160, 170), 1, cv2.LINE_AA, 4)
        return picture

    def goal(self, picture: np.ndarray, goal: np.ndarray) -> None:
        """A ring of the radius within which the robot has arrived, and a flag's dot in its middle."""
        at = tuple(_fine(self.pixels(goal)).tolist())
        cv2.circle(picture, at, round(ARRIVAL * self.metre * _FINE), GOAL, 2, cv2.LINE_AA, 4)
        cv2.circle(picture, at, 4 * _FINE, GOAL, -1, cv2.LINE_AA, 4)

    def driven(self, picture: np.ndarray, points: np.ndarray, colour=DRIVEN, width: int = 2) -> None:
        if len(points) > 1:
            cv2.polylines(picture, [_fine(self.pixels(points))], False, colour, width, cv2.LINE_AA, 4)

    def robot(self, picture: np.ndarray, pose: np.ndarray) -> None:
        """The footprint, and a line to its front."""
        c, s = np.cos(pose[2]), np.sin(pose[2])
        corners = self._footprint @ np.array([[c, s], [-s, c]]) + pose[:2]
        rim, centre = _fine(self.pixels(corners)), tuple(_fine(self.pixels(pose)).tolist())
        nose = self.pixels(pose[:2] + self._footprint[:, 0].max() * np.array([c, s]))
        layer = picture.copy()
        cv2.fillPoly(layer, [rim], ROBOT, cv2.LINE_AA, 4)
        cv2.addWeighted(layer, 0.35, picture, 0.65, 0, picture)
        cv2.polylines(picture, [rim], True, ROBOT, 2, cv2.LINE_AA, 4)
        cv2.line(picture, centre, tuple(_fine(nose).tolist()), ROBOT, 2, cv2.LINE_AA, 4)

    def futures(self, picture: np.ndarray, others: list[Future], best: Future | None) -> None:
        for future in others:
            self._future(picture, future, 1)
        if best is not None:
            self.driven(picture, best.poses[:, :2], (0, 0, 0), 5)
            self._future(picture, best, 3)

    def _future(self, picture: np.ndarray, future: Future, width: int) -> None:
        pixels, colours = _fine(self.pixels(future.poses)), risk_colours(future.risk)
        for i in range(len(pixels) - 1):
            cv2.line(picture, pixels[i].tolist(), pixels[i + 1].tolist(), colours[i].tolist(), width, cv2.LINE_AA, 4)

    def _wall_corners(self, world: World) -> np.ndarray:
        half = np.array(world.room.size) / 2
        return world.top_view_pixels(world.from_room(half * [(1, 1), (-1, 1), (-1, -1), (1, -1)]), self.size)


def _hull(points: np.ndarray) -> np.ndarray:
    return cv2.convexHull(points.astype(np.float32))[:, 0]


def _fine(points: np.ndarray) -> np.ndarray:
    return np.round(np.asarray(points) * _FINE).astype(np.int32)
