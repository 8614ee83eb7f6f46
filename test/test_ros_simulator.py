"""The simulator node over DDS: a robot like any other, that can be put into another room."""

import time

import numpy as np
import pytest
from geometry_msgs.msg import Twist, TwistStamped
from latentworld_ros.msg import GroundTruth
from latentworld_ros.srv import ResetRoom
from nav_msgs.msg import Odometry
from rclpy.parameter import Parameter
from robot_yaml import DIFFERENTIAL, LIDAR, TWO_CAMERAS, write
from ros_graph import Graph
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, LaserScan

from latentworld.robot_file import load
from latentworld.ros import images, qos
from latentworld.ros.codecs import from_pose2d, from_time, odometry_from_message, stamped_from_action, twist_of
from latentworld.ros.simulator import SimulatorNode
from latentworld.sim import World
from latentworld.types import Action


def scene_with(camera="camera", **parameters):
    graph = Graph()
    graph.watch_diagnostics()
    graph.clock = graph.listen(Clock, "/clock", keep=lambda m: from_time(m.clock))
    graph.images = graph.listen(Image, f"{camera}/image_raw")
    graph.depths = graph.listen(Image, f"{camera}/depth/image_raw")
    graph.infos = graph.listen(CameraInfo, f"{camera}/camera_info")
    graph.odom = graph.listen(Odometry, "odom", keep=odometry_from_message)
    graph.truth = graph.listen(GroundTruth, "ground_truth")
    overrides = [Parameter(name, value=value) for name, value in ({"seed": 90_001} | parameters).items()]
    graph.simulator = graph.start(SimulatorNode, parameter_overrides=overrides)
    kind = TwistStamped if graph.simulator.parameters.enable_stamped_cmd_vel else Twist
    graph.commands = graph.node.create_publisher(kind, "cmd_vel", qos.command())
    graph.wait_for(lambda: graph.truth and graph.odom and graph.images, 20)
    return graph


@pytest.fixture
def scene():
    with scene_with() as graph:
        yield graph


def drive(graph, linear, angular, condition, timeout=10.0):
    sent = [0.0]

    def step():
        if time.monotonic() - sent[0] > 0.05:
            sent[0] = time.monotonic()
            graph.commands.publish(stamped_from_action(Action(0, linear, angular)))
        return condition()

    graph.wait_for(step, timeout)


def test_all_that_a_robot_publishes_with_one_stamp_an_exposure(scene):
    scene.wait_for(lambda: len(scene.images) >= 5 and len(scene.depths) >= 5 and len(scene.odom) >= 20 and scene.infos)
    image, stamps = scene.images[-1], {from_time(m.header.stamp) for m in scene.depths}
    assert (image.encoding, image.width, image.height, image.header.frame_id) == ("rgb8", 64, 64, "camera")
    assert len(stamps & {from_time(m.header.stamp) for m in scene.images}) >= 4
    assert images.depth(scene.depths[-1], "d").max() <= 6.0
    assert scene.infos[-1].k[0] == pytest.approx(32.0)
    assert np.diff([o.stamp for o in scene.odom]).min() >= 19_000_000
    assert scene.clock == sorted(scene.clock) and scene.truth[-1].seed == 90_001


def test_it_drives_as_told_and_stops_when_it_is_told_nothing(scene):
    drive(scene, 0.3, 0.2, lambda: scene.odom[-1].linear > 0.25 and scene.odom[-1].angular > 0.1)
    scene.wait_for(lambda: abs(scene.odom[-1].linear) < 0.01 and abs(scene.odom[-1].angular) < 0.01, 5)
    assert scene.odom[-1].pose[0] > 0.05


def test_a_command_that_is_not_a_number_is_named(scene):
    scene.commands.publish(stamped_from_action(Action(0, float("nan"), 0.0)))
    scene.wait_for(lambda: scene.says("simulator", "/cmd_vel: expected finite speeds, got linear nan"))


def test_another_room_while_time_goes_on(scene):
    drive(scene, 0.3, 0.0, lambda: scene.odom[-1].pose[0] > 0.1)
    before = scene.clock[-1]
    answer = scene.call(ResetRoom, "simulator/reset_room", ResetRoom.Request(seed=90_002, blocked=True))
    room = World(90_002, True)
    assert answer.success and np.allclose(from_pose2d(answer.goal), room.goal)
    goal = room.goal_frame()
    assert np.array_equal(images.colour(answer.goal_image, "g"), goal.rgb)
    assert np.allclose(images.depth(answer.goal_depth, "g"), goal.depth)
    scene.odom.clear()
    scene.wait_for(lambda: scene.truth[-1].episode == 1 and scene.odom)
    assert np.allclose(scene.odom[-1].pose, 0.0, atol=0.02) and scene.odom[-1].stamp > before
    assert scene.clock == sorted(scene.clock)
    room.close()


def test_a_camera_as_described(tmp_path):
    with scene_with(robot=write(tmp_path, DIFFERENTIAL)) as scene:
        scene.wait_for(lambda: scene.depths and scene.infos)
        info, lens = scene.infos[-1], load(str(tmp_path / "mine.yaml")).camera.intrinsics
        assert (scene.images[-1].width, scene.images[-1].height) == (info.width, info.height) == (320, 240)
        assert (info.k[0], info.k[2], info.k[5]) == pytest.approx((lens.fx, lens.cx, lens.cy))
        assert 0 in images.depth(scene.depths[-1], "d")  # holes


@pytest.mark.parametrize(
    ("robot", "model", "count"), [("trials/fisheye", "equidistant", 4), ("turtlebot4", "plumb_bob", 5)]
)
def test_other_lenses_and_fewer_pixels(robot, model, count):
    with scene_with(robot=robot, image_size=100) as scene:
        info = scene.wait_for(lambda: scene.infos)[-1]
        assert (scene.images[-1].width, info.width, info.distortion_model, len(info.d)) == (100, 100, model, count)


def test_a_late_camera_stamps_the_exposure():
    with scene_with(robot="trials/late_150ms") as scene:
        stamp = scene.wait_for(lambda: scene.images)[-1].header.stamp
        behind = scene.clock[-1] - from_time(stamp)
        assert 150_000_000 <= behind < 400_000_000


def test_every_camera_and_the_lidar(tmp_path):
    with scene_with("right_eye", robot=write(tmp_path, TWO_CAMERAS)) as scene:
        assert scene.wait_for(lambda: scene.images)[-1].header.frame_id == "right_eye"
    with Graph() as graph:
        scans, truth = graph.listen(LaserScan, "scan"), graph.listen(GroundTruth, "ground_truth")
        graph.start(SimulatorNode, parameter_overrides=[Parameter("robot", value=write(tmp_path, LIDAR))])
        graph.wait_for(lambda: scans and truth, 20)
        assert len(scans[-1].ranges) == 240 and 0.1 < min(scans[-1].ranges) < 8.0
        answer = graph.call(ResetRoom, "simulator/reset_room", ResetRoom.Request(seed=90_002))
        assert answer.success and not answer.goal_image.data


def test_an_omnidirectional_base_moves_sideways():
    with scene_with(robot="omnidirectional", image_size=64) as scene:
        scene.wait_for(
            lambda: (
                scene.commands.publish(stamped_from_action(Action(0, 0.0, 0.0, 0.3))),
                scene.odom[-1].lateral > 0.2,
            )[1]
        )
        assert scene.odom[-1].pose[1] > 0.01


def test_unstamped_commands_and_a_faster_clock():
    with scene_with(enable_stamped_cmd_vel=False, real_time_factor=2.0) as scene:
        scene.wait_for(lambda: (scene.commands.publish(twist_of(0.3, 0.0)), scene.odom[-1].linear > 0.25)[1])
        began, clock = time.monotonic_ns(), scene.clock[-1]

        def ahead():
            return (scene.clock[-1] - clock) - (time.monotonic_ns() - began)

        scene.wait_for(lambda: ahead() > 1_000_000_000, 9, "simulated time 1 s ahead of the clock on the wall")


def test_rates_that_do_not_fit_are_named():
    with Graph() as graph:
        overrides = [Parameter("odom_rate", value=25.0), Parameter("camera_rate", value=10.0)]
        node = graph.add(SimulatorNode(context=graph.context, parameter_overrides=overrides))
        node.trigger_configure()
        assert "parameter odom_rate: expected a multiple of camera_rate 10.0, got 25.0" in node.failure
