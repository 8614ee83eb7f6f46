"""``up``: the processes of a robot live together and die together, whatever happens to any of them."""

import os
import signal
import subprocess
import sys

import psutil
import pytest
from ros_graph import Graph
from test_ros_loop import THINKING, parameters

from latentworld.ros.domain import unused_domain
from latentworld.ros.up import commands, write_parameters
from latentworld.types import LatentworldError

UP = "import sys; from latentworld.ros.up import up; sys.exit(up(simulator=True, use_sim_time=True, params_files={}))"


@pytest.fixture
def started(tmp_path, monkeypatch):
    """``up`` as a process of its own, with all its children running."""
    monkeypatch.setenv("ROS_DOMAIN_ID", str(unused_domain()))
    code = UP.format([str(file) for file in parameters(tmp_path)])
    with Graph() as graph:
        parent = psutil.Process(subprocess.Popen([sys.executable, "-c", code]).pid)
        graph.watch_diagnostics()
        graph.wait_for(lambda: {*THINKING, "command_gate", "simulator"} <= graph.diagnostics.keys(), 60)
        children = parent.children()
        yield graph, parent, children
        for process in (parent, *children):
            if process.is_running():
                process.kill()


@pytest.mark.parametrize("end", ["SIGINT to it", "SIGKILL to it", "SIGKILL to a child"])
def test_nothing_is_left_behind(started, end):
    graph, parent, children = started
    assert len(children) == 3
    victim = children[1] if "child" in end else parent
    os.kill(victim.pid, signal.SIGINT if "SIGINT" in end else signal.SIGKILL)
    gone = lambda p: not p.is_running() or p.status() == psutil.STATUS_ZOMBIE  # noqa: E731
    graph.wait_for(lambda: all(gone(process) for process in (parent, *children)), 20, "the end of all")
    if victim is not parent or "SIGINT" in end:
        assert parent.wait() == (1 if "child" in end else 0)


def test_one_process_or_many_with_the_same_arguments(tmp_path):
    write_parameters(tmp_path / "p.yaml", {"command_gate": {"rate": 10.0}})
    choices = dict(params_files=[tmp_path / "p.yaml"], namespace="bot", remaps={"odom": "wheels"}, use_sim_time=True)
    composed, separate = commands(True, True, **choices), commands(False, False, **choices)
    assert composed.keys() == {"command_gate", "robot", "simulator"}
    assert separate.keys() == {"command_gate", *THINKING}
    for name, line in (composed | separate).items():
        assert line[3:10] == [
            "--ros-args",
            "--params-file",
            str(tmp_path / "p.yaml"),
            "-r",
            "__ns:=/bot",
            "-r",
            "odom:=wheels",
        ]
        assert ("use_sim_time:=true" in line) == (name != "simulator")


def test_a_parameter_file_that_is_not_there():
    with pytest.raises(LatentworldError, match="params file /nowhere.yaml: no such file"):
        commands(params_files=["/nowhere.yaml"])
