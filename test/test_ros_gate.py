"""The command_gate over DDS: a process of its own that stops the base whatever happens to the planner."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from geometry_msgs.msg import Twist, TwistStamped
from latentworld_ros.msg import Plan as PlanMessage
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from ros_graph import Graph

from latentworld.ros import qos
from latentworld.ros.codecs import plan_to_message
from latentworld.ros.processes import Processes
from latentworld.types import ActionSequence, Plan, PlanStatus

GATE = [sys.executable, "-m", "latentworld.ros.command_gate"]
PLANNER = [sys.executable, str(Path(__file__).with_name("plan_publisher.py"))]


@pytest.fixture
def scene():
    """A running gate and a listener; every command is kept with the time the gate sent it."""
    with Processes() as processes, Graph() as graph:
        graph.gate = processes.start("gate", GATE)
        graph.processes = processes
        graph.watch_diagnostics()
        graph.commands = graph.listen(
            TwistStamped, "cmd_vel", 20, lambda m: (sent_at(m), m.twist.linear.x, m.twist.angular.z)
        )
        graph.plans = graph.node.create_publisher(PlanMessage, "plan", qos.belief())
        graph.wait_for(lambda: graph.commands and graph.plans.get_subscription_count(), 20, "the gate")
        yield graph


def sent_at(message):
    """When the gate sent it, as ``time.time()``: this process may be slow to hear of it."""
    return message.header.stamp.sec + message.header.stamp.nanosec * 1e-9


def full_speed(graph):
    return graph.wait_for(lambda: graph.commands[-1][1] == pytest.approx(0.4), 15, "the base at full speed")


def standing(graph):
    return graph.commands[-1][1:] == (0.0, 0.0)


def publish(graph, seen_ago=0.0, values=(0.4, 0.2), **changes):
    now = graph.node.get_clock().now().nanoseconds
    sequence = ActionSequence(0.2, np.tile(np.float32(values), (15, 1)))
    fields = dict(stamp=now, observation_stamp=now - round(seen_ago * 1e9), model_id="test", status=PlanStatus.OK)
    graph.plans.publish(plan_to_message(Plan(**(fields | dict(sequence=sequence, consequence=None) | changes))))


def drive(graph, condition, timeout=10.0, **plan):
    """Publish such plans at about 15 Hz until the condition holds."""
    last = [0.0]

    def step():
        if time.monotonic() - last[0] > 0.06:
            last[0] = time.monotonic()
            publish(graph, **plan)
        return condition()

    graph.wait_for(step, timeout)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_stops_when_the_planner_is_gone(scene, number):
    planner = scene.processes.start("planner", PLANNER)
    full_speed(scene)
    os.kill(planner.pid, number)
    gone = time.time()
    scene.wait_for(lambda: standing(scene), 5, "the base at rest")
    slower = next(t for t, linear, _ in scene.commands if t > gone and linear < 0.39)
    stopped = next(t for t, linear, _ in scene.commands if t > gone and linear == 0.0)
    assert slower <= stopped < gone + 0.3
    scene.wait_for(lambda: scene.says("command_gate", "no plan in time"), 5)
    if number == signal.SIGSTOP:
        os.kill(planner.pid, signal.SIGCONT)
        full_speed(scene)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (dict(values=(np.nan, 0.0)), "not finite: step 0"),
        (dict(values=(1.7, 0.0)), "over twice the limit: expected -0.15..0.50 m/s and +-1.50 rad/s, got 1.70 m/s"),
        # It ages until the next plan comes.
        (dict(seen_ago=0.8), tuple(f"observation too old: newest frame is {age}" for age in ("0.8", "0.9", "1.0"))),
        (dict(status=PlanStatus.UNSAFE, message="contact ahead"), "planner reports trouble: UNSAFE: contact ahead"),
        (dict(stamp=2_000_000_000_000_000_000), "do all nodes agree on use_sim_time?"),
    ],
)
def test_stops_for_a_bad_plan_though_it_is_fresh(scene, plan, said):
    drive(scene, lambda: scene.commands[-1][1] == pytest.approx(0.4))
    any_of = said if isinstance(said, tuple) else (said,)
    drive(scene, lambda: standing(scene) and any(scene.says("command_gate", one) for one in any_of), **plan)
    assert all(np.isfinite(command[1:]).all() for command in scene.commands)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_base_and_ends_with_status_0(scene, number):
    drive(scene, lambda: scene.commands[-1][1] == pytest.approx(0.4))
    scene.gate.send_signal(number)
    scene.wait_for(lambda: scene.gate.poll() is not None and standing(scene), 10, "zeros on the way out")
    assert scene.gate.returncode == 0


def test_deactivating_stops_the_base(scene):
    drive(scene, lambda: scene.commands[-1][1] == pytest.approx(0.4))
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
    assert scene.call(ChangeState, "command_gate/change_state", request).success
    scene.wait_for(lambda: standing(scene))
    count = len(scene.commands)
    scene.wait_for(lambda: scene.says("command_gate", "inactive"), 5)
    assert len(scene.commands) == count


def test_what_was_wrong_before_it_was_deactivated_is_not_said_after(scene):
    drive(scene, lambda: scene.commands[-1][1] == pytest.approx(0.4))
    scene.wait_for(lambda: scene.says("command_gate", "no plan in time"))
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
    assert scene.call(ChangeState, "command_gate/change_state", request).success
    scene.wait_for(lambda: scene.says("command_gate", "inactive"), 5)


def test_another_type_on_cmd_vel_is_named(scene):
    with Graph("base") as base:
        base.node.create_subscription(Twist, "cmd_vel", lambda m: None, 1)
        wanted = "geometry_msgs/msg/TwistStamped (enable_stamped_cmd_vel: true)"
        said = f"/cmd_vel: expected {wanted}, got geometry_msgs/msg/Twist from base"
        scene.wait_for(lambda: scene.says("command_gate", said), 10)
