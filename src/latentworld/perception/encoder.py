"""Camera frame -> latent."""

from __future__ import annotations

import time
from collections.abc import Sequence

import cv2
import numpy as np
import torch

from latentworld.model.checkpoint import depth_estimator
from latentworld.model.world_model import WorldModel
from latentworld.perception.canonical_view import CanonicalView
from latentworld.perception.estimated_depth import EstimatedDepth
from latentworld.perception.head import HeadView
from latentworld.perception.range_scan import range_scan, scan_of_lidar
from latentworld.robot import BaseKind, Lidar, Robot
from latentworld.types import Attitude, Frame, Latent, LatentworldError, RangeScan


class PerceptionEncoder:
    """Encodes frames of a robot's cameras, turned into the view that the model sees through.

    robot: whose cameras they are. None: each frame counts as that view itself, cut square about its middle.
    estimate_depth: of frames that come without it; else they are encoded by their colour alone.
    """

    def __init__(self, model: WorldModel, robot: Robot | None = None, estimate_depth: bool = True):
        self.model, self.robot = model, robot
        self.view = None if robot is None else CanonicalView(robot)
        # At the height of a head the estimator, which knows our rooms only, misleads (docs/robots.md).
        able = estimate_depth and robot is not None and robot.base.kind != BaseKind.HEAD and model.config.uses_depth
        self._depth = EstimatedDepth(depth_estimator(), self.view) if able else None
        self._head = None if robot is None or not robot.cameras else HeadView(robot)

    def encode(self, frames: Frame | Sequence[Frame], attitude: Attitude | None = None) -> Latent:
        """One frame, or one of each camera, taken at about one time; the latent has the stamp of the first. attitude:
        of a head that carries the cameras; None: they sit as described.

        Raises LatentworldError when the arrays are not what Frame promises, or are of no camera of this robot.
        """
        began = time.perf_counter()
        frames = [frames] if isinstance(frames, Frame) else list(frames)
        for frame in frames:
            check(frame)
        scans: tuple[RangeScan, ...] = ()
        if self.view is None:
            (rgb, depth), mask = self._cut(frames[0]), None
        else:
            view = self.view_at(attitude)
            if self._depth is not None and not any(view.measures(frame) for frame in frames):
                view, frames, scans = self._depth.look(frames)
            else:
                scans = tuple(filter(None, (range_scan(frame, view.robot) for frame in frames)))
            seen = view.look(frames)
            rgb, depth, mask = seen.rgb, seen.depth, seen.mask
        return self._latent(frames[0].stamp, (rgb, depth, mask), scans, began)

    def view_at(self, attitude: Attitude | None) -> CanonicalView:
        """Through the cameras of the robot, with a head that carries them held so; None: as described."""
        return self.view if attitude is None else self._head.at(attitude)

    def encode_scan(self, ranges: np.ndarray, lidar: Lidar, stamp: int) -> Latent:
        """The latent of a planar scan alone; ranges: (M,) metres, evenly from ``lidar.first`` to ``lidar.last``."""
        began = time.perf_counter()
        seen = self.view.look_scan(ranges, lidar)
        return self._latent(stamp, (seen.rgb, seen.depth, seen.mask), (scan_of_lidar(ranges, lidar),), began)

    def _latent(self, stamp: int, pictures: tuple, scans: tuple[RangeScan, ...], began: float) -> Latent:
        parts = (None if part is None else torch.from_numpy(part).unsqueeze(0) for part in pictures)
        with torch.inference_mode():
            vector = self.model.encode(*parts)[0].numpy()
        return Latent(stamp, self.model.model_id, vector, time.perf_counter() - began, scans)

    def _cut(self, frame: Frame) -> tuple[np.ndarray, np.ndarray | None]:
        side = self.model.config.image_size
        # Area averaging would smear unknown depths and edges; the nearest sample is a true one.
        depth = None if frame.depth is None else square(frame.depth, side, cv2.INTER_NEAREST)
        return square(frame.rgb, side, cv2.INTER_AREA), depth


def square(image: np.ndarray, side: int, interpolation: int) -> np.ndarray:
    """The middle square of an image, ``side`` pixels a side; the image itself where it already is that."""
    height, width = image.shape[:2]
    if height != width:
        edge = min(height, width)
        top, left = (height - edge) // 2, (width - edge) // 2
        image = image[top : top + edge, left : left + edge]
    if image.shape[0] != side:
        image = cv2.resize(image, (side, side), interpolation=interpolation)
    return np.ascontiguousarray(image)


def check(frame: Frame) -> None:
    rgb, depth = frame.rgb, frame.depth
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or min(rgb.shape[:2]) < 8:
        raise LatentworldError(
            f"frame: expected rgb (height, width, 3) uint8 of 8 pixels or more, got {rgb.shape} {rgb.dtype}"
        )
    if depth is not None and (depth.ndim != 2 or depth.dtype != np.float32):
        raise LatentworldError(f"frame: expected depth (height, width) float32 metres, got {depth.shape} {depth.dtype}")
