"""The command line: quick to answer, one line for bad input, no ROS where none is needed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def latentworld(*arguments: str, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "latentworld.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


def test_help_is_quick():
    took = []
    for _ in range(3):
        began = time.perf_counter()
        said = latentworld("--help").stdout
        took.append(time.perf_counter() - began)
    assert "demo" in said
    assert min(took) < 1.0


@pytest.mark.parametrize(
    "command", ["demo", "up", "collect", "train", "evaluate navigation", "benchmark", "info", "view-room", "memory"]
)
def test_every_command_explains_itself(command):
    done = latentworld(*command.split(), "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage: latentworld" in done.stdout


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
def test_bad_input_is_one_line(arguments, words):
    done = latentworld(*arguments)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert all(word in done.stderr for word in words), done.stderr


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
    while "libmujoco" not in Path(f"/proc/{process.pid}/maps").read_text():  # it is at work
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in said
