"""A bag becomes a memory by ``latentworld memory import``: what the robot would have kept, and where it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from geometry_msgs.msg import Quaternion
from rclpy.serialization import serialize_message
from robot_yaml import write
from typer.testing import CliRunner

from latentworld.cli import app
from latentworld.memory import MemoryQuery, VisualMemory
from latentworld.model.checkpoint import load as load_model
from latentworld.perception.encoder import PerceptionEncoder
from latentworld.robot_file import load
from latentworld.ros.bag import BagWriter
from latentworld.ros.bag_frames import Topics
from latentworld.ros.bag_memory import remember
from latentworld.ros.codecs import odometry_to_message, stamped_from_action
from latentworld.ros.images import to_image
from latentworld.sim.world import World
from latentworld.types import Action, Attitude, LatentworldError, stamp_of

TYPES = {
    "/camera/image_raw": "sensor_msgs/msg/Image",
    "/camera/depth/image_raw": "sensor_msgs/msg/Image",
    "/odom": "nav_msgs/msg/Odometry",
    "/cmd_vel": "geometry_msgs/msg/TwistStamped",
}


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    """Eight seconds of a drive through a room as a bag, and the odometry at each frame."""
    path, world, poses = tmp_path_factory.mktemp("bag") / "drive.mcap", World(2_000_000, blocked=False), []
    with BagWriter(path) as bag:
        for topic, kind in TYPES.items():
            bag.add_topic(topic, kind)
        for step in range(80):
            frame, odometry = world.frame(), world.odometry()
            poses.append(odometry.pose)
            action = Action(frame.stamp, 0.25, 0.4 if step % 40 < 20 else -0.4)
            for topic, message in (
                ("/camera/image_raw", to_image(frame.rgb, frame.stamp, "camera")),
                ("/camera/depth/image_raw", to_image(frame.depth, frame.stamp, "camera")),
                ("/odom", odometry_to_message(odometry)),
                ("/cmd_vel", stamped_from_action(action)),
            ):
                bag.write(topic, serialize_message(message), frame.stamp, frame.stamp)
            world.step(action.linear, action.angular)
    return path, np.array(poses)


def shell(*arguments):
    return CliRunner().invoke(app, ["memory", "import", *map(str, arguments)])


def test_a_bag_becomes_a_memory(drive, tmp_path):
    bag, poses = drive
    result = shell(bag, "--path", tmp_path / "memory.sqlite")
    assert result.exit_code == 0, result.output
    with VisualMemory(tmp_path / "memory.sqlite") as memory:
        assert f"80 frames, {len(memory)} kept" in result.output and 6 < len(memory) < 80
        for pose in poses[::20]:
            nearest = memory.query(MemoryQuery(place=pose, limit=1, thumbnails=True)).keyframes[0]
            assert nearest.place_distance < 0.3 and nearest.thumbnail.startswith(b"\xff\xd8")


def test_other_names_and_no_depth(drive, tmp_path):
    result = shell(drive[0], "--path", tmp_path / "m.sqlite", "--depth", "/none", "--cmd-vel", "/none")
    assert result.exit_code == 0 and "80 frames" in result.output


def test_pictures_of_another_robot_are_seen_as_its_own(tmp_path):
    robot = load(write(tmp_path))
    world, bag_path = World(2_000_000, blocked=False, robot=robot), tmp_path / "drive.mcap"
    frame = world.frame()
    with BagWriter(bag_path) as bag:
        for topic, kind in TYPES.items():
            bag.add_topic(topic, kind)
        for topic, message in (
            ("/camera/image_raw", to_image(frame.rgb, 5, "eye_optical")),
            ("/camera/depth/image_raw", to_image(frame.depth, 5, "eye_optical")),
            ("/odom", odometry_to_message(replace(world.odometry(), stamp=5))),
        ):
            bag.write(topic, serialize_message(message), 5, 5)
    assert list(remember(bag_path, tmp_path / "m.sqlite", Topics(), robot=robot)) == [1]
    with VisualMemory(tmp_path / "m.sqlite") as memory:
        own, other = (PerceptionEncoder(load_model(), r).encode(frame).first(320) for r in (robot, None))
        own, other = (memory.query(MemoryQuery(latent=latent, limit=1)).keyframes[0] for latent in (own, other))
    assert own.latent_distance < 0.01 < 0.1 < other.latent_distance


def test_glasses_in_a_bag_are_seen_through_with_the_head_turned_as_odometry_says(tmp_path):
    robot, bag_path = load("ar_glasses"), tmp_path / "walk.mcap"
    world = World(2_000_000, blocked=False, image_size=robot.camera.intrinsics.width, robot=robot)
    frame, odometry = world.frame(), odometry_to_message(replace(world.odometry(), stamp=5))
    odometry.pose.pose.position.z, odometry.pose.pose.orientation = 1.5, quaternion_of_pitch(0.3)
    without = stamp_of(2.0)  # no odometry is near it
    with BagWriter(bag_path) as bag:
        for topic, kind in TYPES.items():
            bag.add_topic(topic, kind)
        bag.write("/odom", serialize_message(odometry), 5, 5)
        for stamp in (5, without):
            for topic, picture in (("/camera/image_raw", frame.rgb), ("/camera/depth/image_raw", frame.depth)):
                bag.write(topic, serialize_message(to_image(picture, stamp, "glasses")), stamp, stamp)
    assert list(remember(bag_path, tmp_path / "m.sqlite", Topics(), robot=robot)) == [1]
    eyes = PerceptionEncoder(load_model(), robot)
    with VisualMemory(tmp_path / "m.sqlite") as memory:
        turned, level = (
            memory.query(MemoryQuery(latent=eyes.encode(frame, attitude).first(320), limit=1)).keyframes[0]
            for attitude in (Attitude(0.0, 0.3, 1.5), None)
        )
    assert turned.latent_distance < 0.01 < 0.1 < level.latent_distance


@pytest.mark.parametrize(
    "height, late, said",
    [
        (3.5, 0.0, "/odom: attitude: expected glasses 0.3 to 2.5 m above the floor, where z is 0, got 3.50 m"),
        (1.5, 2.0, "/odom: expected odometry within 0.1 s of the frames, .*, got none near any of 1"),
    ],
)
def test_a_bag_that_does_not_say_how_the_head_was_held_is_refused(tmp_path, height, late, said):
    robot, bag_path, stamp = load("ar_glasses"), tmp_path / "walk.mcap", stamp_of(5.0)
    world = World(2_000_000, blocked=False, image_size=robot.camera.intrinsics.width, robot=robot)
    frame, odometry = world.frame(), odometry_to_message(replace(world.odometry(), stamp=stamp))
    odometry.pose.pose.position.z = height
    with BagWriter(bag_path) as bag:
        for topic, kind in TYPES.items():
            bag.add_topic(topic, kind)
        bag.write("/odom", serialize_message(odometry), stamp, stamp)
        seen = stamp + stamp_of(late)
        for topic, picture in (("/camera/image_raw", frame.rgb), ("/camera/depth/image_raw", frame.depth)):
            bag.write(topic, serialize_message(to_image(picture, seen, "glasses")), seen, seen)
    with pytest.raises(LatentworldError, match=said):
        list(remember(bag_path, tmp_path / "m.sqlite", Topics(), robot=robot))


def quaternion_of_pitch(pitch):
    return Quaternion(y=np.sin(pitch / 2), w=np.cos(pitch / 2))


@pytest.mark.parametrize(
    "arguments, said",
    [
        (
            ["--image", "/front"],
            "expected messages on /front, got /camera/depth/image_raw, /camera/image_raw, /cmd_vel",
        ),
        (["--odom", "/wheels"], "expected messages on /wheels"),
    ],
)
def test_a_bag_without_what_is_needed_is_refused(drive, tmp_path, arguments, said):
    result = shell(drive[0], "--path", tmp_path / "m.sqlite", *arguments)
    assert said in str(result.exception) and not (tmp_path / "m.sqlite").exists()


@pytest.mark.parametrize("content", [b"", b"no bag at all", None, "cut off"])
def test_what_is_no_bag_is_refused(drive, tmp_path, content):
    path = tmp_path / "x.mcap"
    if content == "cut off":
        path.write_bytes(drive[0].read_bytes()[:-5000])
    elif content is not None:
        path.write_bytes(content)
    result = shell(path, "--path", tmp_path / "m.sqlite")
    assert "x.mcap: expected an MCAP file" in str(result.exception) and "\n" not in str(result.exception)
