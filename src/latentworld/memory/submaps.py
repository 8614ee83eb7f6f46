"""Runs of keyframes that move together: each has a pose of its own, so that a correction touches runs and not rows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from latentworld.memory.rows import UPPER

MOST = 64  # keyframes in one
REACH = 1.0  # metres of a side of the box that holds them
PAUSE = 600_000_000_000  # ns between two keyframes after which another begins
NOWHERE = bytes(24)  # a covariance of nothing


@dataclass(slots=True)
class Submap:
    """pose: (3,) from the frame that its keyframes were driven in to the frame that they are in now; identity until
    something corrects it. box: x0, x1, y0, y1 (m) in that frame. span: first and last stamp (ns).
    """

    id: int
    first: int
    last: int
    frame: int
    pose: np.ndarray = field(default_factory=lambda: np.zeros(3))
    covariance: bytes = NOWHERE
    box: list[float] = field(default_factory=lambda: [math.inf, -math.inf, math.inf, -math.inf])
    span: list[int] = field(default_factory=lambda: [0, 0])

    def takes(self, frame: int, stamp: int, pose: np.ndarray) -> bool:
        """Whether the next keyframe belongs to it. pose: in the same frame; one that was corrected takes no more."""
        return (
            frame == self.frame
            and self.last - self.first + 1 < MOST
            and 0 <= stamp - self.span[1] < PAUSE
            and max(pose[0] - self.box[0], self.box[1] - pose[0]) < REACH
            and max(pose[1] - self.box[2], self.box[3] - pose[1]) < REACH
        )

    def take(self, id: int, stamp: int, pose: np.ndarray) -> None:
        x, y = float(pose[0]), float(pose[1])
        x0, x1, y0, y1 = self.box
        self.box = [min(x0, x), max(x1, x), min(y0, y), max(y1, y)]
        self.span = [min(self.span[0], stamp), max(self.span[1], stamp)] if id != self.first else [stamp, stamp]
        self.last = id

    def row(self) -> list:
        """As ``base.put`` takes it."""
        return [
            self.id, self.first, self.last, self.frame, *map(float, self.pose), self.covariance.hex(), *self.box,
            *self.span, *self.box,
        ]  # fmt: skip


def placed(transform: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """Poses (N, 3) after transforms (N, 3) or (3,): x, y turned by its yaw, then moved by its x, y."""
    c, s = np.cos(transform[..., 2]), np.sin(transform[..., 2])
    x, y = poses[..., 0], poses[..., 1]
    moved = np.stack([c * x - s * y + transform[..., 0], s * x + c * y + transform[..., 1]], -1)
    return np.concatenate([moved, poses[..., 2:] + transform[..., 2:]], -1)


def between(driven: np.ndarray, corrected: np.ndarray) -> np.ndarray:
    """The transforms (N, 3) that carry poses as driven (N, 3) to where they are now known to be."""
    yaw = corrected[..., 2] - driven[..., 2]
    c, s = np.cos(yaw), np.sin(yaw)
    x = corrected[..., 0] - c * driven[..., 0] + s * driven[..., 1]
    y = corrected[..., 1] - s * driven[..., 0] - c * driven[..., 1]
    return np.stack([x, y, np.remainder(yaw + np.pi, 2 * np.pi) - np.pi], -1)


def turned(transform: np.ndarray, covariances: np.ndarray) -> np.ndarray:
    """Covariances (N, 3, 3) of x, y, yaw seen in the frame that the transforms (N, 3) lead to."""
    rotation = np.zeros((*transform.shape[:-1], 3, 3))
    rotation[..., 0, 0] = rotation[..., 1, 1] = np.cos(transform[..., 2])
    rotation[..., 1, 0] = np.sin(transform[..., 2])
    rotation[..., 0, 1] = -rotation[..., 1, 0]
    rotation[..., 2, 2] = 1.0
    return rotation @ covariances @ rotation.swapaxes(-1, -2)


def upper(covariance: np.ndarray) -> np.ndarray:
    """Upper triangles (..., 6) float32 of matrices (..., 3, 3)."""
    return np.asarray(covariance, "<f4")[..., UPPER[0], UPPER[1]]


def moved(found: list[tuple], frame: int, transforms: np.ndarray, spread: list[str]) -> list[list]:
    """Rows of the base's submaps, as ``base.put`` takes them, put into a frame by transforms (n, 3).

    spread: of each what ``covariance`` is then, in hexadecimal digits.
    """
    boxes = _boxes(np.array([row[14:18] for row in found], np.float64), transforms)
    return [
        [*row[:3], frame, *transform, part, *box, *row[12:18]]
        for row, transform, part, box in zip(found, transforms.tolist(), spread, boxes.tolist(), strict=True)
    ]


def _boxes(driven: np.ndarray, transforms: np.ndarray) -> np.ndarray:
    """x0, x1, y0, y1 (n, 4) that hold what lies in boxes as driven (n, 4), after transforms (n, 3)."""
    corners = np.stack([driven[:, [0, 0, 1, 1]], driven[:, [2, 3, 2, 3]], np.zeros((len(driven), 4))], -1)
    now = placed(transforms[:, None], corners)
    return np.stack([now[..., 0].min(1), now[..., 0].max(1), now[..., 1].min(1), now[..., 1].max(1)], -1)
