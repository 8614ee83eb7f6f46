"""The visual_memory node over DDS: what comes on the topics can be asked for, and a bad question gets one line."""

from __future__ import annotations

import time
from array import array

import cv2
import numpy as np
import pytest
import tiny_clip
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Pose2D, PoseStamped
from latentworld_ros import msg
from latentworld_ros.srv import ForgetMemory, QueryMemory
from nav_msgs.msg import Path
from rclpy.parameter import Parameter
from rooms_of_looks import SIZE, vector, way
from ros_graph import Graph
from sensor_msgs.msg import Image

from latentworld import robot_file
from latentworld.memory import VisualMemory
from latentworld.memory.submaps import placed
from latentworld.model.checkpoint import load, shipped
from latentworld.perception.encoder import PerceptionEncoder
from latentworld.ros import qos
from latentworld.ros.codecs import from_time, latent_to_message, state_to_message, to_time
from latentworld.ros.domain import unused_domain
from latentworld.ros.images import to_image
from latentworld.ros.moments import Moments
from latentworld.ros.tensors import from_tensor, to_tensor
from latentworld.ros.transforms import quaternion_of_yaw
from latentworld.ros.visual_memory import VisualMemoryNode
from latentworld.ros.worker import Worker
from latentworld.types import Frame, Latent, WorldState, stamp_of

BEGIN = stamp_of(1.7e9)


def state_of(stamp: int, pose=(0.0, 0.0, 0.0), model_id: str = "m", exposed: int | None = None) -> WorldState:
    nothing = np.zeros(3, np.float32)
    exposed = stamp if exposed is None else exposed
    velocity = np.array([1.0, 0.0, 0.0])
    return WorldState(stamp, exposed, model_id, np.array(pose), velocity, nothing, np.zeros(4, np.float32), p_value=0.5)


@pytest.fixture(scope="module")
def model():
    """The shipped checkpoint."""
    return shipped(), PerceptionEncoder(load(), robot_file.load())  # as the node sees


class Scene(Graph):
    """A running node, with what it listens to published by hand."""

    def __init__(self, path, checkpoint, encoder, **parameters):
        super().__init__(domain=unused_domain())  # several are up at once, and all drive the same way
        self.encoder, self.worker, self.path = encoder, Worker(), path
        settings = {"path": str(path), "checkpoint": str(checkpoint), "memory.commit_interval": 0.01} | parameters
        overrides = [Parameter(name, value=value) for name, value in settings.items()]
        self.memory = VisualMemoryNode(worker=self.worker, context=self.context, parameter_overrides=overrides)
        self.add(self.memory)
        self.memory.trigger_configure()
        self.memory.trigger_activate()
        publish = self.node.create_publisher
        self.latents = publish(msg.LatentObservation, "latent_observation", qos.latent())
        self.states = publish(msg.WorldState, "world_state", qos.belief())
        self.images = publish(Image, "camera/image_raw", qos.camera_driver())
        topics = (self.latents, self.states, self.images)
        self.wait_for(lambda: all(t.get_subscription_count() for t in topics), 20, "the node's subscriptions")
        self.watch_diagnostics()

    def __exit__(self, *error):
        self.memory.trigger_shutdown()
        self.worker.close()
        super().__exit__(*error)

    def drive(self, count: int, pictures: list[np.ndarray] | None = None) -> list[np.ndarray]:
        """Pass ``count`` pictures, a metre and a second apart; returns once all are kept."""
        pictures = pictures or [np.random.default_rng(i).integers(0, 255, (6, 8, 3), np.uint8) for i in range(count)]
        pictures = [cv2.resize(p, (96, 96), interpolation=cv2.INTER_CUBIC) for p in pictures]
        for i, rgb in enumerate(pictures):
            stamp = BEGIN + stamp_of(i)
            self.images.publish(to_image(rgb, stamp, "camera"))
            self.pass_by(stamp, self.encoder.encode(Frame(stamp, rgb)), (i, 0.0, 0.0))
            self.wait_for(lambda kept=i + 1: len(self.memory._memory) >= kept, 10, f"keyframe {i + 1}")
        return pictures

    def pass_by(self, stamp: int, latent: Latent, pose: tuple[float, ...]) -> None:
        self.latents.publish(latent_to_message(latent))
        self.states.publish(state_to_message(state_of(stamp, pose, latent.model_id)))

    def ask(self, **keys) -> QueryMemory.Response:
        return self.call(QueryMemory, "query_memory", QueryMemory.Request(**keys))

    def found(self, **keys) -> list[int]:
        answer = self.ask(**keys)
        assert answer.success, answer.message
        return [k.id for k in answer.keyframes]


@pytest.fixture(scope="module")
def scene(model, tmp_path_factory):
    path, encoder = model
    with Scene(tmp_path_factory.mktemp("memory") / "memory.sqlite", path, encoder) as scene:
        scene.pictures = scene.drive(6)
        yield scene


def test_a_place_a_time_and_an_id_are_found(scene):
    assert scene.found(use_place=True, place=Pose2D(x=2.2), limit=2) == [3, 4]
    assert scene.found(use_place=True, place=Pose2D(x=2.2), radius=0.5) == [3]
    assert scene.found(after=to_time(BEGIN + stamp_of(3.5))) == [5, 6]
    assert scene.found(before=to_time(BEGIN + stamp_of(1.5)), use_place=True) == [1, 2]
    assert scene.found() == [6, 5, 4, 3, 2]
    assert scene.found(id=4) == [4]


def test_words_find_what_they_describe(model, tmp_path):
    tiny_clip.save(tmp_path / "clip")
    random, colours = np.random.default_rng(0), [*tiny_clip.COLOURS, "red"]
    with Scene(tmp_path / "memory.sqlite", *model, **{"text.model": str(tmp_path / "clip")}) as scene:
        scene.drive(len(colours), [tiny_clip.picture(colour, random) for colour in colours])
        red = scene.wait_for(
            lambda: found if len(found := scene.found(text="a red box")) == len(colours) else None, 20, "all read"
        )
        assert set(red[:2]) == {1, 4}
        assert scene.found(text="a green box", limit=1) == [2]
        assert scene.found(text="a red box", use_place=True, place=Pose2D(x=2.0), radius=1.5, limit=1) == [4]
        answer = scene.ask(text="a red box", object="1", surprise=2.0)
        assert not answer.success and "expected a p-value from 0 to 1, got 2.0" in answer.message


def test_words_are_not_understood_without_an_encoder(scene):
    answer = scene.ask(text="a red box")
    assert not answer.success and "expected a memory with a text encoder" in answer.message


def test_what_surprised_is_found(scene):
    assert scene.found(surprise=0.4) == []
    assert len(scene.found(surprise=0.5)) == 5
    (keyframe,) = scene.ask(use_place=True, place=Pose2D(x=2.0), radius=0.5, limit=1).keyframes
    assert keyframe.confidence > 0.9


def test_an_image_and_its_latent_find_the_same(scene):
    latent = scene.encoder.encode(Frame(0, scene.pictures[4]))
    by_image = scene.ask(image=to_image(scene.pictures[4], 0, "camera"), limit=3)
    by_latent = scene.ask(latent=to_tensor(latent.vector), model_id=latent.model_id, limit=3)
    assert [k.id for k in by_image.keyframes] == [k.id for k in by_latent.keyframes]
    assert by_image.keyframes[0].id == 5
    assert not by_image.never_seen
    depth = to_image(np.full((96, 96), 0.5, np.float32), 0, "camera")
    with_depth = scene.ask(image=to_image(scene.pictures[4], 0, "camera"), depth=depth)
    assert with_depth.keyframes[0].latent_distance > by_image.keyframes[0].latent_distance


def test_a_keyframe_says_all_that_is_known_of_it(scene):
    keyframe = scene.ask(id=3, with_thumbnails=True).keyframes[0]
    assert (keyframe.pose.x, keyframe.pose.y, keyframe.frame_id) == (2.0, 0.0, "odom")
    assert from_time(keyframe.stamp) == BEGIN + stamp_of(2)
    assert keyframe.surprise == 0.5
    assert np.linalg.eigvalsh(keyframe.pose_covariance.reshape(3, 3)).min() > 0
    assert np.isnan(keyframe.latent_distance)
    assert keyframe.thumbnail.format == "jpeg"
    assert from_time(keyframe.thumbnail.header.stamp) == BEGIN + stamp_of(2)
    seen = cv2.imdecode(np.frombuffer(keyframe.thumbnail.data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    expected = scene.pictures[2]
    assert np.abs(seen.astype(int) - expected).mean() < 8
    assert not scene.ask(id=3).keyframes[0].thumbnail.data


def bad_questions(scene):
    width = scene.encoder.model.config.kept_dim
    good = to_tensor(np.zeros(width, np.float32))
    image = to_image(scene.pictures[0], 0, "camera")
    bayer = to_image(scene.pictures[0], 0, "camera")
    bayer.encoding = "bayer_rggb8"
    short = to_image(scene.pictures[0], 0, "camera")
    short.data = array("B", bytes(10))
    own = scene.encoder.model.model_id
    return {
        f"expected model {own}, got model abc": {"latent": good, "model_id": "abc"},
        f"expected shape ({width},), got (3,)": {"latent": to_tensor(np.zeros(3, np.float32)), "model_id": own},
        "finite values": {"latent": to_tensor(np.full(width, np.nan, np.float32)), "model_id": own},
        "got 'bayer_rggb8'": {"image": bayer},
        "got 10": {"image": short},
        "expected one of them, got both": {"image": image, "latent": good, "model_id": own},
        "place: expected finite": {"use_place": True, "place": Pose2D(x=float("nan"))},
        "radius: expected more than 0": {"use_place": True, "radius": -1.0},
        "limit: expected 1 to 1000": {"limit": 5000},
        "expected after <= before": {"after": Time(sec=5), "before": Time(sec=4)},
        "id: expected a keyframe of the memory, got 99": {"id": 99},
        "id: expected a keyframe of the memory, got 18446744073709551615": {"id": 2**64 - 1},
        "object: expected the number of a thing (see query_objects), got 'keys'": {"object": "keys"},
    }


def test_a_bad_question_gets_one_line(scene):
    for said, keys in bad_questions(scene).items():
        answer = scene.ask(**keys)
        assert not answer.success
        assert said in answer.message, (said, answer.message)
        assert "\n" not in answer.message
    assert scene.found(id=4) == [4]


def test_a_latent_of_another_model_is_a_diagnostic_and_not_kept(scene):
    own, last = scene.encoder.model.model_id, 0

    def said():
        nonlocal last
        now = time.monotonic_ns()
        if now - last > stamp_of(0.1):  # a camera's pace
            last = now
            scene.pass_by(
                now, Latent(now, "abc", np.zeros(scene.encoder.model.config.vector_dim, np.float32)), (9.0, 0.0, 0.0)
            )
        return scene.says("visual_memory", f"expected model {own}, got model abc")

    scene.wait_for(said, 10)
    assert len(scene.found(limit=100)) == 6


def test_what_was_kept_outlives_the_node(model, tmp_path):
    checkpoint, encoder = model
    with Scene(tmp_path / "memory.sqlite", checkpoint, encoder) as scene:
        scene.drive(2)
        second = VisualMemoryNode(
            worker=scene.worker, context=scene.context, parameter_overrides=[
                Parameter("path", value=str(scene.path)), Parameter("checkpoint", value=str(checkpoint)),
            ],
        )  # fmt: skip
        second.trigger_configure()
        assert second.state == "unconfigured"
        assert "only writer" in second.failure
        second.destroy_node()
        assert scene.found() == [2, 1]
    with VisualMemory(tmp_path / "memory.sqlite") as memory:
        assert len(memory) == 2
    with Scene(tmp_path / "memory.sqlite", checkpoint, encoder) as scene:
        answer = scene.ask()
        assert [(k.id, k.frame_id) for k in answer.keyframes] == [(2, "odom#1"), (1, "odom#1")]
        assert scene.ask(use_place=True).never_seen  # nothing is known to lie in today's odom


def test_moments_meet_in_any_order():
    def latent(t):
        return Latent(t, "m", np.zeros(2, np.float32))

    moments = Moments()
    assert moments.state(state_of(1)) == moments.latent(latent(1)) == []
    (met,) = moments.picture(1, "a")
    assert (met.state.stamp, met.latent.stamp, met.picture) == (1, 1, "a")
    assert moments.picture(2, "b") == moments.latent(latent(2)) == []
    assert moments.state(state_of(2, exposed=1)) == []  # carried on past its exposure
    assert [m.picture for m in moments.state(state_of(2))] == ["b"]
    assert moments.latent(latent(3)) == moments.state(state_of(3)) == moments.latent(latent(4)) == []
    assert [(m.state.stamp, m.picture) for m in moments.state(state_of(4))] == [(3, None)]  # its picture never came
    assert moments.picture(3, "c") == []
    moments = Moments(depth_tolerance=2)
    assert moments.depth(1, "depth") == moments.state(state_of(10)) == moments.latent(latent(10)) == []
    assert moments.picture(10, "a") == moments.depth(13, "late") == []  # where depth comes it is waited for
    assert [m.depth for m in moments.depth(12, "depth")] == ["depth"]
    assert moments.state(state_of(20)) == moments.latent(latent(20)) == moments.picture(20, "b") == []
    assert moments.latent(latent(30)) == []
    assert [(m.picture, m.depth) for m in moments.state(state_of(30))] == [("b", None)]  # but no longer than that
    moments, later = Moments(depth_tolerance=2), stamp_of(2.0)
    assert moments.depth(1, "depth") == moments.latent(latent(later)) == moments.state(state_of(later)) == []
    assert [m.picture for m in moments.picture(later, "c")] == ["c"]  # no depth for long: none is waited for
    moments = Moments(depth_tolerance=2)
    assert moments.depth(1, "depth") == moments.latent(latent(9)) == moments.picture(9, "a") == []
    for t in range(10, 40):
        assert moments.picture(t, "later") == []
    assert moments.state(state_of(9)) == moments.latent(latent(40)) == []
    assert [m.picture for m in moments.state(state_of(40))] == ["a"]  # however many came since
    moments, late = Moments(), stamp_of(0.2)
    assert moments.latent(latent(1)) == moments.picture(1, "a") == []
    (met,) = moments.state(
        state_of(1 + late, (1.0, 2.0, np.pi / 2), exposed=1)
    )  # of a late camera: carried on at 1 m/s
    assert met.state.stamp == met.state.observation_stamp == 1
    assert met.state.pose == pytest.approx([1.0, 1.8, np.pi / 2])
    assert moments.state(state_of(1 + 2 * late, exposed=1)) == moments.latent(latent(1)) == []  # once
    assert moments.latent(latent(5)) == moments.picture(5, "b") == []
    assert moments.state(state_of(5 + stamp_of(2.0), exposed=5)) == []  # too long ago to say where that was
    moments = Moments()
    for t in range(5, 30):
        assert moments.state(state_of(t)) == []  # no latent: nothing met, nothing piles up
    assert [m.state.stamp for m in moments.latent(latent(29))] == []
    assert [m.state.stamp for m in moments.picture(29, "z")] == [29]


def test_a_corrected_path_moves_what_was_seen_and_a_place_is_forgotten(model, tmp_path):
    checkpoint, encoder = model
    with Scene(tmp_path / "memory.sqlite", checkpoint, encoder) as scene:
        scene.drive(5)
        paths = scene.node.create_publisher(Path, "corrected_path", qos.event())
        scene.wait_for(paths.get_subscription_count, 10, "the node's subscription")
        path = Path()
        path.header.frame_id = "map"
        for t in (0, 9):  # twice as far as odometry says, and to the left
            pose = PoseStamped()
            pose.header.stamp, pose.pose.position.y = to_time(BEGIN + stamp_of(t)), 2.0 * t
            pose.pose.orientation = quaternion_of_yaw(np.pi / 2)
            path.poses.append(pose)
        paths.publish(path)
        scene.wait_for(lambda: scene.ask(id=3).keyframes[0].frame_id.startswith("map"), 10, "the correction")
        keyframe = scene.ask(use_place=True, frame_id="map", place=Pose2D(y=4.0), limit=1).keyframes[0]
        assert (keyframe.id, keyframe.frame_id) == (3, "map")
        assert keyframe.pose.y == pytest.approx(4.0) and keyframe.pose.theta == pytest.approx(np.pi / 2)
        assert scene.ask(use_place=True).never_seen  # nothing is left in odom
        paths.publish(Path())
        scene.wait_for(lambda: scene.says("visual_memory", "/corrected_path: trajectory: expected 2 or more"), 10)

        def forget(**keys):
            return scene.call(ForgetMemory, "forget_memory", ForgetMemory.Request(**keys))

        answer = forget(use_place=True, frame_id="map", place=Pose2D(y=4.0), radius=0.5)
        assert (answer.success, answer.forgotten, answer.message) == (True, 1, "")
        assert sorted(scene.found(limit=10)) == [1, 2, 4, 5]
        for said, keys in {
            "got a query for everything": {},
            "frame_id: expected a frame that keyframes are in, got moon": {"use_place": True, "frame_id": "moon"},
            "the distance within which it is the same": {"after": Time(sec=1), "within": 0.5},
        }.items():
            answer = forget(**keys)
            assert not answer.success and said in answer.message and "\n" not in answer.message
        assert sorted(scene.found(limit=10)) == [1, 2, 4, 5]


def test_after_a_restart_what_was_seen_before_lies_in_the_odom_of_now(model, tmp_path):
    elsewhere = np.array([5.0, -2.0, 1.0])
    for start, (poses, odometry) in enumerate(((way(2, 200), np.zeros(3)), (way(8, 200), elsewhere))):
        with Scene(tmp_path / "memory.sqlite", *model) as scene:
            kept = len(scene.memory._memory)
            for i, (pose, driven) in enumerate(zip(poses, placed(odometry, poses), strict=True), 1):
                look = np.zeros(scene.encoder.model.config.kept_dim, np.float32)
                look[-SIZE:] = vector(pose, 2)
                stamp = BEGIN + stamp_of(1000 * start + i)
                scene.pass_by(stamp, Latent(stamp, scene.encoder.model.model_id, look), tuple(driven))
                scene.wait_for(lambda n=kept + i - 1: len(scene.memory._memory) >= n, 10, f"keyframe {kept + i - 1}")
                if scene.memory._memory.laying.joined:  # a busy machine leaves out looks, and drives on until it knows
                    break
            if start:
                x, y, _ = placed(odometry, np.array([[1.0, 1.0, 0.0]]))[0]
                place = {"use_place": True, "place": Pose2D(x=x, y=y), "radius": 1.0, "limit": 100}
                scene.wait_for(lambda ask=place: any(id <= 199 for id in scene.found(**ask)), 10, "earlier keyframes")
                scene.wait_for(lambda: "odom#1 lies at" in str(scene.diagnostics.get("visual_memory")), 10, "a word")


def test_it_says_what_would_be_seen_from_a_place(scene):
    scene.memory._memory.flush()  # learned on a thread of its own
    here = scene.ask(use_place=True, place=Pose2D(x=2.0, y=0.0, theta=0.0), foretell=True)
    assert here.success, here.message
    told = from_tensor(here.foretold, "foretold", None)
    kept = scene.encoder.encode(Frame(BEGIN, scene.pictures[2])).vector[: len(told)]
    other = scene.encoder.encode(Frame(BEGIN, scene.pictures[5])).vector[: len(told)]
    assert len(told) == 256 and np.square(told - kept).mean() < 0.5 * np.square(told - other).mean()
    assert here.familiarity > 0.8
    for keys in ({"foretell": True}, {"foretell": True, "use_place": True, "frame_id": "odom"}):
        answer = scene.ask(**keys)
        assert not answer.success and "foretell: expected a place in odom" in answer.message
