"""camera/image_raw, camera/depth/image_raw -> latent_observation. The newest wins; a bad frame is named and dropped."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from sensor_msgs.msg import Image

from latentworld.parameters import parameter
from latentworld.perception.encoder import PerceptionEncoder
from latentworld.ros import images, qos
from latentworld.ros.channel import Bus
from latentworld.ros.codecs import LATENT, from_time
from latentworld.ros.diagnostics import ERROR, WARN
from latentworld.ros.models import world_model
from latentworld.ros.node import ManagedNode
from latentworld.ros.pairing import FramePairer
from latentworld.ros.process import run
from latentworld.ros.worker import Worker
from latentworld.types import Frame, LatentworldError, seconds, stamp_of


@dataclass(frozen=True, slots=True)
class PerceptionEncoderParameters:
    checkpoint: str = parameter("", "path of a checkpoint; empty: the shipped one")
    use_depth: bool = parameter(True, "pair depth with colour, where the model can use it")
    depth_tolerance: float = parameter(0.03, "s between the stamps of colour and depth", 0.0, 1.0)
    camera_timeout: float = parameter(2.0, "s without an image until it is an error", 0.1, 60.0)


class PerceptionEncoderNode(ManagedNode):
    defaults = PerceptionEncoderParameters()

    def __init__(self, bus: Bus | None = None, worker: Worker | None = None, **options: Any) -> None:
        super().__init__("perception_encoder", bus, worker, **options)

    def configure(self) -> None:
        self._encoder = self.worker.call(self._load, timeout=120.0)
        self._latents = self.output(LATENT, "latent_observation", qos.latent())
        self._image_topic = self.resolve_topic_name("camera/image_raw")
        self._depth_topic = self.resolve_topic_name("camera/depth/image_raw")

    def activate(self) -> None:
        self._pairer = None
        self._received = time.monotonic()
        self.listen(Image, "camera/image_raw", qos.camera(), self._on_image)
        if self.parameters.use_depth and self._encoder.model.config.uses_depth:
            self._pairer = FramePairer(stamp_of(self.parameters.depth_tolerance))
            self.listen(Image, "camera/depth/image_raw", qos.camera(), self._on_depth)

    def cleanup(self) -> None:
        self._encoder = None

    def watch(self) -> None:
        silence = time.monotonic() - self._received
        if silence > self.parameters.camera_timeout:
            self.diagnostics.problem("camera", ERROR, f"no image on {self._image_topic} for {silence:.1f} s")
        if self._pairer is not None and self._pairer.missed >= 3:
            nearest = self._pairer.nearest
            got = "none" if nearest is None else f"the nearest {seconds(nearest):.3f} s away"
            wanted = (
                f"{self._depth_topic}: expected depth within {self.parameters.depth_tolerance} s of {self._image_topic}"
            )
            self.diagnostics.problem("depth", ERROR, f"{wanted}, got {got} (no depth camera? set use_depth: false)")

    def _load(self) -> PerceptionEncoder:
        encoder = PerceptionEncoder(world_model(self.parameters.checkpoint))
        side = encoder.model.config.image_size
        encoder.encode(Frame(0, np.zeros((side, side, 3), np.uint8), np.ones((side, side), np.float32)))
        return encoder

    def _on_image(self, message: Image) -> None:
        self._received = time.monotonic()
        self.diagnostics.clear("camera")
        self.diagnostics.count("images")
        try:
            rgb = images.colour(message, self._image_topic)
        except LatentworldError as error:
            self.diagnostics.problem("image", ERROR, str(error))
            return
        self.diagnostics.clear("image")
        stamp = from_time(message.header.stamp)
        if self._pairer is None:
            self._take(Frame(stamp, rgb, None, message.header.frame_id))
        else:
            self._take(self._pairer.image(stamp, rgb, message.header.frame_id))

    def _on_depth(self, message: Image) -> None:
        try:
            depth = images.depth(message, self._depth_topic)
        except LatentworldError as error:
            self.diagnostics.problem("depth image", ERROR, str(error))
            return
        self.diagnostics.clear("depth image")
        self._take(self._pairer.depth(from_time(message.header.stamp), depth))

    def _take(self, frame: Frame | None) -> None:
        if frame is None:
            return
        self.diagnostics.clear("depth")
        age = seconds(self.now() - frame.stamp)
        if abs(age) > self.parameters.camera_timeout:
            apart = f"{self._image_topic}: stamp is {age:.1f} s from this node's clock"
            self.diagnostics.problem("stamp", WARN, f"{apart}: do camera and node agree on use_sim_time?")
        else:
            self.diagnostics.clear("stamp")
        self.work(lambda: self._encode(frame), slot="frame")

    def _encode(self, frame: Frame) -> None:
        latent = self._encoder.encode(frame)
        self._latents.publish(latent)
        self.diagnostics.count("latents")
        self.diagnostics.took("encode", latent.encode_seconds)


def main() -> None:
    worker = Worker()
    run(lambda: [PerceptionEncoderNode(worker=worker)], worker.close)


if __name__ == "__main__":
    main()
