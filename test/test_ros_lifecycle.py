"""Transitions: by service, with their errors said; executables that cannot start end with a line and a status."""

import os
import signal
import subprocess
import sys

import pytest
from geometry_msgs.msg import TwistStamped
from latentworld_ros.msg import Plan
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.lifecycle import TransitionCallbackReturn
from ros_graph import Graph, random_checkpoint

from latentworld.ros.command_gate import CommandGateNode
from latentworld.ros.node import ManagedNode
from latentworld.ros.up import SEPARATE, write_parameters


@pytest.fixture
def graph():
    with Graph() as graph:
        graph.watch_diagnostics()
        yield graph


def change(graph, node, transition):
    request = ChangeState.Request(transition=Transition(id=transition))
    return graph.call(ChangeState, f"{node}/change_state", request).success


def state(graph, node):
    return graph.call(GetState, f"{node}/get_state", GetState.Request()).current_state.id


def test_through_all_states_and_back(graph):
    node = graph.add(CommandGateNode(context=graph.context))
    listens = lambda: graph.node.count_subscribers("/plan")  # noqa: E731
    assert state(graph, "command_gate") == State.PRIMARY_STATE_UNCONFIGURED
    for _ in range(2):
        assert change(graph, "command_gate", Transition.TRANSITION_CONFIGURE)
        assert not listens()
        assert change(graph, "command_gate", Transition.TRANSITION_ACTIVATE)
        graph.wait_for(listens)
        assert change(graph, "command_gate", Transition.TRANSITION_DEACTIVATE)
        graph.wait_for(lambda: not listens())
        assert not [t for t in node.timers if t is not node._diagnostics_timer]
        assert change(graph, "command_gate", Transition.TRANSITION_CLEANUP)
        assert state(graph, "command_gate") == State.PRIMARY_STATE_UNCONFIGURED


class Broken(ManagedNode):
    broken = "configure"

    def configure(self):
        self.create_publisher(Plan, "plan", 1)
        self._break("configure")

    def activate(self):
        self.every(10.0, lambda: None)
        self._break("activate")

    def _break(self, where):
        if self.broken == where:
            raise OSError("no such\n  camera")


def test_an_error_in_a_transition_is_said_and_leaves_the_state_before(graph):
    node = graph.add(Broken("broken", context=graph.context))
    assert not change(graph, "broken", Transition.TRANSITION_CONFIGURE)
    assert node.state == "unconfigured" and node.failure == "configure failed: OSError: no such camera"
    graph.wait_for(lambda: graph.says("broken", node.failure))
    node.broken = "activate"
    assert change(graph, "broken", Transition.TRANSITION_CONFIGURE)
    assert not change(graph, "broken", Transition.TRANSITION_ACTIVATE)
    assert node.state == "inactive" and node.failure == "activate failed: OSError: no such camera"
    assert not [t for t in node.timers if t is not node._diagnostics_timer]
    node.broken = ""
    assert change(graph, "broken", Transition.TRANSITION_ACTIVATE)
    graph.wait_for(lambda: graph.says("broken", "active"))


def set_rate(graph, value):
    request = SetParameters.Request(parameters=[ParameterMessage(name="rate", value=value)])
    return graph.call(SetParameters, "command_gate/set_parameters", request).results[0]


def test_what_moves_is_stopped_though_something_fails_before(graph, capfd):
    heard = graph.listen(TwistStamped, "cmd_vel", keep=lambda m: m.twist.linear.x)
    node = graph.start(CommandGateNode)
    graph.wait_for(lambda: heard)
    heard.clear()
    node.on_deactivation(lambda: 1 / 0)
    assert node.trigger_shutdown() == TransitionCallbackReturn.FAILURE
    graph.wait_for(lambda: len(heard) >= 4)
    assert not any(heard)
    assert "shut down failed: ZeroDivisionError" in capfd.readouterr().err


def test_parameters_change_while_inactive_and_count_when_configured_again(graph):
    node = graph.start(CommandGateNode)
    fast = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=50.0)
    assert "rate: read when the node is configured" in set_rate(graph, fast).reason
    node.trigger_deactivate()
    assert set_rate(graph, fast).successful
    assert not set_rate(graph, ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=9999.0)).successful
    node.trigger_cleanup()
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS and node.parameters.rate == 50.0


def execute(node, tmp_path, parameters=None, text=None):
    """Run an executable that is expected to end by itself."""
    file = tmp_path / "parameters.yaml"
    if text is None:
        write_parameters(file, {node: parameters})
    else:
        file.write_text(text)
    line = [sys.executable, "-m", f"latentworld.ros.{node}", "--ros-args", "--params-file", str(file)]
    return subprocess.run(line, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize(
    ("node", "parameters", "said"),
    [
        ("command_gate", {"rat": 20.0}, "parameter 'rat' of command_gate: unknown; expected 'rate', got 20.0"),
        ("command_gate", {"rate": "fast"}, "parameter 'rate' of command_gate: expected a number, got 'fast'"),
        (
            "command_gate",
            {"guard": {"max_linear": 77.0}},
            "'guard.max_linear' of command_gate: expected a number in [0.0, 5.0], got 77.0",
        ),
        (
            "command_gate",
            {"autostart": "yes"},
            "parameter 'autostart' of command_gate: expected true or false, got 'yes'",
        ),
        (
            "perception_encoder",
            {"checkpoint": "/nowhere/x.safetensors"},
            "checkpoint /nowhere/x.safetensors: no such file",
        ),
    ],
)
def test_a_parameter_that_does_not_fit_ends_the_process_with_one_line(tmp_path, node, parameters, said):
    ended = execute(node, tmp_path, parameters)
    assert ended.returncode == 1
    assert said in ended.stderr and "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1 and not ended.stdout


def test_a_truncated_checkpoint(tmp_path):
    cut = tmp_path / "cut.safetensors"
    with open(random_checkpoint(), "rb") as whole:
        cut.write_bytes(whole.read(100_000))
    ended = execute("perception_encoder", tmp_path, {"checkpoint": str(cut)})
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert f"checkpoint {cut}: expected a whole safetensors file, got 100000 bytes" in ended.stderr


def test_a_file_that_is_no_yaml(tmp_path):
    ended = execute("command_gate", tmp_path, text="command_gate: [\n")
    assert ended.returncode == 1 and "Traceback" not in ended.stderr
    assert "parameters.yaml" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("node", [*SEPARATE, "command_gate"])
def test_every_executable_says_its_state_and_ends_on_sigterm(graph, tmp_path, node):
    parameters = {} if node == "command_gate" else {"checkpoint": random_checkpoint()}
    if node == "visual_memory":
        parameters["path"] = str(tmp_path / "memory.sqlite")
    write_parameters(tmp_path / "p.yaml", {node: parameters})
    line = [sys.executable, "-m", f"latentworld.ros.{node}", "--ros-args", "--params-file", str(tmp_path / "p.yaml")]
    child = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
    try:
        graph.wait_for(lambda: node in graph.diagnostics, 30)
        assert state(graph, node) == State.PRIMARY_STATE_ACTIVE
        os.kill(child.pid, signal.SIGTERM)
        _, said = child.communicate(timeout=10)
    finally:
        child.kill()
    assert child.returncode == 0, said
    assert "Traceback" not in said
