"""What a robot recorded while it drove, out of bags: each frame with odometry, command and bumper at its exposure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

from std_msgs.msg import Bool

from latentworld.ros import bag, images, robots
from latentworld.ros.bag_frames import APART, Topics, action_of, expect_topics
from latentworld.ros.codecs import from_time, odometry_from_message
from latentworld.ros.pairing import FramePairer
from latentworld.tracking.history import History, pose_at
from latentworld.training.driving import own_drives
from latentworld.training.driving.own_drives import OwnRecordings
from latentworld.training.driving.own_rows import Moment
from latentworld.types import NANOSECONDS, Action, Frame, LatentworldError, Odometry

OLD = NANOSECONDS  # ns after which a command counts no more: the base has stopped by itself, or stands


def convert(robot: str | None, paths: list[Path], topics: Mapping[str, str], data: Path) -> OwnRecordings:
    """The data sets of recipe nav-own from MCAP files and folders of them. topics: those that are not called as in
    ``Topics``, by image, depth, odom, cmd_vel or bumper.
    """
    if robot is None or not paths:
        raise LatentworldError("recipe nav-own: expected --robot and --recordings, got but one of them")
    names = asdict(Topics()) | {"bumper": ""}
    if unknown := set(topics) - set(names):
        raise LatentworldError(f"topic: expected one of {', '.join(names)}, got {', '.join(sorted(unknown))}")
    names |= topics
    bumper = names["bumper"]
    read = partial(moments, topics=Topics(**{k: v for k, v in names.items() if k != "bumper"}), bumper=bumper)
    return own_drives.convert(recordings(paths), robots.described(robot), robot, read, names, data)


def moments(path: Path, topics: Topics, bumper: str = "") -> Iterator[Moment]:
    """Every frame with depth, once its odometry has come. bumper: topic of std_msgs/Bool, true while it is pressed; "":
    none.

    Raises LatentworldError where the bag lacks pictures, depth or odometry, or has another type on the bumper's topic.
    """
    counts = expect_topics(path, topics)
    for topic in (topics.depth, *([bumper] if bumper else [])):
        if not counts.get(topic):
            raise LatentworldError(f"bag {path}: expected messages on {topic or 'a depth topic'}, got none")
    pairer, waiting = FramePairer(APART), deque[Frame]()
    odometries, commands = History(), History()
    commanded, pressed, touched = bool(counts.get(topics.cmd_vel)), False, False
    wanted = {topics.image, topics.depth, topics.odom, topics.cmd_vel, bumper}
    for heard in bag.read(path, lambda topic, _: topic in wanted):
        frame = None
        if heard.topic == topics.odom:
            odometries.add(odometry_from_message(heard.message))
        elif heard.topic == topics.cmd_vel:
            commands.add(action_of(heard))
        elif heard.topic == bumper:
            pressed = _pressed(heard)
            touched |= pressed
        elif heard.topic == topics.depth:
            frame = pairer.depth(from_time(heard.message.header.stamp), images.depth(heard.message, heard.topic))
        else:
            stamp, rgb = from_time(heard.message.header.stamp), images.colour(heard.message, heard.topic)
            frame = pairer.image(stamp, rgb, heard.message.header.frame_id)
        if frame is not None:
            waiting.append(frame)
        while waiting and len(odometries) and waiting[0].stamp <= odometries.items[-1].stamp:
            frame = waiting.popleft()
            if frame.stamp < odometries.items[0].stamp:
                continue  # from before odometry began
            pose, (linear, angular, lateral) = pose_at(odometries, frame.stamp)
            odometry = Odometry(frame.stamp, pose, float(linear), float(angular), float(lateral))
            yield Moment(frame, odometry, _in_force(commands, frame.stamp) if commanded else None, touched)
            touched = pressed


def _in_force(commands: History, stamp: int) -> Action:
    """The newest command before an exposure; one at the same stamp was given for what the frame shows."""
    before, _ = commands.around(stamp - 1)
    if before is None or stamp - before.stamp > OLD:
        return Action(stamp, 0.0, 0.0)
    return before


def _pressed(heard: bag.Heard) -> bool:
    if not isinstance(heard.message, Bool):
        raise LatentworldError(f"{heard.topic}: expected std_msgs/Bool, got {type(heard.message).__name__}")
    return heard.message.data


def recordings(paths: list[Path]) -> list[Path]:
    """The MCAP files among files and folders (as ``ros2 bag record`` makes them), each once.

    Raises LatentworldError for a path that is neither, and for a folder without any.
    """
    found: list[Path] = []
    for path in paths:
        files = sorted(path.rglob("*.mcap")) if path.is_dir() else [path] if path.is_file() else []
        if not files:
            raise LatentworldError(f"recordings {path}: expected an MCAP file or a folder with some, got none")
        found += files
    return list(dict.fromkeys(file.resolve() for file in found))
