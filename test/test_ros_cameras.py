"""Several cameras, a lidar, fast and large pictures: whatever a robot sees by becomes latents at the model's pace."""

import numpy as np
import pytest
from latentworld_ros.msg import LatentObservation
from rclpy.qos import ReliabilityPolicy
from robot_yaml import LIDAR, TWO_CAMERAS, write
from ros_graph import Graph, overrides, random_checkpoint
from sensor_msgs.msg import Image, LaserScan

from latentworld.model.checkpoint import load as load_model
from latentworld.perception.canonical_view import CanonicalView
from latentworld.perception.encoder import PerceptionEncoder
from latentworld.robot_file import load
from latentworld.ros import qos
from latentworld.ros.codecs import latent_from_message, to_header
from latentworld.ros.image_input import ImageInput
from latentworld.ros.images import to_image
from latentworld.ros.node import ManagedNode
from latentworld.ros.pairing import FrameGatherer, Pace
from latentworld.ros.perception_encoder import PerceptionEncoderNode
from latentworld.ros.simulated_scan import scan
from latentworld.sim import World
from latentworld.types import NANOSECONDS, Frame

MS = 1_000_000
RANDOM = np.random.default_rng(0)
PICTURES = {side: RANDOM.integers(0, 256, (48, 64, 3), dtype=np.uint8) for side in ("left", "right/eye")}
DEPTHS = {side: RANDOM.uniform(0.5, 3.0, (48, 64)).astype(np.float32) for side in PICTURES}


def scene_with(folder, text, topics):
    graph = Graph()
    graph.watch_diagnostics()
    graph.robot = load(write(folder, text))
    graph.latents = graph.listen(LatentObservation, "latent_observation", 10, latent_from_message)
    make = graph.node.create_publisher
    graph.topics = {name: make(kind, name, qos.camera_driver()) for name, kind in topics.items()}
    graph.encoder = graph.start(PerceptionEncoderNode, **overrides(robot=str(folder / "mine.yaml")))
    heard = lambda: all(p.get_subscription_count() for p in graph.topics.values())  # noqa: E731
    graph.wait_for(lambda: heard() and graph.encoder._latents._publisher.get_subscription_count())
    return graph


@pytest.fixture
def cameras(tmp_path):
    topics = [f"{folder}/{kind}" for folder in ("camera", "right_eye") for kind in ("image_raw", "depth/image_raw")]
    with scene_with(tmp_path, TWO_CAMERAS, dict.fromkeys(topics, Image)) as graph:
        yield graph


@pytest.fixture
def lidar(tmp_path):
    with scene_with(tmp_path, LIDAR, {"scan": LaserScan}) as graph:
        yield graph


def now(graph):
    return graph.node.get_clock().now().nanoseconds


def show(graph, folder, side, stamp):
    graph.topics[f"{folder}/image_raw"].publish(to_image(PICTURES[side], stamp, folder))
    graph.topics[f"{folder}/depth/image_raw"].publish(to_image(DEPTHS[side], stamp, folder))


def expected(graph, *sides):
    encoder = PerceptionEncoder(load_model(random_checkpoint()), graph.robot)
    return encoder.encode([Frame(0, PICTURES[side], DEPTHS[side], side) for side in sides]).vector


def test_two_cameras_make_one_view(cameras):
    stamp = now(cameras)
    show(cameras, "right_eye", "right/eye", stamp - 20 * MS)
    show(cameras, "camera", "left", stamp)
    latent = cameras.wait_for(lambda: cameras.latents)[0]
    assert latent.stamp == stamp  # the first camera's
    assert np.allclose(latent.vector, expected(cameras, "left", "right/eye"), atol=1e-4)
    assert not np.allclose(latent.vector, expected(cameras, "left"), atol=1e-2)


def test_a_camera_that_does_not_come_is_named_and_left_out(cameras):
    shown = []

    def look():
        if not shown or now(cameras) - shown[-1] > 100 * MS:
            shown.append(now(cameras))
            show(cameras, "camera", "left", shown[-1])
        return cameras.latents and cameras.says(
            "perception_encoder", "/right_eye/image_raw: expected a frame within 0.05 s of /camera/image_raw, got none"
        )

    cameras.wait_for(look)
    assert np.allclose(cameras.latents[-1].vector, expected(cameras, "left"), atol=1e-4)


def message_of(ranges, lidar, stamp, **changes):
    message = LaserScan(header=to_header(stamp, "scan"), angle_min=lidar.first, angle_max=lidar.last)
    message.angle_increment = (lidar.last - lidar.first) / max(len(ranges) - 1, 1)
    message.range_min, message.range_max, message.ranges = lidar.least, lidar.most, np.asarray(ranges).tolist()
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def test_a_scan_becomes_the_latent_of_what_it_sees(lidar):
    described = lidar.robot.lidars[0]
    world = World(1_000_101, robot=lidar.robot)
    ranges = scan(world, described)
    assert np.isfinite(ranges).mean() > 0.9 and 0.1 < ranges[np.isfinite(ranges)].min()
    lidar.topics["scan"].publish(message_of(ranges, described, now(lidar)))
    latent = lidar.wait_for(lambda: lidar.latents)[0]
    seen = CanonicalView(lidar.robot).look_scan(ranges, described)
    plain = PerceptionEncoder(load_model(random_checkpoint())).encode(Frame(0, seen.rgb, seen.depth))
    assert np.allclose(latent.vector, plain.vector, atol=1e-3)


@pytest.mark.parametrize(
    ("ranges", "changes", "said"),
    [
        ([1.0], {}, "/scan: expected 2 or more beams"),
        ([1.0, 1.0], {"angle_increment": 0.0}, "/scan: expected 2 or more beams at steps that are not 0, got 2 at 0.0"),
        ([1.0, 1.0], {"range_min": 3.0, "range_max": 2.0}, "/scan: expected 0 <= range_min < range_max, got 3.0"),
    ],
)
def test_a_bad_scan_is_named_and_the_next_good_one_taken(lidar, ranges, changes, said):
    described = lidar.robot.lidars[0]
    lidar.topics["scan"].publish(message_of(ranges, described, now(lidar), **changes))
    lidar.wait_for(lambda: lidar.says("perception_encoder", said))
    lidar.topics["scan"].publish(message_of(np.ones(100), described, now(lidar)))
    lidar.wait_for(lambda: lidar.latents and lidar.says("perception_encoder", "active"))


def test_no_scan_is_named(lidar):
    lidar.wait_for(lambda: lidar.says("perception_encoder", "no scan on /scan for "), 6)


def test_frames_of_several_cameras_meet():
    def frame(stamp):
        return Frame(stamp, np.zeros((8, 8, 3), np.uint8))

    gatherer = FrameGatherer(1, 10)
    assert [f.stamp for f in gatherer.take(0, frame(5))] == [5]
    gatherer = FrameGatherer(3, 10)
    assert gatherer.take(1, frame(100)) is gatherer.take(0, frame(105)) is None
    assert [f.stamp for f in gatherer.take(2, frame(110))] == [105, 100, 110]
    assert gatherer.take(2, frame(111)) is None  # not another time for that frame
    for stamp in (200, 300, 400):  # the second camera alone comes
        assert gatherer.take(1, frame(stamp)) is gatherer.take(0, frame(stamp)) is None
    assert gatherer.absent == []
    assert gatherer.take(1, frame(500)) is None
    assert [f.stamp for f in gatherer.take(0, frame(500))] == [500, 500] and gatherer.absent == [2]
    assert gatherer.take(2, frame(600)) is gatherer.take(1, frame(600)) is None
    assert [f.stamp for f in gatherer.take(0, frame(601))] == [601, 600, 600] and gatherer.absent == []


@pytest.mark.parametrize(("rate", "kept"), [(5, 5), (10, 10), (10.5, 10.5), (15, 11), (30, 11), (60, 11)])
def test_fast_cameras_are_thinned_out_evenly(rate, kept):
    pace, late = Pace(90 * MS), np.random.default_rng(0).normal(0, 0.004, 600)
    stamps = [round((i / rate + late[i]) * NANOSECONDS) for i in range(600)]
    taken = np.array([stamp for stamp in stamps if pace.admits(stamp)]) / NANOSECONDS
    assert 1 / np.diff(taken).mean() == pytest.approx(kept, rel=0.05)
    assert np.diff(taken).max() < max(0.16, 1.1 / rate)
    assert pace.admits(0)  # a clock that goes back


def test_large_pictures_are_heard_reliably_where_that_is_offered():
    large, got = np.zeros((480, 640, 3), np.uint8), []
    with Graph() as graph:
        node = graph.add(ManagedNode("thing", context=graph.context))
        images = ImageInput(node, "camera/image_raw", got.append)
        assert not images._reliable  # nobody is there
        driver = graph.node.create_publisher(Image, "camera/image_raw", qos.camera_driver())
        graph.wait_for(lambda: images._offered() is not None)
        images.look()
        assert [s.qos_profile.reliability for s in node.subscriptions if "image" in s.topic_name] == [
            ReliabilityPolicy.RELIABLE
        ]
        graph.wait_for(driver.get_subscription_count)
        for count in range(1, 11):
            driver.publish(to_image(large, count, "camera"))
            graph.wait_for(lambda count=count: len(got) == count, 5, f"picture {count}")
        best_effort = graph.node.create_publisher(Image, "camera/image_raw", qos.camera())
        graph.wait_for(lambda: images._offered() is False)
        images.look()
        graph.wait_for(best_effort.get_subscription_count)
        assert not images._reliable
