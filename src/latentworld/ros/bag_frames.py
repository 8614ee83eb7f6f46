"""The frames of a bag, in the order in which a tracker can take them in: each once its odometry has come."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry

from latentworld.perception.head import NEAR, AttitudeHistory, check
from latentworld.robot import BaseKind
from latentworld.ros import bag, images
from latentworld.ros.codecs import (
    action_from_stamped,
    action_from_twist,
    attitude_from_message,
    from_time,
    odometry_from_message,
)
from latentworld.ros.pairing import FramePairer
from latentworld.tracking.tracker import WorldStateTracker
from latentworld.types import NANOSECONDS, Action, Attitude, Frame, LatentworldError

APART = NANOSECONDS // 50  # ns between colour and depth of one frame at most


@dataclass(frozen=True, slots=True)
class Topics:
    """As they are called in the bag. depth: "" where there is none."""

    image: str = "/camera/image_raw"
    depth: str = "/camera/depth/image_raw"
    odom: str = "/odom"
    cmd_vel: str = "/cmd_vel"


def expect_topics(path: Path, topics: Topics) -> dict[str, int]:
    """Messages by topic. Raises LatentworldError where the bag lacks images or odometry."""
    counts = bag.counts(path)
    for topic in (topics.image, topics.odom):
        if not counts.get(topic):
            raise LatentworldError(
                f"bag {path}: expected messages on {topic}, got {', '.join(sorted(counts)) or 'none'}"
            )
    return counts


def frames(path: Path, topics: Topics, tracker: WorldStateTracker) -> Iterator[tuple[Frame, Attitude | None]]:
    """Every frame, with depth where the bag has it and the model takes it, and for a head the attitude that odometry
    says it had then: frames without odometry near them are left out. The tracker hears odometry and commands.

    Raises LatentworldError where the bag lacks images or odometry, or a head's odometry is not that of a head, or near
    none of the frames.
    """
    counts = expect_topics(path, topics)
    with_depth = bool(counts.get(topics.depth)) and tracker.model.config.uses_depth
    pairer, waiting, newest = FramePairer(APART), deque[Frame](), None
    head = _Head(path, topics.odom) if tracker.base.kind == BaseKind.HEAD else None
    wanted = {topics.image, topics.odom, topics.cmd_vel} | ({topics.depth} if with_depth else set())
    for heard in bag.read(path, lambda topic, _: topic in wanted):
        frame = None
        if heard.topic == topics.odom:
            odometry = odometry_from_message(heard.message)
            tracker.odometry(odometry)
            newest = odometry.stamp
            if head is not None:
                head.hear(newest, heard.message)
        elif heard.topic == topics.cmd_vel:
            tracker.command(action_of(heard))
        elif heard.topic == topics.depth:
            frame = pairer.depth(from_time(heard.message.header.stamp), images.depth(heard.message, heard.topic))
        else:
            stamp, rgb = from_time(heard.message.header.stamp), images.colour(heard.message, heard.topic)
            frame = pairer.image(stamp, rgb, heard.message.header.frame_id) if with_depth else Frame(stamp, rgb, None)
        if frame is not None:
            waiting.append(frame)
        while waiting and newest is not None and waiting[0].stamp <= newest:
            frame = waiting.popleft()
            yield from [(frame, None)] if head is None else head.with_attitude(frame)
    while waiting and newest is not None:
        frame = waiting.popleft()
        yield from [(frame, None)] if head is None else head.with_attitude(frame)
    if head is not None:
        head.expect_some()


class _Head:
    """How the head in a bag was held at each frame."""

    def __init__(self, path: Path, topic: str) -> None:
        self._path, self._topic, self._history = path, topic, AttitudeHistory()
        self._told, self._left_out = 0, 0  # frames

    def hear(self, stamp: int, message: Odometry) -> None:
        try:
            attitude = attitude_from_message(message)
            check(attitude)
        except LatentworldError as error:
            raise LatentworldError(f"bag {self._path}: {self._topic}: {error}") from error
        self._history.add(stamp, attitude)

    def with_attitude(self, frame: Frame) -> Iterator[tuple[Frame, Attitude]]:
        """The frame with its attitude; nothing where odometry does not tell it."""
        if (attitude := self._history.at(frame.stamp)) is None:
            self._left_out += 1
            return
        self._told += 1
        yield frame, attitude

    def expect_some(self) -> None:
        if self._left_out and not self._told:
            raise LatentworldError(
                f"bag {self._path}: {self._topic}: expected odometry within {NEAR} s of the frames, which says how the"
                f" head was held, got none near any of {self._left_out}"
            )


def action_of(heard: bag.Heard) -> Action:
    """The command that a message on ``cmd_vel`` gives, with a stamp of its own or without."""
    if isinstance(heard.message, TwistStamped) and heard.message.header.stamp.sec:
        return action_from_stamped(heard.message)
    return action_from_twist(getattr(heard.message, "twist", heard.message), heard.sent)
