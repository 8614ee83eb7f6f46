"""The command line: quick to answer, one line for bad input, no ROS where none is needed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import until

from latentworld import cli

ROOT = Path(__file__).resolve().parents[1]


def latentworld(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "latentworld.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_help_loads_nothing_that_is_slow_to_load():
    code = (
        "import sys; from latentworld import cli; sys.argv = ['latentworld', '--help']\n"
        "try: cli.main()\n"
        "finally: print('loaded:', *sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    said, _, loaded = done.stdout.partition("loaded:")
    assert "demo" in said and "latentworld" in loaded.split()
    assert not {"torch", "mujoco", "rclpy", "scipy", "matplotlib", "cv2", "h5py"} & set(loaded.split())


@pytest.fixture
def status(monkeypatch):
    """Runs the command line in this process; its exit status."""

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["latentworld", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code

    return run


@pytest.mark.parametrize(
    "command",
    [
        "demo",
        "up",
        "collect",
        "train",
        "evaluate navigation",
        "evaluate stable-worldmodel",
        "benchmark",
        "info",
        "view-room",
        "memory",
    ],
)
def test_every_command_explains_itself(command, status, capsys):
    assert status(*command.split(), "--help") == 0
    assert f"Usage: latentworld {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["train", "--recipe", "nav-large"], ["recipe", "nav-small", "nav-large"]),
        (["benchmark", "nothing"], ["benchmark", "simulator", "nothing"]),
        (["info", "--checkpoint", "/nowhere.safetensors"], ["checkpoint", "/nowhere.safetensors"]),
        (["info", "--checkpoint", str(ROOT / "README.md")], ["checkpoint", "README.md", "safetensors"]),
        (["up", "--params-file", "/nowhere.yaml"], ["/nowhere.yaml"]),
        (["up", "--remap", "odom=wheels"], ["remap", "FROM:=TO", "odom=wheels"]),
    ],
)
def test_bad_input_is_one_line(arguments, words, status, capsys):
    assert status(*arguments) == 2
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1, said
    assert all(word in said for word in words), said


def test_what_needs_no_ros_imports_none():
    script = (
        "import sys; sys.modules['rclpy'] = sys.modules['latentworld_ros'] = None\n"
        "import latentworld.cli, latentworld.agent, latentworld.training.train, latentworld.evaluation.navigation\n"
        "import latentworld.memory, latentworld.sim"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_room_is_drawn(tmp_path):
    picture = tmp_path / "room.png"
    done = latentworld("view-room", "3", "--size", "64", "--output", str(picture))
    assert done.returncode == 0, done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_benchmark_has_its_own_options_and_writes_figures(tmp_path):
    written = tmp_path / "figures.json"
    done = latentworld("benchmark", "simulator", "--seconds", "0.1", "--json", str(written))
    assert done.returncode == 0, done.stderr
    document = json.loads(written.read_text())
    assert set(document) == {"figures", "settings", "machine"}
    assert all(isinstance(value, (int, float)) for value in document["figures"].values())


def test_ctrl_c_is_130_and_no_traceback(tmp_path):
    command = [sys.executable, "-m", "latentworld.cli", "benchmark", "simulator", "--seconds", "60"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def at_work() -> bool:
        assert process.poll() is None, process.stderr.read()
        return "libmujoco" in Path(f"/proc/{process.pid}/maps").read_text()

    until(at_work, 60, "the simulator is loaded")
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
