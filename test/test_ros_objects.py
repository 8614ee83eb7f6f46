"""Things over DDS: what a simulated camera with depth shows can be asked for by picture, place and number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from geometry_msgs.msg import Pose2D
from latentworld_ros import msg
from latentworld_ros.srv import QueryMemory, QueryObjects
from rclpy.parameter import Parameter
from ros_graph import Graph
from sensor_msgs.msg import Image
from test_ros_memory import BEGIN, state_of

from latentworld.model.checkpoint import load
from latentworld.perception.encoder import PerceptionEncoder
from latentworld.ros import qos
from latentworld.ros.codecs import from_time, latent_to_message, state_to_message
from latentworld.ros.domain import unused_domain
from latentworld.ros.images import to_image
from latentworld.ros.visual_memory import VisualMemoryNode
from latentworld.ros.worker import Worker
from latentworld.sim.world import World
from latentworld.training.objects.collect import seen_from
from latentworld.types import Frame, stamp_of

ROOM, LARGE = 2_000_003, 200  # pixels of a thing that is asked for


class Scene(Graph):
    """The node, and a camera in a room of the simulator that is put here and there."""

    def __init__(self, path):
        super().__init__(domain=unused_domain())
        self.worker, self.world, self.encoder = Worker(), World(ROOM), PerceptionEncoder(load())
        overrides = [Parameter("path", value=str(path)), Parameter("memory.commit_interval", value=0.01)]
        self.memory = VisualMemoryNode(worker=self.worker, context=self.context, parameter_overrides=overrides)
        self.add(self.memory)
        self.memory.trigger_configure()
        self.memory.trigger_activate()
        kinds = {
            "latent_observation": (msg.LatentObservation, qos.latent()),
            "world_state": (msg.WorldState, qos.belief()),
        }
        kinds |= {
            f"camera/{kind}/image_raw".replace("/colour", ""): (Image, qos.camera_driver())
            for kind in ("colour", "depth")
        }
        self.topics = {name: self.node.create_publisher(kind, name, how) for name, (kind, how) in kinds.items()}
        self.wait_for(lambda: all(t.get_subscription_count() for t in self.topics.values()), 20, "subscriptions")
        self.watch_diagnostics()
        self.count = 0

    def __exit__(self, *error):
        self.memory.trigger_shutdown()
        self.worker.close()
        self.world.close()
        super().__exit__(*error)

    def look(self, pose, with_depth: bool = True) -> Frame:
        """Show the node what the camera sees from a pose; without depth it is kept once the next one comes."""
        view, stamp = self.world.view(np.asarray(pose)), BEGIN + stamp_of(self.count)
        frame = Frame(stamp, view.rgb, view.depth if with_depth else None)
        if with_depth:
            self.topics["camera/depth/image_raw"].publish(to_image(frame.depth, stamp, "camera"))
        self.topics["camera/image_raw"].publish(to_image(frame.rgb, stamp, "camera"))
        latent = self.encoder.encode(frame)
        self.topics["latent_observation"].publish(latent_to_message(latent))
        state = replace(state_of(stamp, tuple(pose), latent.model_id), velocity=np.array([99.0, 0.0, 0.0]))  # no jump
        self.topics["world_state"].publish(state_to_message(state))
        self.count += 1

        def seen() -> bool:
            waits = not with_depth and stamp in self.memory._moments._pictures
            return waits or len(self.memory._memory) >= self.count

        self.wait_for(seen, 10, f"keyframe {self.count}")
        return frame

    def ask(self, **keys) -> QueryObjects.Response:
        return self.call(QueryObjects, "query_objects", QueryObjects.Request(**keys))


def poses_of(world: World) -> tuple[int, np.ndarray]:
    """A thing, and three poses from which it is large and alone in view."""
    random = np.random.default_rng(0)
    found: dict[int, list[np.ndarray]] = {}
    for _ in range(3000):
        pose = np.append(
            world.from_room(random.uniform(-0.5, 0.5, 2) * (np.array(world.room.size) - 0.6)), random.uniform(-3, 3)
        )
        if world.clearance(pose[None, :2])[0] < 0.25:
            continue
        pixels = np.bincount(world.objects_in_view(pose).ravel() + 1)[1:]
        if len(pixels) and pixels.max() > LARGE and pixels.sum() == pixels.max() < 900:
            found.setdefault(int(pixels.argmax()), []).append(pose)
            if len(found[int(pixels.argmax())]) == 3:
                return int(pixels.argmax()), np.array(found[int(pixels.argmax())])
    raise AssertionError("no thing of this room can be seen alone")


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with Scene(tmp_path_factory.mktemp("objects") / "memory.sqlite") as scene:
        scene.thing, scene.poses = poses_of(scene.world)
        scene.frames = [scene.look(pose) for pose in scene.poses]
        yield scene


def test_a_thing_is_found_by_a_picture_by_its_place_and_by_its_number(scene):
    frame = scene.frames[0]
    shown = {"image": to_image(frame.rgb, 0, "camera"), "depth": to_image(frame.depth, 0, "camera")}
    answer = scene.ask(**shown, with_thumbnails=True)
    assert answer.success, answer.message
    thing, where = answer.objects[0], scene.world.object_positions()[scene.thing]
    last = thing.history[-1]
    assert np.hypot(last.place.x - where[0], last.place.y - where[1]) < 0.4 and last.frame_id == "odom"
    assert last.seen >= 2 and from_time(last.last) >= BEGIN and from_time(last.gone) == 0
    assert thing.likeness > 0 and thing.thumbnail.format == "jpeg"
    by_place = scene.ask(use_place=True, place=Pose2D(x=float(where[0]), y=float(where[1])), radius=0.4)
    assert thing.id in [t.id for t in by_place.objects]
    assert [t.id for t in scene.ask(id=thing.id).objects] == [thing.id]
    keyframes = scene.call(QueryMemory, "query_memory", QueryMemory.Request(object=str(thing.id))).keyframes
    assert {last.keyframe, last.last_keyframe} <= {k.id for k in keyframes}


def test_a_bad_question_gets_one_line(scene):
    image = to_image(scene.frames[0].rgb, 0, "camera")
    for said, keys in {
        "depth: expected that of the image, got none": {"image": image},
        "id: expected a thing of the memory, got 999": {"id": 999},
        "frame_id: expected a frame that keyframes are in, got nowhere": {"frame_id": "nowhere"},
    }.items():
        answer = scene.ask(**keys)
        assert not answer.success and said in answer.message and "\n" not in answer.message


def test_without_depth_keyframes_are_kept_and_the_node_says_that_things_are_not(scene):
    scene.look(np.array([*scene.poses[0][:2] + 2.0, 0.5]), with_depth=False)
    scene.look(np.array([*scene.poses[0][:2] + 4.0, 0.5]), with_depth=False)
    scene.wait_for(lambda: scene.says("visual_memory", "to keep track of things, got none"), 10)


def test_what_is_seen_lies_where_it_lies_whatever_the_base_turns_to():
    for yaw in (0.0, 1.0, -2.5):
        ahead = seen_from(np.array([1.0, 2.0, yaw]), np.array([[1.0 + np.cos(yaw), 2.0 + np.sin(yaw)]]))
        assert ahead[0] == pytest.approx([1.0, 0.0], abs=1e-9)
