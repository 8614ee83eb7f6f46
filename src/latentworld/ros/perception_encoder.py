"""The cameras' pictures (or, without a camera, scan) -> latent_observation, as the model's own camera would see them.

The newest wins; what comes faster than the model was made for is thinned out.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sensor_msgs.msg import LaserScan

from latentworld.parameters import parameter
from latentworld.robot import BaseKind, Camera
from latentworld.robot_file import DEFAULT
from latentworld.ros import qos, robots
from latentworld.ros.camera_input import CameraInput
from latentworld.ros.channel import Bus
from latentworld.ros.codecs import LATENT, from_time
from latentworld.ros.diagnostics import ERROR, WARN
from latentworld.ros.eyes import Eyes, lidar_of
from latentworld.ros.head_attitude import HeadAttitude
from latentworld.ros.lenses import Lenses
from latentworld.ros.models import world_model
from latentworld.ros.node import ManagedNode
from latentworld.ros.pairing import FrameGatherer, Pace
from latentworld.ros.process import run
from latentworld.ros.worker import Worker
from latentworld.types import Attitude, Frame, Latent, LatentworldError, seconds, stamp_of

PACE = 0.9  # of the model's period, so that a camera of just that period, or a little faster, loses no frame


@dataclass(frozen=True, slots=True)
class PerceptionEncoderParameters:
    robot: str = parameter(DEFAULT, robots.PARAMETER)
    checkpoint: str = parameter("", "path of a checkpoint; empty: the shipped one")
    use_depth: bool = parameter(True, "pair depth with colour, where the robot has it and the model can use it")
    estimate_depth: bool = parameter(True, "where there is no depth, estimate it from colour")
    depth_tolerance: float = parameter(0.03, "s between the stamps of colour and depth", 0.0, 1.0)
    cameras_tolerance: float = parameter(0.05, "s between the stamps of several cameras", 0.0, 1.0)
    camera_timeout: float = parameter(2.0, "s without an image, or a scan, until it is an error", 0.1, 60.0)


class PerceptionEncoderNode(ManagedNode):
    defaults = PerceptionEncoderParameters()

    def __init__(self, bus: Bus | None = None, worker: Worker | None = None, **options: Any) -> None:
        super().__init__("perception_encoder", bus, worker, **options)

    def configure(self) -> None:
        robot = robots.described(self.parameters.robot)
        self._feeds, self._lidar = robots.seen_by(robot)
        self._nods = robot.base.kind == BaseKind.HEAD  # cameras turn with a head
        self._lenses = Lenses(self, robot, self._feeds, says=True)
        self._eyes = self.worker.call(self._load, timeout=120.0)
        self._latents = self.output(LATENT, "latent_observation", qos.latent())
        self._topic = self.resolve_topic_name(self._feeds[0].image if self._feeds else robots.SCAN)
        robots.announce(self, robot)

    def activate(self) -> None:
        p = self.parameters
        self._pace = Pace(round(PACE * stamp_of(self._eyes.model.config.camera_period)))
        self._gatherer = FrameGatherer(len(self._feeds), stamp_of(p.cameras_tolerance))
        self._cameras = [
            CameraInput(
                self, feed, self._lenses, self._with_depth(feed.camera), p.depth_tolerance, p.camera_timeout,
                partial(self._on_frame, number),
            )
            for number, feed in enumerate(self._feeds)
        ]  # fmt: skip
        self._head = HeadAttitude(self, self._topic, self._encode) if self._nods else None
        self._lenses.listen()
        self._scanned = time.monotonic()
        if self._lidar is not None:
            self.listen(LaserScan, robots.SCAN, qos.camera(), self._on_scan)

    def cleanup(self) -> None:
        self._eyes = None

    def watch(self) -> None:
        for camera in self._cameras:
            camera.watch()
        absent = [self._cameras[number].topic for number in self._gatherer.absent]
        if absent:
            wanted = f"expected a frame within {self.parameters.cameras_tolerance} s of {self._topic}"
            self.diagnostics.problem("cameras", WARN, f"{', '.join(absent)}: {wanted}, got none: the view is narrower")
        else:
            self.diagnostics.clear("cameras")
        silence = time.monotonic() - self._scanned
        if self._lidar is not None and silence > self.parameters.camera_timeout:
            self.diagnostics.problem("scan", ERROR, f"no scan on {self._topic} for {silence:.1f} s")

    def _with_depth(self, camera: Camera) -> bool:
        return camera.depth is not None and self.parameters.use_depth and self._uses_depth

    def _load(self) -> Eyes:
        """Warm: with the tables of all cameras made."""
        eyes = Eyes(world_model(self.parameters.checkpoint), self._lenses, self.parameters.estimate_depth)
        self._uses_depth = eyes.model.config.uses_depth
        if self._feeds:
            eyes.encode([self._empty(feed.camera) for feed in self._feeds])
        else:
            eyes.encode_scan(np.full(self._lidar.beams, np.inf), self._lidar, 0)
        return eyes

    def _empty(self, camera: Camera) -> Frame:
        picture, depth = camera.intrinsics, None
        if self._with_depth(camera):
            size = camera.depth.intrinsics or picture
            depth = np.ones((size.height, size.width), np.float32)
        return Frame(0, np.zeros((picture.height, picture.width, 3), np.uint8), depth, camera.name)

    def _on_frame(self, number: int, frame: Frame) -> None:
        frames = self._gatherer.take(number, frame)
        if frames and self._due(frames[0].stamp):
            self._encode(frames) if self._head is None else self._head.take(frames)

    def _encode(self, frames: list[Frame], attitude: Attitude | None = None) -> None:
        self.work(lambda: self._publish(self._eyes.encode(frames, attitude)), slot="frame")

    def _on_scan(self, message: LaserScan) -> None:
        self._scanned = time.monotonic()
        self.diagnostics.count("scans")
        try:
            ranges, lidar = lidar_of(message, self._lidar, self._topic)
        except LatentworldError as error:
            self.diagnostics.problem("scan", ERROR, str(error))
            return
        self.diagnostics.clear("scan")
        stamp = from_time(message.header.stamp)
        if self._due(stamp):
            self.work(lambda: self._publish(self._eyes.encode_scan(ranges, lidar, stamp)), slot="frame")

    def _due(self, stamp: int) -> bool:
        """Whether what was taken at ``stamp`` is to be encoded."""
        age = seconds(self.now() - stamp)
        if abs(age) > self.parameters.camera_timeout:
            apart = f"{self._topic}: stamp is {age:.1f} s from this node's clock"
            self.diagnostics.problem("stamp", WARN, f"{apart}: do camera and node agree on use_sim_time?")
        else:
            self.diagnostics.clear("stamp")
        return self._pace.admits(stamp)

    def _publish(self, latent: Latent) -> None:
        self._latents.publish(latent)
        self.diagnostics.count("latents")
        self.diagnostics.took("encode", latent.encode_seconds)


def main() -> None:
    worker = Worker()
    run(lambda: [PerceptionEncoderNode(worker=worker)], worker.close)


if __name__ == "__main__":
    main()
