"""The thread that plans is killed, hangs, or thinks in NaN: the base stands within 300 ms, measured at the gate."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from geometry_msgs.msg import TwistStamped
from latentworld_ros.action import ReachGoal
from latentworld_ros.msg import WorldState as StateMessage
from rclpy.action import ActionClient
from ros_graph import Graph
from test_ros_gate import GATE, sent_at

from latentworld.agent import Agent
from latentworld.ros import qos
from latentworld.ros.action_selector import ActionSelectorNode
from latentworld.ros.channel import Bus
from latentworld.ros.codecs import state_to_message
from latentworld.ros.consequence_simulator import ConsequenceSimulatorNode
from latentworld.ros.processes import Processes
from latentworld.sim.world import World

WITHIN = 0.3  # s


@pytest.fixture(scope="module")
def believed():
    """What the shipped model believes of a room with free floor ahead."""
    world, agent = World(2_000_000, blocked=False), Agent.load()
    for _ in range(5):
        state = agent.observe(world.frame(), world.odometry())
        world.step(0.0, 0.0)
    return state


@pytest.fixture
def scene(believed):
    """A base on its way to a goal: real selector and simulator nodes here, the gate in a process of its own."""
    with Processes() as processes, Graph() as graph:
        processes.start("gate", GATE)
        graph.watch_diagnostics()
        graph.commands = graph.listen(
            TwistStamped, "cmd_vel", 50, lambda m: (sent_at(m), m.twist.linear.x, m.twist.angular.z)
        )
        bus = Bus()
        graph.start(ConsequenceSimulatorNode, bus=bus)
        graph.start(ActionSelectorNode, bus=bus)
        states = graph.node.create_publisher(StateMessage, "world_state", qos.belief())
        graph.broken, graph.fed = False, None

        def believe():
            if graph.broken:
                graph.fed = graph.fed or time.time()
            now = graph.node.get_clock().now().nanoseconds
            belief = believed.belief * np.nan if graph.broken else believed.belief
            states.publish(state_to_message(replace(believed, stamp=now, observation_stamp=now, belief=belief)))

        graph.node.create_timer(0.1, believe)
        goals = ActionClient(graph.node, ReachGoal, "reach_goal")
        graph.wait_for(lambda: goals.server_is_ready() and graph.commands, 20, "gate and selector")
        request = ReachGoal.Goal(kind=ReachGoal.Goal.POSE)
        request.pose.x, request.pose.y, request.pose.theta = 1.5, 0.0, float("nan")
        assert graph.result(goals.send_goal_async(request)).accepted
        graph.wait_for(lambda: moving(graph), 15, "the base on its way")
        yield graph
        goals.destroy()


def moving(graph):
    return abs(graph.commands[-1][1]) > 0.1 or abs(graph.commands[-1][2]) > 0.3


class Moment:
    """A job for the planning thread that goes wrong, and the time at which it did: it may wait for a plan to end."""

    def __init__(self, wrong):
        self.wrong, self.time = wrong, None

    def __call__(self):
        self.time = time.time()
        self.wrong()


def go_wrong(graph, wrong):
    moment = Moment(wrong)
    graph.worker.submit(moment, lambda error: None)
    return graph.wait_for(lambda: moment.time, 5, "the planning thread to come to it")


def stopped_after(graph, since):
    """Seconds from ``since`` to the last command to move that the gate sent."""
    graph.wait_for(lambda: graph.commands[-1][1:] == (0.0, 0.0), 5, "the base at rest")
    last = max((t for t, *command in graph.commands if command != [0.0, 0.0]), default=since)
    return last - since


def exit_thread():
    raise SystemExit  # not an Exception: nothing catches it, the thread is over


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_planning_thread_that_dies_stops_the_base(scene):
    assert stopped_after(scene, go_wrong(scene, exit_thread)) < WITHIN
    scene.wait_for(lambda: scene.says("command_gate", "the faculties' thread has ended"), 10)


def test_a_planning_thread_that_hangs_stops_the_base_and_goes_on_after(scene):
    release = threading.Event()
    assert stopped_after(scene, go_wrong(scene, release.wait)) < WITHIN
    scene.wait_for(lambda: scene.says("command_gate", "the faculties' thread hangs"), 10)
    release.set()
    scene.wait_for(lambda: moving(scene), 10, "the base on its way again")


def test_a_belief_of_nan_stops_the_base(scene):
    scene.broken = True
    assert stopped_after(scene, scene.wait_for(lambda: scene.fed, 5, "a state of NaN")) < WITHIN
    scene.wait_for(lambda: scene.says("command_gate", "expected finite numbers, got NaN"), 10)
    assert all(np.isfinite(command[1:]).all() for command in scene.commands)
