"""camera_info counts more than the description: for the model's view, and in what the node says."""

from dataclasses import replace

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from latentworld_ros.msg import LatentObservation
from robot_yaml import DIFFERENTIAL, write
from ros_graph import Graph, overrides, random_checkpoint
from sensor_msgs.msg import CameraInfo, Image

from latentworld.model.checkpoint import load as load_model
from latentworld.perception.encoder import PerceptionEncoder
from latentworld.robot import Intrinsics
from latentworld.robot_file import load
from latentworld.ros import qos
from latentworld.ros.codecs import latent_from_message
from latentworld.ros.images import to_image
from latentworld.ros.lenses import Lenses
from latentworld.ros.node import ManagedNode
from latentworld.ros.perception_encoder import PerceptionEncoderNode
from latentworld.ros.robots import feeds
from latentworld.types import Frame

MS = 1_000_000
WIDER = Intrinsics(160, 120, 70.0, 71.0, 81.0, 58.5, "plumb_bob", (-0.1, 0.02, 0.0, 0.0, 0.0))
RANDOM = np.random.default_rng(0)
RGB = RANDOM.integers(0, 256, (120, 160, 3), dtype=np.uint8)
DEPTH = RANDOM.uniform(1.0, 3.0, (120, 160)).astype(np.float32)


def info_of(lens, **changes):
    message = CameraInfo(width=lens.width, height=lens.height, distortion_model=lens.distortion_model)
    message.d, message.k = list(lens.distortion), [lens.fx, 0.0, lens.cx, 0.0, lens.fy, lens.cy, 0.0, 0.0, 1.0]
    message.p = [lens.fx, 0.0, lens.cx, 0.0, 0.0, lens.fy, lens.cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.fixture
def scene(tmp_path):
    """The encoder of the robot in ``robot_yaml``, and publishers of its camera."""
    with Graph() as graph:
        graph.watch_diagnostics()
        graph.robot = load(write(tmp_path))
        graph.latents = graph.listen(LatentObservation, "latent_observation", 10, latent_from_message)
        topics = {"image_raw": Image, "depth/image_raw": Image, "camera_info": CameraInfo}
        topics |= {"depth/camera_info": CameraInfo}
        make = graph.node.create_publisher
        graph.topics = {name: make(kind, f"camera/{name}", qos.camera_driver()) for name, kind in topics.items()}
        graph.encoder = graph.start(PerceptionEncoderNode, **overrides(robot=str(tmp_path / "mine.yaml")))
        heard = lambda: all(p.get_subscription_count() for p in graph.topics.values())  # noqa: E731
        graph.wait_for(lambda: heard() and graph.encoder._latents._publisher.get_subscription_count())
        yield graph


def show(graph, rgb=RGB, depth=DEPTH):
    """The next latent of these pictures, and its stamp."""
    stamp, count = graph.node.get_clock().now().nanoseconds, len(graph.latents)
    graph.topics["image_raw"].publish(to_image(rgb, stamp, "camera"))
    graph.topics["depth/image_raw"].publish(to_image(depth, stamp, "camera"))
    graph.wait_for(lambda: len(graph.latents) > count, 10, "a latent")
    return graph.latents[-1]


def expected(robot, lens, **depth):
    camera = robot.camera
    camera = replace(camera, intrinsics=lens, depth=replace(camera.depth, **depth))
    robot = replace(robot, cameras=(camera,))
    return PerceptionEncoder(load_model(random_checkpoint()), robot).encode(Frame(0, RGB, DEPTH)).vector


def test_camera_info_wins_and_the_difference_is_said_in_one_line(scene):
    before = show(scene).vector
    assert np.allclose(before, expected(scene.robot, scene.robot.camera.intrinsics), atol=1e-4)
    scene.topics["camera_info"].publish(info_of(WIDER))
    said = (
        "/camera/camera_info: expected 320 x 240, fx 190.7, fy 190.7, cx 159.5, cy 119.5 as described, got 160 x 120, "
        "fx 70.0, fy 71.0, cx 81.0, cy 58.5, plumb_bob: that is used"
    )
    scene.wait_for(lambda: scene.says("perception_encoder", said))
    assert scene.diagnostics["perception_encoder"].level == DiagnosticStatus.WARN
    assert scene.diagnostics["perception_encoder"].message == said
    scene.wait_for(lambda: np.allclose(show(scene).vector, expected(scene.robot, WIDER), atol=1e-4), 10, "the new lens")
    assert not np.allclose(before, scene.latents[-1].vector, atol=1e-2)


def test_depth_with_a_lens_of_its_own_is_registered_by_its_camera_info(scene):
    lens, own = scene.robot.camera.intrinsics, Intrinsics(160, 120, 120.0, 120.0, 79.5, 59.5)
    scene.topics["depth/camera_info"].publish(info_of(own))
    scene.wait_for(lambda: scene.says("perception_encoder", "/camera/depth/camera_info: expected 320 x 240"))
    wanted = expected(scene.robot, lens, intrinsics=own)
    scene.wait_for(lambda: np.allclose(show(scene).vector, wanted, atol=1e-4), 10, "depth through its own lens")


def test_a_camera_info_as_described_is_no_news(scene):
    scene.topics["camera_info"].publish(info_of(scene.robot.camera.intrinsics))
    scene.topics["depth/camera_info"].publish(info_of(scene.robot.camera.intrinsics.scaled(0.5)))
    scene.wait_for(lambda: len(scene.encoder._lenses._infos) == 2)
    assert scene.encoder._lenses.robot == scene.robot
    show(scene)
    scene.wait_for(lambda: scene.says("perception_encoder", "active"))


def test_a_picture_of_another_shape_than_any_lens_is_named(scene):
    scene.topics["image_raw"].publish(to_image(RGB[:100], scene.node.get_clock().now().nanoseconds, "camera"))
    scene.topics["depth/image_raw"].publish(to_image(DEPTH, scene.node.get_clock().now().nanoseconds, "camera"))
    said = "camera front: expected a picture of 320 x 240 pixels, or that scaled, got 160 x 100"
    scene.wait_for(lambda: scene.says("perception_encoder", said))
    show(scene)  # and it goes on


@pytest.fixture
def lenses(tmp_path):
    with Graph() as graph:
        graph.robot = load(write(tmp_path, DIFFERENTIAL))
        graph.named = graph.add(ManagedNode("thing", context=graph.context))
        graph.lenses = Lenses(graph.named, graph.robot, feeds(graph.robot), says=True)
        yield graph


def problems(graph):
    return [text for _, text in graph.named.diagnostics._problems.values()]


def hear(graph, **changes):
    graph.lenses._on_info("camera/camera_info", info_of(WIDER, **changes))
    return graph.lenses.robot.camera.intrinsics


def test_region_of_interest_and_binning(lenses):
    roi = CameraInfo().roi
    roi.x_offset, roi.y_offset, roi.width, roi.height = 20, 10, 120, 100
    heard = hear(lenses, roi=roi, binning_x=2, binning_y=2)
    assert (heard.width, heard.height, heard.fx) == (60, 50, 35.0)
    assert heard.cx == pytest.approx((81.0 - 20 + 0.5) / 2 - 0.5)


def test_an_uncalibrated_camera_keeps_the_lens_of_the_description(lenses):
    assert hear(lenses, k=[0.0] * 9) == lenses.robot.camera.intrinsics
    assert problems(lenses) == [
        "/camera/camera_info: expected a calibrated camera, got K of zeros: the description's lens is used"
    ]


def test_a_camera_info_of_other_pictures_than_those_that_come_is_not_used(lenses):
    lenses.lenses.shown("camera/image_raw", (240, 320, 3))
    wide = Intrinsics(1280, 720, 900.0, 900.0, 640.0, 360.0)
    lenses.lenses._on_info("camera/camera_info", info_of(wide))
    assert lenses.lenses.robot == lenses.robot
    assert problems(lenses)[0].startswith(
        "/camera/camera_info: expected that of pictures of 320 x 240 pixels, got 1280"
    )
    lenses.lenses.shown("camera/image_raw", (180, 320, 3))  # cut otherwise from now on
    assert lenses.lenses.robot.camera.intrinsics == wide


def test_the_same_lens_with_fewer_pixels_is_used_and_said(lenses):
    small = lenses.robot.camera.intrinsics.scaled(0.5)
    lenses.lenses._on_info("camera/camera_info", info_of(small))
    assert lenses.lenses.robot.camera.intrinsics.fx == pytest.approx(small.fx, abs=1e-3)
    assert len(problems(lenses)) == 1 and "got 160 x 120" in problems(lenses)[0]
    lenses.lenses._on_info("camera/camera_info", info_of(lenses.robot.camera.intrinsics))
    assert problems(lenses) == [] and lenses.lenses.robot == lenses.robot


def test_camera_info_is_looked_for_beside_a_picture_that_was_remapped(tmp_path):
    with Graph() as graph:
        robot = load(write(tmp_path))
        remapped = ["--ros-args", "-r", "camera/image_raw:=/oakd/rgb/preview/image_raw"]
        node = graph.add(ManagedNode("thing", context=graph.context, cli_args=remapped))
        lenses = Lenses(node, robot, feeds(robot), says=True)
        lenses.listen()
        listened = {subscription.topic_name for subscription in node.subscriptions}
        assert {"/oakd/rgb/preview/camera_info", "/camera/depth/camera_info"} <= listened
        lenses._on_info("camera/camera_info", info_of(WIDER))
        ((_, said),) = node.diagnostics._problems.values()
        assert said.startswith("/oakd/rgb/preview/camera_info: expected 320 x 240")
        remapped += ["-r", "camera/camera_info:=/elsewhere"]
        node = graph.add(ManagedNode("other", context=graph.context, cli_args=remapped))
        Lenses(node, robot, feeds(robot)).listen()
        assert "/elsewhere" in {subscription.topic_name for subscription in node.subscriptions}
