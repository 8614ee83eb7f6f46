"""The loop closed over DDS, as one process and as many: simulator, nodes and gate drive to a goal, and end together."""

import math
from pathlib import Path

import numpy as np
import pytest
from action_msgs.msg import GoalStatus
from geometry_msgs.msg import TwistStamped
from latentworld_ros.action import ReachGoal
from latentworld_ros.msg import GroundTruth, LatentObservation, Plan, Surprise, WorldState
from latentworld_ros.srv import QueryMemory, ResetRoom, Simulate
from rclpy.action import ActionClient
from ros_graph import Graph
from std_srvs.srv import Trigger

from latentworld.ros.parameter_file import FILES, text
from latentworld.ros.processes import Processes
from latentworld.ros.up import commands, write_parameters

CONFIG = Path(__file__).parents[1] / "config"
THINKING = ("perception_encoder", "world_state_tracker", "consequence_simulator", "action_selector", "visual_memory")
TOPICS = {
    "latent_observation": LatentObservation,
    "world_state": WorldState,
    "surprise": Surprise,
    "plan": Plan,
    "ground_truth": GroundTruth,
    "cmd_vel": TwistStamped,
}


def parameters(folder):
    """The shipped files and the shipped checkpoint; only the memory is a new one."""
    write_parameters(folder / "test.yaml", {"visual_memory": {"path": str(folder / "memory.sqlite")}})
    return [CONFIG / "robot.yaml", CONFIG / "sim.yaml", folder / "test.yaml"]


@pytest.fixture(scope="module", params=[True, False], ids=["composed", "separate"])
def robot(request, tmp_path_factory):
    lines = commands(request.param, True, parameters(tmp_path_factory.mktemp("robot")), use_sim_time=True)
    with Processes() as processes, Graph() as graph:
        for name, line in lines.items():
            processes.start(name, line)
        graph.watch_diagnostics()
        for topic, message in TOPICS.items():
            graph.listen(message, topic)
        graph.action = ActionClient(graph.node, ReachGoal, "reach_goal")
        graph.wait_for(
            lambda: all(graph.heard[topic] for topic in TOPICS if topic != "surprise"), 60, "a running robot"
        )
        for service, name in ((Simulate, "simulate"), (QueryMemory, "query_memory")):
            client = graph.node.create_client(service, name)
            graph.wait_for(client.service_is_ready, 60, f"service {name}")  # processes start in any order
            graph.node.destroy_client(client)
        yield graph
        processes.stop()
        assert {name: child.returncode for name, child in processes.children.items() if child.returncode} == {}


def test_reaches_a_goal_round_what_is_in_the_way(robot):
    room = robot.call(ResetRoom, "simulator/reset_room", ResetRoom.Request(seed=1_000_101, blocked=True))
    assert robot.call(Trigger, "world_state_tracker/reset", Trigger.Request()).success
    robot.wait_for(robot.action.server_is_ready)
    handle = robot.result(robot.action.send_goal_async(ReachGoal.Goal(pose=room.goal, tolerance=0.3, timeout=40.0)))
    answer = robot.result(handle.get_result_async(), 60)
    assert (answer.status, answer.result.error_msg) == (GoalStatus.STATUS_SUCCEEDED, "")
    pose = robot.heard["ground_truth"][-1].pose
    assert math.hypot(pose.x - room.goal.x, pose.y - room.goal.y) < 0.5
    assert robot.heard["ground_truth"][-1].contacts == 0
    robot.wait_for(lambda: robot.heard["cmd_vel"][-1].twist.linear.x == 0.0, what="standing at the goal")


def test_both_ways_say_the_same_things(robot):
    """What an outside listener hears does not tell one process from many."""
    robot.wait_for(lambda: all(robot.heard[topic] for topic in TOPICS), what="every topic")
    latent, state, plan = (robot.heard[topic][-1] for topic in ("latent_observation", "world_state", "plan"))
    assert latent.model_id == state.model_id == plan.model_id != ""
    assert (list(latent.latent.shape), latent.header.frame_id) == ([1344], "camera")
    assert len(state.belief.data) == 4 * state.belief.shape[0]
    assert any(np.isfinite(p.cost_spread) and p.status == Plan.OK and p.samples >= 64 for p in robot.heard["plan"])
    names = {name for name, _ in robot.node.get_node_names_and_namespaces()}
    assert {*THINKING, "command_gate", "simulator"} <= names
    for topic in ("latent_observation", "world_state", "plan", "cmd_vel"):
        robot.heard[topic].clear()
    robot.wait_for(lambda: len(robot.heard["cmd_vel"]) >= 100)
    counts = {topic: len(robot.heard[topic]) for topic in ("latent_observation", "world_state", "plan")}
    assert all(count >= 10 for count in counts.values()), counts


def test_anybody_may_ask_what_would_happen_and_what_was_seen(robot):
    request = Simulate.Request()
    request.values.shape, request.dt = [2, 5, 2], 0.2
    request.values.data.frombytes(np.zeros((2, 5, 2), np.float32).tobytes())
    answer = robot.call(Simulate, "simulate", request)
    assert answer.success and list(answer.poses.shape) == [2, 5, 3]
    robot.wait_for(lambda: robot.call(QueryMemory, "query_memory", QueryMemory.Request()).keyframes, 15)


def test_all_nodes_are_well(robot):
    robot.diagnostics.clear()
    robot.wait_for(lambda: {*THINKING, "command_gate", "simulator"} <= robot.diagnostics.keys())
    assert {name: status.message for name, status in robot.diagnostics.items() if status.level != b"\x00"} == {}


@pytest.mark.parametrize("which", FILES)
def test_the_parameter_files_hold_what_is_declared(which):
    written = (CONFIG / f"{which}.yaml").read_text()
    assert written == text(which), f"python -m latentworld.ros.parameter_file {which} > config/{which}.yaml"
