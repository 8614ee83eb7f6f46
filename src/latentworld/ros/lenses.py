"""Lenses of a robot's cameras as camera_info says them, which counts more than the description."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from sensor_msgs.msg import CameraInfo

from latentworld.description.cameras import intrinsics_of
from latentworld.description.heard import Info, Picture
from latentworld.description.place import Notes
from latentworld.perception.rectification import fitted
from latentworld.robot import Camera, Intrinsics, Robot
from latentworld.ros import qos
from latentworld.ros.diagnostics import WARN
from latentworld.ros.node import ManagedNode
from latentworld.ros.robots import Feed
from latentworld.types import LatentworldError

DIFFERENT = 0.02  # share of the picture's width by which a lens is said to differ from the description
SAME = 1e-3  # the same, up to which nothing is rebuilt


class Lenses:
    """``robot`` is the described one with the lenses that were heard of; another object whenever one of them changes.

    says: put differences from the description into the node's diagnostics; one node of a robot is enough. Safe to use
    on the ROS thread and the faculties' thread.
    """

    def __init__(self, node: ManagedNode, robot: Robot, feeds: Sequence[Feed], says: bool = False) -> None:
        self.robot, self._described = robot, robot
        self._node, self._feeds, self._says = node, feeds, says
        self._lock = threading.Lock()
        self._infos: dict[str, Info] = {}  # of topics
        self._shapes: dict[str, tuple[int, int]] = {}  # (height, width) of the pictures that come on topics

    def listen(self) -> None:
        """Hear camera_info as long as the node is active. It is looked for beside its picture, unless remapped."""
        with self._lock:
            self._infos, self._shapes = {}, {}
            self._update()
        for feed in self._feeds:
            pairs = [(feed.image, feed.info)]
            if feed.camera.depth is not None:
                pairs.append((feed.depth, feed.depth_info))
            for picture, info in pairs:
                topic = beside(self._node, picture, info)
                self._node.listen(CameraInfo, topic, qos.camera(), partial(self._on_info, info))

    def shown(self, topic: str, shape: tuple[int, ...]) -> None:
        """A picture of this shape (height, width, ...) came on this topic of a feed."""
        if self._shapes.get(topic) != shape[:2]:
            with self._lock:
                self._shapes[topic] = shape[:2]
                self._update()

    def _on_info(self, topic: str, message: CameraInfo) -> None:
        roi = message.roi
        info = Info(
            "", message.width, message.height, message.distortion_model, tuple(message.d), tuple(message.k),
            tuple(message.p), (message.binning_x, message.binning_y),
            (roi.x_offset, roi.y_offset, roi.width, roi.height),
        )  # fmt: skip
        if self._infos.get(topic) != info:
            with self._lock:
                self._infos[topic] = info
                self._update()

    def _update(self) -> None:
        changed = {feed.camera.name: self._seen(feed) for feed in self._feeds}
        robot = replace(self._described, cameras=tuple(changed.get(c.name, c) for c in self._described.cameras))
        if robot != self.robot:
            self.robot = robot

    def _seen(self, feed: Feed) -> Camera:
        camera = feed.camera
        lens = self._lens(feed.image, feed.info, camera.name, camera.intrinsics)
        if camera.depth is None:
            return replace(camera, intrinsics=lens)
        if camera.depth.registered:
            # Depth with the pixels of the colour picture: another lens is one of its own, in the same place.
            own = self._lens(feed.depth, feed.depth_info, f"{camera.name}.depth", lens, any_size=True)
            depth = camera.depth if _apart(own, lens) <= DIFFERENT else replace(camera.depth, intrinsics=own)
        else:
            own = self._lens(feed.depth, feed.depth_info, f"{camera.name}.depth", camera.depth.intrinsics)
            depth = replace(camera.depth, intrinsics=own)
        return replace(camera, intrinsics=lens, depth=depth)

    def _lens(self, picture: str, topic: str, name: str, described: Intrinsics, any_size: bool = False) -> Intrinsics:
        """The lens that counts, and a line in the diagnostics where that is not the described one."""
        info, said = self._infos.get(topic), ""
        lens = described
        resolved = self._node.resolve_topic_name(beside(self._node, picture, topic))
        if info is not None and min(info.k[0], info.k[4], info.width, info.height) <= 0:
            said = f"{resolved}: expected a calibrated camera, got K of zeros: the description's lens is used"
        elif info is not None:
            heard = lens_of(info, self._node.resolve_topic_name(picture), name)
            shape = self._shapes.get(picture, (heard.height, heard.width))
            if not _fits(heard, shape) and _fits(described, shape):
                wanted = f"expected that of pictures of {shape[1]} x {shape[0]} pixels"
                said = f"{resolved}: {wanted}, got {_words(heard)}: the description's lens is used"
            else:
                apart = _apart(heard, described)
                sized = any_size or (heard.width, heard.height) == (described.width, described.height)
                lens = described if sized and apart <= SAME else heard
                if apart > DIFFERENT or not sized:
                    said = f"{resolved}: expected {_words(described)} as described, got {_words(heard)}: that is used"
        if said and self._says:
            self._node.diagnostics.problem(f"lens {name}", WARN, said)
        else:
            self._node.diagnostics.clear(f"lens {name}")
        return lens


def beside(node: ManagedNode, picture: str, info: str) -> str:
    """The topic of a picture's camera_info: where it was remapped to, else beside the picture, as drivers have it."""
    if node.resolve_topic_name(info) != node.resolve_topic_name(info, only_expand=True):
        return info
    return f"{node.resolve_topic_name(picture).rsplit('/', 1)[0]}/camera_info"


def lens_of(info: Info, topic: str, name: str) -> Intrinsics:
    """The lens of the pictures on ``topic``: of the region of interest, binned. Whoever names a topic ...rect... has
    rectified its pictures.
    """
    x, y, width, height = info.roi if info.roi[2] and info.roi[3] else (0, 0, info.width, info.height)
    across, down = (max(b, 1) for b in info.binning)
    return intrinsics_of(Picture(topic, "", "", width // across, height // down), info, name, Notes())


def _fits(lens: Intrinsics, shape: tuple[int, int]) -> bool:
    try:
        fitted(lens, shape, "")
    except LatentworldError:
        return False
    return True


def _apart(one: Intrinsics, other: Intrinsics) -> float:
    """By what share of the width two lenses differ, whatever the number of pixels; infinite for other distortion."""
    first, second = (np.array([c.fx, c.fy, c.cx + 0.5, c.cy + 0.5, c.height]) / c.width for c in (one, other))
    bent = [(c.distortion_model, c.distortion) if any(c.distortion) else (_straight(c), ()) for c in (one, other)]
    if bent[0][0] != bent[1][0] or len(bent[0][1]) != len(bent[1][1]):
        return float("inf")
    curved = np.abs(np.subtract(bent[0][1], bent[1][1])).max(initial=0.0)
    return float(max(np.abs(first - second).max(), curved))


def _straight(lens: Intrinsics) -> str:
    return "equidistant" if lens.distortion_model == "equidistant" else "none"


def _words(lens: Intrinsics) -> str:
    bent = f", {lens.distortion_model}" if any(lens.distortion) or lens.distortion_model == "equidistant" else ""
    return f"{lens.width} x {lens.height}, fx {lens.fx:.1f}, fy {lens.fy:.1f}, cx {lens.cx:.1f}, cy {lens.cy:.1f}{bent}"
