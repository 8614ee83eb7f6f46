"""Small rigid-body geometry, NumPy only. Planar poses are (3,): x, y in metres, yaw.

Angles in radians; rotations as REP-103: x forward, y left, z up.
"""

from __future__ import annotations

import math

import numpy as np

from latentworld.types import turn

# A camera's optical frame (x right, y down, z forward; REP-103) seen from its body frame (x forward, y left, z up).
OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


def rotation(roll: float, pitch: float, yaw: float) -> np.ndarray:
    """(3, 3) matrix of fixed-axis roll, pitch, yaw, as URDF and tf write them. Positive pitch looks down."""
    cr, sr, cp, sp, cy, sy = (f(a) for a in (roll, pitch, yaw) for f in (np.cos, np.sin))
    return np.array([
        [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
        [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
        [-sp, cp * sr, cp * cr],
    ])  # fmt: skip


def euler(matrix: np.ndarray) -> tuple[float, float, float]:
    """The inverse of ``rotation``: roll, pitch, yaw; at pitch = +-90 degrees roll is 0."""
    pitch = float(np.arcsin(np.clip(-matrix[2, 0], -1, 1)))
    if abs(matrix[2, 0]) > 1 - 1e-9:
        return 0.0, pitch, float(np.arctan2(-matrix[0, 1], matrix[1, 1]))
    return (
        float(np.arctan2(matrix[2, 1], matrix[2, 2])),
        pitch,
        float(np.arctan2(matrix[1, 0], matrix[0, 0])),
    )


def compose(pose: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """The planar pose that ``motion``, a pose in the frame of ``pose``, leads to."""
    c, s = math.cos(pose[2]), math.sin(pose[2])
    x, y, yaw = motion
    return np.array([pose[0] + c * x - s * y, pose[1] + s * x + c * y, turn(pose[2] + yaw)])


def relative(pose: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The planar pose ``other`` in the frame of ``pose``: ``compose(pose, relative(pose, other))`` is ``other``."""
    dx, dy = other[:2] - pose[:2]
    c, s = math.cos(pose[2]), math.sin(pose[2])
    return np.array([c * dx + s * dy, c * dy - s * dx, turn(other[2] - pose[2])])


def polygon_distance(polygon: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Signed distance (m) from points (..., 2) to a simple polygon (N, 2): negative inside."""
    start, end = polygon, np.roll(polygon, -1, 0)
    along = end - start
    offset = points[..., None, :] - start
    share = np.clip((offset * along).sum(-1) / np.maximum((along * along).sum(-1), 1e-12), 0, 1)
    distance = np.sqrt(np.square(offset - share[..., None] * along).sum(-1).min(-1))
    y0, y1, y = start[:, 1], end[:, 1], points[..., 1:2]
    crosses = (y0 <= y) != (y1 <= y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = start[:, 0] + (y - y0) / (y1 - y0) * along[:, 0]
    inside = (crosses & (points[..., 0:1] < at)).sum(-1) % 2 == 1
    return np.where(inside, -distance, distance)
