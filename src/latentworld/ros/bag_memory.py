"""A bag into a visual memory, as if the robot had remembered while it drove, but without haste: no frame is dropped."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from geometry_msgs.msg import TwistStamped

from latentworld.memory import MemoryParameters, VisualMemory
from latentworld.memory.thumbnails import thumbnail
from latentworld.model import checkpoint as checkpoint_file
from latentworld.model.object_finder import ObjectFinder
from latentworld.perception.encoder import PerceptionEncoder
from latentworld.perception.objects import ObjectDetector
from latentworld.robot import Robot
from latentworld.ros import bag, images
from latentworld.ros.codecs import action_from_stamped, action_from_twist, from_time, odometry_from_message
from latentworld.ros.eyes import Finder
from latentworld.ros.pairing import FramePairer
from latentworld.tracking.tracker import WorldStateTracker
from latentworld.types import NANOSECONDS, Action, Frame, LatentworldError

APART = NANOSECONDS // 50  # ns between colour and depth of one frame at most


@dataclass(frozen=True, slots=True)
class Topics:
    """As they are called in the bag. depth: "" where there is none."""

    image: str = "/camera/image_raw"
    depth: str = "/camera/depth/image_raw"
    odom: str = "/odom"
    cmd_vel: str = "/cmd_vel"


def remember(
    path: Path,
    memory: Path,
    topics: Topics,
    checkpoint: Path | None = None,
    parameters: MemoryParameters | None = None,
    robot: Robot | None = None,
) -> Iterator[int | None]:
    """For each frame of the bag, the id of the keyframe that it became, or None. robot: whose first camera took the
    pictures; none: they count as the model's view, cut square about their middle.

    Raises LatentworldError where the bag lacks images or odometry, or the memory is being written.
    """
    counts = bag.counts(path)
    for topic in (topics.image, topics.odom):
        if not counts.get(topic):
            raise LatentworldError(
                f"bag {path}: expected messages on {topic}, got {', '.join(sorted(counts)) or 'none'}"
            )
    model, parameters = checkpoint_file.load(checkpoint), parameters or MemoryParameters()
    encoder, tracker = PerceptionEncoder(model, robot), WorldStateTracker(model, robot=robot)
    detector = ObjectDetector(checkpoint_file.load(checkpoint_file.shipped("objects-small"), ObjectFinder))
    finder = detector if robot is None else Finder(detector, encoder)
    with VisualMemory(memory, model.model_id, parameters, looks=model.config.descriptor_dim) as kept:
        for frame in _frames(path, topics, tracker, bool(counts.get(topics.depth)) and model.config.uses_depth):
            latent = encoder.encode(frame)
            state, _ = tracker.observe(latent)
            picture = thumbnail(frame.rgb, parameters.thumbnail_size)
            latent = latent.first(model.config.kept_dim)
            yield kept.consider(state, latent, picture, objects=partial(finder.find, frame))


def _frames(path: Path, topics: Topics, tracker: WorldStateTracker, with_depth: bool) -> Iterator[Frame]:
    """Frames in the order of their stamps, each once the tracker has heard the odometry up to it."""
    pairer, waiting, newest = FramePairer(APART), deque[Frame](), None
    wanted = {topics.image, topics.odom, topics.cmd_vel} | ({topics.depth} if with_depth else set())
    for heard in bag.read(path, lambda topic, _: topic in wanted):
        frame = None
        if heard.topic == topics.odom:
            odometry = odometry_from_message(heard.message)
            tracker.odometry(odometry)
            newest = odometry.stamp
        elif heard.topic == topics.cmd_vel:
            tracker.command(_action(heard))
        elif heard.topic == topics.depth:
            frame = pairer.depth(from_time(heard.message.header.stamp), images.depth(heard.message, heard.topic))
        else:
            stamp, rgb = from_time(heard.message.header.stamp), images.colour(heard.message, heard.topic)
            frame = pairer.image(stamp, rgb, heard.message.header.frame_id) if with_depth else Frame(stamp, rgb, None)
        if frame is not None:
            waiting.append(frame)
        while waiting and newest is not None and waiting[0].stamp <= newest:
            yield waiting.popleft()
    yield from waiting if newest is not None else ()


def _action(heard: bag.Heard) -> Action:
    if isinstance(heard.message, TwistStamped) and heard.message.header.stamp.sec:
        return action_from_stamped(heard.message)
    return action_from_twist(getattr(heard.message, "twist", heard.message), heard.sent)
