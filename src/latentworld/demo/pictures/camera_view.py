"""What the robot's camera saw, with the imagined futures laid on the floor in front of it."""

from __future__ import annotations

import cv2
import numpy as np

from latentworld.demo.pictures.colours import GOAL, risk_colours
from latentworld.demo.pictures.futures import Future
from latentworld.sim.world import World

NEAR = 0.12  # m before the camera from where on things are drawn
BEHIND = 0.15  # m that something may lie behind what is seen and still count as in sight
WIDTH = 0.2  # m to either side of the best future that the base will sweep
_FINE = 16  # pixels are cut in as many parts: cv2's ``shift`` of 4 bits


class CameraView:
    """Draws with a world whose pictures are larger than the robot's; crates that were pushed stand where they stood."""

    def __init__(self, world: World) -> None:
        self.world, self.size = world, world.image_size

    def draw(self, pose: np.ndarray, others: list[Future], best: Future | None, goal: np.ndarray | None) -> np.ndarray:
        """(size, size, 3) uint8 from the true ``pose`` (3,)."""
        frame = self.world.view(pose)
        picture, depth = frame.rgb.copy(), frame.depth
        eye = self._eye(pose)
        if goal is not None:
            ring = goal[:2] + 0.3 * np.stack([np.cos(_TURN), np.sin(_TURN)], 1)
            self._line(picture, depth, eye, ring, np.broadcast_to(GOAL, (len(ring) - 1, 3)), 2)
        for future in others:
            self._line(picture, depth, eye, future.poses[:, :2], risk_colours(future.risk), 1)
        if best is not None:
            self._sweep(picture, eye, best)
            self._line(picture, depth, eye, best.poses[:, :2], risk_colours(best.risk), 3)
        return picture

    def _eye(self, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, y, yaw = self.world.to_room(pose)
        c, s = np.cos(yaw), np.sin(yaw)
        return self.world.camera.pose(np.array([x, y, 0.0]), np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]))

    def _seen(self, eye, points: np.ndarray) -> np.ndarray:
        """Points (N, 2) of the floor in odom -> (N, 3) column, row (of the optical axis' plane), metres ahead."""
        position, rotation = eye
        room = self.world.to_room(points)
        away = (np.concatenate([room, np.full((len(room), 1), 0.01)], 1) - position) @ rotation
        ahead = np.maximum(away[:, 0], 1e-3)
        f = self.world.focal_length
        return np.stack([self.size / 2 - f * away[:, 1] / ahead, self.size / 2 - f * away[:, 2] / ahead, away[:, 0]], 1)

    def _line(self, picture, depth, eye, points, colours, width: int) -> None:
        """A line on the floor; what is hidden behind things is left out."""
        fine = _resampled(points, 6)
        seen = self._seen(eye, fine)
        shown = seen[:, 2] > NEAR
        column, row = (np.clip(seen[:, i], -4 * self.size, 4 * self.size) for i in (0, 1))
        inside = shown & (column >= 0) & (column < self.size) & (row >= 0) & (row < self.size)
        at = depth[row[inside].astype(int), column[inside].astype(int)]
        shown[inside] &= seen[inside, 2] < at + BEHIND
        pixels = np.round(np.stack([column, row], 1) * _FINE).astype(int)
        for i in range(len(fine) - 1):
            if shown[i] and shown[i + 1]:
                colour = colours[i // 6].tolist()
                cv2.line(picture, pixels[i].tolist(), pixels[i + 1].tolist(), colour, width, cv2.LINE_AA, 4)

    def _sweep(self, picture, eye, best: Future) -> None:
        """The ground that the base will cover, see-through."""
        x, y, yaw = _resampled(best.poses, 3).T
        side = WIDTH * np.stack([-np.sin(yaw), np.cos(yaw)], 1)
        middle = np.stack([x, y], 1)
        left, right = self._seen(eye, middle + side), self._seen(eye, middle - side)
        layer = picture.copy()
        colours = risk_colours(best.risk)
        for i in range(len(middle) - 1):
            corners = np.stack([left[i], left[i + 1], right[i + 1], right[i]])
            if (corners[:, 2] > NEAR).all():
                pixels = np.round(np.clip(corners[:, :2], -4 * self.size, 4 * self.size) * _FINE).astype(np.int32)
                cv2.fillConvexPoly(layer, pixels, colours[i // 3].tolist(), cv2.LINE_AA, 4)
        cv2.addWeighted(layer, 0.4, picture, 0.6, 0, picture)


_TURN = np.linspace(0, 2 * np.pi, 37)


def _resampled(points: np.ndarray, parts: int) -> np.ndarray:
    """Each stretch between two points cut into ``parts``."""
    at = np.arange((len(points) - 1) * parts + 1) / parts
    low = np.minimum(at.astype(int), len(points) - 2)
    share = (at - low)[:, None]
    return points[low] * (1 - share) + points[low + 1] * share
