"""Camera frame -> the things that stand in it, each with a place and a look."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch

from latentworld.model.object_finder import ObjectFinder
from latentworld.perception.encoder import check, square
from latentworld.types import Frame, Objects

THING = 0.5  # probability from which on a cell shows a thing
FEW = 5.0  # cells that a thing takes at least
GRID = 0.1  # metres of a bin of votes
REACH = 0.3  # metres about where most votes meet within which they are for one thing
PARTS, ALIKE = 0.5, 0.6  # metres within which, and cosine from which on, two groups of votes are parts of one thing
ROUNDS = 3  # of moving to the middle of the votes about
MOST = 32  # things of one frame
SECTORS = 32  # of free view
FLOOR = 0.08  # metres above the floor below which nothing stands in the way; more, farther away
SLOPE = 0.03  # metres more a metre


class ObjectDetector:
    """Finds things in frames of any size with depth, as ``PerceptionEncoder`` cuts and shrinks them."""

    def __init__(self, model: ObjectFinder):
        self.model = model
        self._sharpness, self._even = model.kinship.tolist()

    def find(self, frame: Frame) -> Objects | None:
        """``None`` of a frame without depth. Raises LatentworldError when the arrays are not what Frame promises."""
        check(frame)
        if frame.depth is None:
            return None
        side = self.model.config.image_size
        rgb = torch.from_numpy(square(frame.rgb, side, cv2.INTER_AREA)).unsqueeze(0)
        depth = torch.from_numpy(square(frame.depth, side, cv2.INTER_NEAREST)).unsqueeze(0)
        with torch.inference_mode():
            thing, middle, points, looks = (part[0].numpy() for part in self.model(rgb, depth))
        sure = np.where(np.isnan(points[..., 0]), 0.0, 1 / (1 + np.exp(-thing.astype(np.float64))))
        cells = sure > THING
        votes, weights, shown = middle[cells].astype(np.float64), sure[cells], looks[:, cells].T
        groups = gather(votes, weights)

        def seen(groups: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
            """Places (n, 2), and looks (n, L) of unit length."""
            places = np.array([np.average(votes[g], 0, weights[g]) for g in groups]).reshape(-1, 2)
            whole = np.array([weights[g] @ shown[g] for g in groups], np.float32).reshape(-1, shown.shape[1])
            return places, whole / np.maximum(np.linalg.norm(whole, axis=1, keepdims=True), 1e-6)

        while (pair := _one_thing(*seen(groups))) is not None:
            groups[pair[0]] = np.concatenate([groups[pair[0]], groups.pop(pair[1])])
        places, vectors = seen(groups)
        return Objects(
            frame.stamp, self.model.model_id, places, np.float32(self._sharpness**0.5) * vectors, self._even,
            np.array([len(group) for group in groups], np.int64), *free_view(points),
        )  # fmt: skip


def _one_thing(places: np.ndarray, looks: np.ndarray) -> tuple[int, int] | None:
    """Two groups of votes, the first before the second, that are parts of one large thing."""
    apart = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    both = np.triu((apart < PARTS) & (looks @ looks.T > ALIKE), 1)
    first, second = np.nonzero(both)
    return (int(first[0]), int(second[0])) if len(first) else None


def gather(votes: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
    """Votes (M, 2), metres, that meet: indices of those for each thing, those with most votes first."""
    left, groups = np.arange(len(votes)), []
    while len(left) >= FEW and len(groups) < MOST:
        bins = np.round(votes[left] / GRID).astype(np.int64)
        bins -= bins.min(0)
        counts = np.zeros(np.minimum(bins.max(0) + 1, 400))
        inside = (bins < counts.shape).all(1)
        np.add.at(counts, tuple(bins[inside].T), weights[left][inside])
        counts = cv2.blur(counts, (3, 3), borderType=cv2.BORDER_CONSTANT)
        low = np.round(votes[left] / GRID).astype(np.int64).min(0)
        middle = (np.array(np.unravel_index(counts.argmax(), counts.shape)) + low) * GRID
        near = np.hypot(*(votes[left] - middle).T) < REACH
        for _ in range(ROUNDS):
            if not near.any():
                break
            middle = np.average(votes[left][near], 0, weights[left][near])
            near = np.hypot(*(votes[left] - middle).T) < REACH
        if weights[left][near].sum() < FEW:
            break
        groups.append(left[near])
        left = left[~near]
    return groups


def free_view(points: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """Metres (SECTORS,) to what stands in the way, else to the farthest floor seen; and the bearings they lie between.

    points: (H, W, 3), NaN where depth is unknown.
    """
    known = ~np.isnan(points[..., 0])
    far, bearing = np.hypot(points[..., 0], points[..., 1]), np.arctan2(points[..., 1], points[..., 0])
    left, right = math.pi / 4, -math.pi / 4
    sector = np.floor((left - bearing) / (left - right) * SECTORS)
    valid = known & (sector >= 0) & (sector < SECTORS)
    blocked = valid & (points[..., 2] > FLOOR + SLOPE * far)
    nearest, farthest = np.full(SECTORS, np.inf), np.zeros(SECTORS)
    np.minimum.at(nearest, sector[blocked].astype(np.int64), far[blocked])
    np.maximum.at(farthest, sector[valid].astype(np.int64), far[valid])
    return np.where(np.isfinite(nearest), nearest, farthest).astype(np.float32), (left, right)
