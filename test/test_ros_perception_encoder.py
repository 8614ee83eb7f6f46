"""The perception_encoder over DDS: frames become latents; what is wrong with a camera is said, and the node lives."""

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from latentworld_ros.msg import LatentObservation
from robot_yaml import DIFFERENTIAL, write
from ros_graph import Graph, overrides, random_checkpoint
from sensor_msgs.msg import Image

from latentworld.model.checkpoint import load
from latentworld.perception.encoder import PerceptionEncoder
from latentworld.ros import qos
from latentworld.ros.codecs import latent_from_message
from latentworld.ros.images import to_image
from latentworld.ros.perception_encoder import PerceptionEncoderNode
from latentworld.types import Frame

MS = 1_000_000
RGB = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
DEPTH = np.full((64, 64), 2.0, np.float32)


def scene_with(camera_depth=True, **parameters):
    graph = Graph()
    graph.watch_diagnostics()
    graph.latents = graph.listen(LatentObservation, "latent_observation", 10, latent_from_message)
    graph.rgb = graph.node.create_publisher(Image, "camera/image_raw", qos.camera_driver())
    graph.depth = graph.node.create_publisher(Image, "camera/depth/image_raw", qos.camera_driver())
    graph.encoder = graph.start(PerceptionEncoderNode, **overrides(**parameters))
    wanted = 1 + (camera_depth and graph.encoder.parameters.use_depth)
    subscribers = lambda: graph.rgb.get_subscription_count() + graph.depth.get_subscription_count()  # noqa: E731
    graph.wait_for(lambda: subscribers() == wanted and graph.encoder._latents._publisher.get_subscription_count())
    return graph


@pytest.fixture
def scene():
    with scene_with() as graph:
        yield graph


@pytest.fixture
def colour_only():
    with scene_with(use_depth=False) as graph:
        yield graph


def now(graph):
    return graph.node.get_clock().now().nanoseconds


def test_a_pair_becomes_the_latent_that_the_faculty_makes(scene):
    stamp = now(scene)
    scene.rgb.publish(to_image(RGB, stamp, "camera"))
    scene.depth.publish(to_image(DEPTH, stamp + 20 * MS, "camera"))
    latent = scene.wait_for(lambda: scene.latents)[0]
    expected = PerceptionEncoder(load(random_checkpoint())).encode(Frame(stamp, RGB, DEPTH))
    assert (latent.stamp, latent.model_id) == (stamp, expected.model_id)
    assert np.allclose(latent.vector, expected.vector, atol=1e-5)
    assert latent.encode_seconds > 0


def test_bgr_is_the_same_picture(colour_only):
    stamp = now(colour_only)
    colour_only.rgb.publish(to_image(RGB, stamp, "camera"))
    colour_only.wait_for(lambda: len(colour_only.latents) == 1)
    other = to_image(RGB[..., ::-1], stamp + 100 * MS, "camera")
    other.encoding = "bgr8"
    colour_only.rgb.publish(other)
    colour_only.wait_for(lambda: len(colour_only.latents) == 2)
    assert np.allclose(colour_only.latents[0].vector, colour_only.latents[1].vector, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (dict(encoding="yuv422_yuy2"), "/camera/image_raw: expected encoding rgb8, bgr8, rgba8, bgra8, mono8"),
        (dict(height=65), "/camera/image_raw: expected 12480 bytes for 64x65 rgb8, got 12288"),
        (dict(step=100), "/camera/image_raw: expected at least 192 bytes a row of 64 rgb8 pixels, got step 100"),
    ],
)
def test_a_bad_image_is_named_and_the_next_good_one_encoded(colour_only, changes, said):
    bad = to_image(RGB, now(colour_only), "camera")
    for name, value in changes.items():
        setattr(bad, name, value)
    colour_only.rgb.publish(bad)
    colour_only.wait_for(lambda: colour_only.says("perception_encoder", said))
    assert colour_only.diagnostics["perception_encoder"].level == DiagnosticStatus.ERROR
    assert not colour_only.latents
    colour_only.rgb.publish(to_image(RGB, now(colour_only), "camera"))
    colour_only.wait_for(lambda: colour_only.latents)
    colour_only.wait_for(lambda: colour_only.diagnostics["perception_encoder"].level == DiagnosticStatus.OK)


def test_no_camera_is_named(scene):
    scene.wait_for(lambda: scene.says("perception_encoder", "no image on /camera/image_raw for "), 6)
    assert scene.diagnostics["perception_encoder"].level == DiagnosticStatus.ERROR


def test_depth_that_does_not_come_is_named(scene):
    def publish_and_look():
        scene.rgb.publish(to_image(RGB, now(scene), "camera"))
        return scene.says(
            "perception_encoder", "/camera/depth/image_raw: expected depth within 0.03 s of /camera/image_raw, got none"
        )

    scene.wait_for(publish_and_look)
    assert not scene.latents


def test_a_camera_that_is_described_without_depth_waits_for_none(tmp_path):
    text = "\n".join(line for line in DIFFERENTIAL.splitlines() if "depth:" not in line)
    with scene_with(camera_depth=False, robot=write(tmp_path, text)) as graph:
        graph.rgb.publish(to_image(np.repeat(RGB, 5, 1)[:48].repeat(5, 0), now(graph), "camera"))
        graph.wait_for(lambda: graph.latents)


def test_an_image_from_another_clock_is_named(colour_only):
    colour_only.rgb.publish(to_image(RGB, 5_000 * MS, "camera"))
    said = "do camera and node agree on use_sim_time?"
    colour_only.wait_for(lambda: colour_only.says("perception_encoder", said))
