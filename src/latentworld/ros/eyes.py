"""What a robot's cameras and its lidar show, seen as the model sees, with the lenses that camera_info says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from sensor_msgs.msg import LaserScan

from latentworld.model.world_model import WorldModel
from latentworld.perception.canonical_view import CanonicalView
from latentworld.perception.encoder import PerceptionEncoder
from latentworld.perception.objects import ObjectDetector
from latentworld.robot import Lidar
from latentworld.ros.lenses import Lenses
from latentworld.types import Attitude, Frame, Latent, LatentworldError, Objects


class Eyes:
    """Use it on the faculties' thread."""

    def __init__(self, model: WorldModel, lenses: Lenses, estimate_depth: bool = True) -> None:
        self.model, self._lenses, self._estimates = model, lenses, estimate_depth
        self._encoder = PerceptionEncoder(model, lenses.robot, estimate_depth)

    @property
    def view(self) -> CanonicalView:
        return self._current().view

    def view_at(self, attitude: Attitude | None) -> CanonicalView:
        """As ``PerceptionEncoder``."""
        return self._current().view_at(attitude)

    def encode(self, frames: Frame | Sequence[Frame], attitude: Attitude | None = None) -> Latent:
        """As ``PerceptionEncoder``."""
        return self._current().encode(frames, attitude)

    def encode_scan(self, ranges: np.ndarray, lidar: Lidar, stamp: int) -> Latent:
        """The latent of a planar scan; ``ranges`` as ``CanonicalView.look_scan`` takes them."""
        return self._current().encode_scan(ranges, lidar, stamp)

    def _current(self) -> PerceptionEncoder:
        """Made anew when a lens has changed."""
        if self._encoder.robot is not self._lenses.robot:
            self._encoder = PerceptionEncoder(self.model, self._lenses.robot, self._estimates)
        return self._encoder


class Finder:
    """Finds the things of a frame in what the model's camera would see of it: the finder knows no other camera."""

    def __init__(self, detector: ObjectDetector, eyes: Eyes | PerceptionEncoder) -> None:
        """eyes: of a robot."""
        self._detector, self._eyes = detector, eyes

    def find(self, frame: Frame, attitude: Attitude | None = None) -> Objects | None:
        """As ``ObjectDetector``. attitude: of a head that carries the camera."""
        if frame.depth is None:
            return None
        seen = self._eyes.view_at(attitude).look(frame)
        if seen.depth is None:  # of a camera that is described without it
            return None
        return self._detector.find(Frame(frame.stamp, seen.rgb, np.where(seen.known, seen.depth, np.float32(0))))


def lidar_of(message: LaserScan, described: Lidar, topic: str) -> tuple[np.ndarray, Lidar]:
    """Ranges (N,) m of a scan, and the lidar that it is from: mounted as described, beams and range as the message has
    them.
    """
    beams, step = len(message.ranges), message.angle_increment
    if beams < 2 or not np.isfinite((message.angle_min, step)).all() or step == 0:
        raise LatentworldError(f"{topic}: expected 2 or more beams at steps that are not 0, got {beams} at {step}")
    if not 0 <= message.range_min < message.range_max:
        raise LatentworldError(
            f"{topic}: expected 0 <= range_min < range_max, got {message.range_min} and {message.range_max}"
        )
    last = message.angle_min + step * (beams - 1)
    lidar = replace(
        described, first=message.angle_min, last=last, beams=beams, least=message.range_min, most=message.range_max
    )
    return np.asarray(message.ranges, np.float32), lidar
