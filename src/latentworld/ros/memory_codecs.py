"""What the visual memory answers, and is told, as messages."""

from __future__ import annotations

import numpy as np
from latentworld_ros import msg
from nav_msgs.msg import Path
from sensor_msgs.msg import CompressedImage

from latentworld.memory import Keyframe, RememberedObject, StoodAt, Trajectory
from latentworld.ros.codecs import from_time, to_header, to_pose2d, to_time
from latentworld.ros.tensors import packed
from latentworld.ros.transforms import yaw_of_quaternion


def trajectory_of(path: Path) -> Trajectory:
    """Poses with their own stamps, as SLAM publishes them once it knows better."""
    poses = [(p.pose.position.x, p.pose.position.y, yaw_of_quaternion(p.pose.orientation)) for p in path.poses]
    stamps = np.array([from_time(p.header.stamp) for p in path.poses], np.int64)
    return Trajectory(stamps, np.array(poses, np.float64).reshape(-1, 3), path.header.frame_id or "map")


def object_to_message(thing: RememberedObject) -> msg.RememberedObject:
    """Without a thumbnail."""
    history = [stay_to_message(stay) for stay in thing.history]
    return msg.RememberedObject(id=thing.id, likeness=thing.likeness, history=history)


def stay_to_message(stay: StoodAt) -> msg.StoodAt:
    message = msg.StoodAt(
        frame_id=stay.frame_id, first=to_time(stay.first), last=to_time(stay.last), gone=to_time(stay.gone or 0),
        seen=stay.seen, keyframe=stay.keyframe, last_keyframe=stay.last_keyframe,
    )  # fmt: skip
    message.place.x, message.place.y = map(float, stay.place)
    return message


def keyframe_to_message(keyframe: Keyframe, with_thumbnail: bool) -> msg.Keyframe:
    message = msg.Keyframe(
        id=keyframe.id,
        stamp=to_time(keyframe.stamp),
        pose=to_pose2d(keyframe.pose),
        frame_id=keyframe.frame_id,
        pose_covariance=keyframe.covariance.astype(np.float32).reshape(-1),
        latent_distance=keyframe.latent_distance,
        place_distance=keyframe.place_distance,
        confidence=keyframe.confidence,
        surprise=keyframe.surprise,
    )
    if with_thumbnail and keyframe.thumbnail:
        jpeg = np.frombuffer(keyframe.thumbnail, np.uint8)
        header = to_header(keyframe.stamp, "camera")
        message.thumbnail = CompressedImage(header=header, format="jpeg", data=packed(jpeg, "B"))
    return message
