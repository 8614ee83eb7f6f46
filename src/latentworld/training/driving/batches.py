"""Clips as tensors: what one step of training sees."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from latentworld.training.driving.drives import Drives, Images
from latentworld.types import turn


class Batch(NamedTuple):
    """n clips of T rows seen every ``stride`` rows.

    clip, goals: pictures (n, T, ...) and (n, G, ...), or None when latents are at hand. rows: (n, T) row numbers in
    the dataset. goal_rows: (n, G) other rows of the same episode. motion: (n, T, 8). odometry: (n, T, 3) poses.
    goal_pose: (n, G, 3). query: (n, T, M, 4).
    """

    stride: int
    clip: Images | None
    goals: Images | None
    rows: Tensor
    goal_rows: Tensor
    motion: Tensor
    odometry: Tensor
    goal_pose: Tensor
    query: Tensor


def sample(
    drives: Drives,
    rng: np.random.Generator,
    n: int,
    length: int,
    stride: int,
    images: bool = True,
    rooms: int | None = None,
) -> Batch:
    """Draw a batch; the same rng state draws the same batch. images: whether it has any. rooms: from the first so many
    only.
    """
    starts, episodes = drives.starts(rng, n, length * stride, rooms)
    first, last = drives.offsets[episodes], drives.offsets[episodes] + drives.lengths[episodes] - 1
    rows = starts[:, None] + np.arange(length) * stride
    small = drives.small
    goal_rows = _goals(small["odometry"], rng, rows[:, -1], first, last)
    odometry = small["odometry"][rows]
    # The command in force when a row was seen is the one given at the row before.
    commanded = small["action"][np.maximum(rows - 1, first[:, None])]
    before = np.concatenate([odometry[:, :1, :3], odometry[:, :-1, :3]], 1)
    elapsed = np.full((n, length, 1), 0.1 * stride, np.float32)
    elapsed[:, 0] = 0
    velocity = np.concatenate([odometry[..., 3:], commanded], -1)
    motion = np.concatenate([_relative(before, odometry[..., :3]), elapsed, velocity], -1)

    clip = goals = None
    if images:
        clip = _joined([drives.images(start, start + length * stride, stride) for start in starts], rows.shape)
        goals = _joined([drives.images(row, row + 1) for row in goal_rows.flat], goal_rows.shape)
    query = np.stack([drives.query[s : s + length * stride][::stride] for s in starts]).astype(np.float32)
    arrays = (
        rows, goal_rows, motion, odometry[..., :3], small["odometry"][goal_rows][..., :3], query,
    )  # fmt: skip
    return Batch(stride, clip, goals, *(torch.from_numpy(np.ascontiguousarray(a)) for a in arrays))


def _joined(parts: list[Images], shape: tuple[int, int]) -> Images:
    """Pictures of several reads as tensors (*shape, ...)."""
    columns = [None if column[0] is None else np.concatenate(column) for column in zip(*parts, strict=True)]
    return Images(*(None if c is None else torch.from_numpy(c.reshape(*shape, *c.shape[1:])) for c in columns))


GOALS = 4  # a clip
FAR, TRIES = 3.0, 8  # metres from the end of a clip to most goals; rows tried for one


def _goals(odometry: np.ndarray, rng: np.random.Generator, ends: np.ndarray, first, last) -> np.ndarray:
    """Rows (n, GOALS) of each clip's episode: one close by in time, one anywhere (a far goal must be known to be far),
    the others within reach from where the clip ends, as what a robot is asked for.
    """
    n = len(ends)
    close = np.clip(ends + rng.integers(-60, 30, n), first, last)
    tried = rng.integers(first[:, None, None], last[:, None, None] + 1, (n, GOALS - 1, TRIES))
    off = np.hypot(*np.moveaxis(odometry[tried, :2] - odometry[ends, None, None, :2], -1, 0))
    within = np.take_along_axis(tried, ((off > 0.4) & (off < FAR)).argmax(2)[..., None], 2)[..., 0]
    return np.column_stack([close, tried[:, 0, -1], within[:, 1:]])


def _relative(pose: np.ndarray, other: np.ndarray) -> np.ndarray:
    """``other`` (..., 3) seen from ``pose`` (..., 3)."""
    d = other - pose
    c, s = np.cos(pose[..., 2]), np.sin(pose[..., 2])
    yaw = turn(d[..., 2])
    return np.stack([c * d[..., 0] + s * d[..., 1], c * d[..., 1] - s * d[..., 0], yaw], -1).astype(np.float32)
