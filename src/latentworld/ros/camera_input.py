"""The topics of one camera -> frames. The newest wins; a bad picture is named and dropped."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from sensor_msgs.msg import Image

from latentworld.ros import images
from latentworld.ros.codecs import from_time
from latentworld.ros.diagnostics import ERROR
from latentworld.ros.image_input import ImageInput
from latentworld.ros.node import ManagedNode
from latentworld.ros.pairing import FramePairer
from latentworld.ros.robots import Feed
from latentworld.types import Frame, LatentworldError, seconds, stamp_of

if TYPE_CHECKING:
    from latentworld.ros.lenses import Lenses


class CameraInput:
    """Listens as long as the node is active. ``taken`` gets frames whose ``frame_id`` is the camera's name.

    with_depth: pair colour with depth. tolerance: s between the stamps of both. timeout: s without a picture until that
    is an error.
    """

    def __init__(
        self, node: ManagedNode, feed: Feed, lenses: Lenses, with_depth: bool, tolerance: float, timeout: float,
        taken: Callable[[Frame], None],
    ) -> None:  # fmt: skip
        self.feed, self.topic = feed, node.resolve_topic_name(feed.image)
        self._node, self._lenses, self._taken = node, lenses, taken
        self._tolerance, self._timeout = tolerance, timeout
        self._depth_topic = node.resolve_topic_name(feed.depth)
        self._received = time.monotonic()
        self._pairer = FramePairer(stamp_of(tolerance)) if with_depth else None
        self._images = [ImageInput(node, feed.image, self._on_image)]
        if with_depth:
            self._images.append(ImageInput(node, feed.depth, self._on_depth))

    def watch(self) -> None:
        """Say what does not come."""
        for image in self._images:
            image.look()
        silence = time.monotonic() - self._received
        if silence > self._timeout:
            self._problem("camera", f"no image on {self.topic} for {silence:.1f} s")
        if self._pairer is not None and self._pairer.missed >= 3:
            nearest = self._pairer.nearest
            got = "none" if nearest is None else f"the nearest {seconds(nearest):.3f} s away"
            wanted = f"{self._depth_topic}: expected depth within {self._tolerance} s of {self.topic}"
            self._problem("depth", f"{wanted}, got {got} (no depth camera? set use_depth: false)")

    def _problem(self, what: str, text: str) -> None:
        self._node.diagnostics.problem(f"{self.feed.folder} {what}", ERROR, text)

    def _well(self, what: str) -> None:
        self._node.diagnostics.clear(f"{self.feed.folder} {what}")

    def _on_image(self, message: Image) -> None:
        self._received = time.monotonic()
        self._well("camera")
        self._node.diagnostics.count("images")
        try:
            rgb = images.colour(message, self.topic)
        except LatentworldError as error:
            self._problem("image", str(error))
            return
        self._well("image")
        self._lenses.shown(self.feed.image, rgb.shape)
        stamp, name = from_time(message.header.stamp), self.feed.camera.name
        self._take(Frame(stamp, rgb, None, name) if self._pairer is None else self._pairer.image(stamp, rgb, name))

    def _on_depth(self, message: Image) -> None:
        try:
            depth = images.depth(message, self._depth_topic)
        except LatentworldError as error:
            self._problem("depth image", str(error))
            return
        self._well("depth image")
        self._lenses.shown(self.feed.depth, depth.shape)
        self._take(self._pairer.depth(from_time(message.header.stamp), depth))

    def _take(self, frame: Frame | None) -> None:
        if frame is not None:
            self._well("depth")
            self._taken(frame)
