"""A robot is one YAML file: all nodes drive it, and one that cannot be driven is refused by name by each of them."""

import math
import subprocess
import sys

import numpy as np
import pytest
from action_msgs.msg import GoalStatus
from geometry_msgs.msg import TwistStamped
from latentworld_ros.action import ReachGoal
from latentworld_ros.msg import GroundTruth, Plan, WorldState
from latentworld_ros.srv import ResetRoom
from rclpy.action import ActionClient
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from robot_yaml import BLIND, DIFFERENTIAL, LIDAR, TWO_CAMERAS, write
from ros_graph import Graph, overrides
from std_srvs.srv import Trigger
from test_ros_loop import THINKING
from typer.testing import CliRunner

from latentworld.cli import app
from latentworld.consequence.simulator import ConsequenceSimulator
from latentworld.robot_file import load
from latentworld.ros import robots
from latentworld.ros.action_selector import ActionSelectorNode
from latentworld.ros.channel import Bus
from latentworld.ros.command_gate import CommandGateNode
from latentworld.ros.composed import NODES
from latentworld.ros.models import world_model
from latentworld.ros.processes import Processes
from latentworld.ros.simulator import SimulatorNode
from latentworld.ros.up import commands, write_parameters
from latentworld.ros.worker import Worker
from latentworld.types import LatentworldError

TOPICS = {"world_state": WorldState, "plan": Plan, "ground_truth": GroundTruth, "cmd_vel": TwistStamped}


@pytest.fixture
def graph():
    with Graph() as graph:
        graph.watch_diagnostics()
        yield graph


def drive(graph, processes, folder, robot, seed):
    """Start everything for this robot, and send it to the goal of a room. What was sent on cmd_vel: (N, 3)."""
    write_parameters(folder / "p.yaml", {"visual_memory": {"path": str(folder / "memory.sqlite")}})
    lines = commands(True, True, [folder / "p.yaml"], use_sim_time=True, robot=robot)
    with open(folder / "said", "w") as said:
        for name, line in lines.items():
            processes.start(name, line, stdout=said, stderr=said)
    for topic, message in TOPICS.items():
        graph.listen(message, topic)
    graph.wait_for(lambda: all(graph.heard[topic] for topic in TOPICS), 60, "a running robot")
    room = graph.call(ResetRoom, "simulator/reset_room", ResetRoom.Request(seed=seed, blocked=False))
    assert graph.call(Trigger, "world_state_tracker/reset", Trigger.Request()).success
    action = ActionClient(graph.node, ReachGoal, "reach_goal")
    graph.wait_for(action.server_is_ready)
    graph.heard["cmd_vel"].clear()
    handle = graph.result(action.send_goal_async(ReachGoal.Goal(pose=room.goal, tolerance=0.3, timeout=40.0)))
    answer = graph.result(handle.get_result_async(), 80)
    assert (answer.status, answer.result.error_msg) == (GoalStatus.STATUS_SUCCEEDED, "")
    truth = graph.heard["ground_truth"][-1]
    assert math.hypot(truth.pose.x - room.goal.x, truth.pose.y - room.goal.y) < 0.5 and truth.contacts == 0
    return np.array([(m.twist.linear.x, m.twist.angular.z, m.twist.linear.y) for m in graph.heard["cmd_vel"]])


def test_another_robot_is_one_file_and_drives(graph, tmp_path):
    robot = write(tmp_path, DIFFERENTIAL)
    base = load(robot).base
    with Processes() as processes:
        sent = drive(graph, processes, tmp_path, robot, 1_000_101)
        said = (tmp_path / "said").read_text()
        graph.diagnostics.clear()
        graph.wait_for(lambda: {*THINKING, "command_gate", "simulator"} <= graph.diagnostics.keys())
        assert {n: s.message for n, s in graph.diagnostics.items() if s.level != b"\x00"} == {}
    assert sent[:, 0].max() > 0.2 and not sent[:, 2].any()
    assert (sent[:, 0] <= base.max_linear).all() and (sent[:, 0] >= -base.max_reverse).all()
    assert (np.abs(sent[:, 1]) <= base.max_angular).all()
    assert said.count("robot mine: cameras: expected to see 60% of the model's view") == 1  # by one node, once


def test_an_omnidirectional_robot_drives_and_may_move_sideways(graph, tmp_path):
    with Processes() as processes:
        sent = drive(graph, processes, tmp_path, "omnidirectional", 1_000_101)
        assert all(list(plan.best.names) == ["linear.x", "angular.z", "linear.y"] for plan in graph.heard["plan"])
    assert np.abs(sent[:, 2]).max() > 0.01 and (np.abs(sent[:, 2]) <= load("omnidirectional").base.max_lateral).all()
    assert any(state.lateral != 0 and state.commanded_lateral != 0 for state in graph.heard["world_state"])


def test_a_robot_with_a_lidar_alone_drives_by_its_scan(graph, tmp_path):
    with Processes() as processes:
        drive(graph, processes, tmp_path, write(tmp_path, LIDAR), 1_000_101)


REFUSED = "robot {}: camera camera: expected one that looks ahead, got one that looks 180 degrees aside"


@pytest.mark.parametrize("kind", [*NODES, CommandGateNode, SimulatorNode], ids=lambda kind: kind.__name__)
def test_a_robot_that_cannot_be_driven_is_refused_by_every_node(graph, tmp_path, kind):
    robot = write(tmp_path, BLIND)
    options = {"parameter_overrides": [Parameter("robot", value=robot)]}
    if kind in NODES:
        graph.worker = options["worker"] = Worker()
    node = graph.add(kind(context=graph.context, **options))
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE and node.state == "unconfigured"
    assert node.failure == f"configure failed: {REFUSED.format(robot)}"
    graph.wait_for(lambda: graph.says(node.get_name(), REFUSED.format(robot)))


def test_an_executable_says_so_in_one_line_and_ends(tmp_path):
    robot = write(tmp_path, BLIND)
    line = [sys.executable, "-m", "latentworld.ros.command_gate", "--ros-args", "-p", f"robot:={robot}"]
    ended = subprocess.run(line, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1 and len(ended.stderr.strip().splitlines()) == 1
    assert REFUSED.format(robot) in ended.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BLIND, "expected one that looks ahead"),
        (DIFFERENTIAL.replace("radius: 0.16", "radius: wide"), "base.radius: expected a finite number, got 'wide'"),
        (None, "expected a YAML file, got none"),
    ],
)
def test_up_refuses_before_anything_starts(tmp_path, text, said):
    robot = write(tmp_path, text) if text else str(tmp_path / "none.yaml")
    result = CliRunner().invoke(app, ["up", "--robot", robot])
    assert isinstance(result.exception, LatentworldError) and said in str(result.exception)
    assert robot in str(result.exception) and "\n" not in str(result.exception)


def test_what_a_person_carries_takes_no_commands(graph):
    node = graph.add(
        CommandGateNode(context=graph.context, parameter_overrides=[Parameter("robot", value="ar_glasses")])
    )
    node.trigger_configure()
    assert node.failure.startswith("configure failed: robot ar_glasses: base.kind: expected one that takes commands")
    assert "command_gate" not in commands(robot="ar_glasses")
    assert "command_gate" in commands(robot="turtlebot4")


def test_the_choice_of_all_nodes_counts_more_than_parameter_files(tmp_path):
    write_parameters(tmp_path / "p.yaml", {"command_gate": {"robot": "nobody"}})
    robot = write(tmp_path, BLIND)
    line = commands(params_files=[tmp_path / "p.yaml"], robot="turtlebot4")["command_gate"]
    assert line[-2:] == ["-p", "robot:=turtlebot4"]
    line = [part.replace("turtlebot4", robot) for part in line]
    ended = subprocess.run(line, capture_output=True, text=True, timeout=30)
    assert REFUSED.format(robot) in ended.stderr


def test_a_selector_for_another_body_than_the_simulators_beside_it_is_named(graph):
    bus = Bus()
    bus.services["/simulate"] = ConsequenceSimulator(world_model(""), load("omnidirectional"))
    options = overrides(checkpoint="", robot="turtlebot4")
    graph.worker = Worker()
    node = graph.add(ActionSelectorNode(bus=bus, worker=graph.worker, context=graph.context, **options))
    node.trigger_configure()
    assert "expected that of the consequence_simulator beside it, omnidirectional base, got TurtleBot 4" in node.failure


def test_topics_of_cameras(tmp_path):
    robot = load(write(tmp_path, TWO_CAMERAS))
    named = {feed.camera.name: feed for feed in robots.feeds(robot)}
    assert named["left"].image == "camera/image_raw"  # the first that looks ahead
    assert named["right/eye"].depth == "right_eye/depth/image_raw" and named["rear"].info == "rear/camera_info"
    seen, lidar = robots.seen_by(robot)
    assert [feed.camera.name for feed in seen] == ["left", "right/eye"] and lidar is None
    twice = load(write(tmp_path, TWO_CAMERAS.replace("right/eye", "camera")))
    with pytest.raises(LatentworldError, match="got left and camera, both camera/image_raw"):
        robots.feeds(twice)
    assert robots.seen_by(load(write(tmp_path, LIDAR))) == ([], load(write(tmp_path, LIDAR)).lidars[0])
