"""The package is whole: everything imported is declared, everything declared is built, installed and starts."""

from __future__ import annotations

import ast
import configparser
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from layers import ROS, imports

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ElementTree.parse(ROOT / "package.xml").getroot()
KEYS = {"cv2": "python3-opencv", "PIL": "python3-pil"}  # where rosdep's key is not python3-<module>
FROM_PIP = {  # in no distribution -> the line of requirements.txt
    "torch": "torch",
    "safetensors": "safetensors",
    "mujoco": "mujoco",
    "mcap": "mcap",
    "mcap_ros2": "mcap-ros2-support",
    "imageio_ffmpeg": "imageio-ffmpeg",
    "qdrant_client": "qdrant-client",
    "transformers": "transformers",
}
# Said to be missing when asked for -> the line of peers.txt.
OPTIONAL = {
    "stable_worldmodel": "stable-worldmodel",
    "gymnasium": "gymnasium",
    "miniworld": "miniworld",
    "pyglet": "pyglet",
}
NOT_DEPLOYED = {".git", ".venv", "data", "runs", "build", "install", "log", "demo_output", "__pycache__"}


def declared(*tags: str) -> set[str]:
    return {element.text for tag in tags for element in PACKAGE.findall(tag)}


def imported(*folders: str) -> dict[str, str]:
    """Top-level modules that are not ours and not Python's -> where they are imported."""
    found = {}
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            module = ".".join(path.relative_to(ROOT / folder).with_suffix("").parts)
            for line, name in imports(module, ast.parse(path.read_text(encoding="utf-8"))):
                top = name.split(".")[0]
                if top not in sys.stdlib_module_names and top not in ("latentworld", "latentworld_ros"):
                    found[top] = f"{path.relative_to(ROOT)}:{line}"
    return found


def executables() -> list[str]:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options.entry_points"]["console_scripts"].split("\n")
    return [line.split("=")[0].strip() for line in lines if line.strip()]


def test_package_xml_is_a_format_3_interface_package():
    assert PACKAGE.get("format") == "3"
    assert PACKAGE.findtext("name") == "latentworld_ros"
    assert declared("member_of_group") == {"rosidl_interface_packages"}
    version = re.search(r'__version__ = "(.*)"', (ROOT / "src/latentworld/__init__.py").read_text()).group(1)
    assert PACKAGE.findtext("version") == version


def test_every_import_is_declared():
    run = declared("depend", "exec_depend")
    pins, peers = (ROOT / "requirements.txt").read_text(), (ROOT / "tools/peers.txt").read_text()
    missing = []
    for module, where in imported("src", "launch").items():
        if module in OPTIONAL:
            known = re.search(rf"^{OPTIONAL[module]}==", peers, re.MULTILINE)
        elif module in FROM_PIP:
            known = re.search(rf"^{FROM_PIP[module]}==", pins, re.MULTILINE)
        else:
            known = (module if ROS.fullmatch(module) else KEYS.get(module, f"python3-{module}")) in run
        if not known:
            missing.append(f"{where} imports {module}")
    assert not missing, "\n".join(missing)


def test_every_package_in_messages_is_declared():
    text = "\n".join(path.read_text() for kind in ("msg", "srv", "action") for path in (ROOT / kind).iterdir())
    used = set(re.findall(r"^(\w+)/\w+", text, re.MULTILINE))
    assert used <= declared("depend")
    in_cmake = re.search(r"DEPENDENCIES ([\w ]+)\)", (ROOT / "CMakeLists.txt").read_text()).group(1).split()
    assert used <= set(in_cmake)


def test_the_readme_names_what_only_pip_has():
    text = (ROOT / "README.md").read_text()
    line = next(line for line in text.splitlines() if "pip install" in line and "safetensors" in line)
    assert set(FROM_PIP.values()) <= set(line.split())


@pytest.mark.slow
def test_the_library_finds_the_robots_that_ship_after_pip_install(tmp_path):
    shutil.copytree(ROOT, tmp_path / "there", ignore=lambda _, names: NOT_DEPLOYED & set(names))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    line = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(tmp_path / "there")]
    built = subprocess.run(line, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[-4000:]
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    (wheel,) = tmp_path.glob("*.whl")
    environment = {name: os.environ[name] for name in os.environ.keys() - {"AMENT_PREFIX_PATH", "PYTHONPATH"}}
    line = [*pip, "--python", python, "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(line, env=environment, check=True)
    code = """if True:
        from latentworld import robot_file
        assert robot_file.find("latentworld").is_relative_to(%r), robot_file.find("latentworld")
        print(*robot_file.shipped(), robot_file.load("trials/fisheye").name)"""
    others = os.pathsep.join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})  # NumPy and the like
    said = subprocess.run(
        [python, "-c", code % str(tmp_path / "venv")], env=environment | {"PYTHONPATH": others}, cwd=tmp_path,
        capture_output=True, text=True,
    )  # fmt: skip
    names = [path.stem for path in (ROOT / "config" / "robots").glob("*.yaml")]
    assert said.stdout.split() == [*sorted(names), "fisheye"], said.stderr


@pytest.fixture(scope="module", params=["copied", "linked"])
def workspace(request, tmp_path_factory):
    """A colcon workspace with this repository in it."""
    path = tmp_path_factory.mktemp(request.param)
    there = path / "src" / "latentworld"
    there.parent.mkdir()
    if request.param == "linked":
        there.symlink_to(ROOT)
    else:
        shutil.copytree(ROOT, there, ignore=lambda _, names: NOT_DEPLOYED & set(names))
    return path


def test_colcon_sees_one_package(workspace):
    seen = subprocess.run(["colcon", "list"], cwd=workspace, capture_output=True, text=True, check=True).stdout
    assert [line.split("\t")[::2] for line in seen.splitlines()] == [["latentworld_ros", "(ros.ament_cmake)"]]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Where a plain ``colcon build`` of a copy puts the package; built once."""
    path = tmp_path_factory.mktemp("built")
    shutil.copytree(ROOT, path / "src" / "latentworld", ignore=lambda _, names: NOT_DEPLOYED & set(names))
    jobs = f"-j{os.cpu_count()}"  # said outright: colcon's own choice, -l, all but stops on a machine that is busy
    environment = os.environ | {"MAKEFLAGS": jobs}
    built = subprocess.run(["colcon", "build"], cwd=path, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout[-4000:] + built.stderr[-4000:]
    return path / "install"


def in_installed(installed: Path, command: str) -> list[str]:
    """``command`` in a shell that knows the built package, and nothing of this checkout."""
    return ["bash", "-c", f"unset PYTHONPATH; . '{installed}/setup.bash' && {command}"]


@pytest.mark.slow
def test_a_plain_build_installs_everything(installed):
    prefix = installed / "latentworld_ros"
    assert sorted(os.listdir(prefix / "lib" / "latentworld_ros")) == sorted(executables())
    for folder in ("launch", "config", "config/robots", "config/robots/trials"):
        share = prefix / "share" / "latentworld_ros" / folder
        assert sorted(os.listdir(share)) == sorted(set(os.listdir(ROOT / folder)) - {"__pycache__"})
    script = "import rclpy, latentworld_ros.msg, latentworld; print(latentworld.__path__[0])"
    said = subprocess.run(
        in_installed(installed, f"cd / && python -c '{script}'"), capture_output=True, text=True, check=True
    ).stdout
    library = Path(said.strip())
    assert library.is_relative_to(prefix)
    source = ROOT / "src" / "latentworld"
    data = [p.relative_to(source) for p in source.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc")]
    assert [str(path) for path in data if not (library / path).is_file()] == []
    assert [path for path in data if path.suffix == ".safetensors"], "no checkpoint is shipped"


@pytest.mark.slow
def test_an_installed_node_starts_and_stops(installed, tmp_path):
    said = tmp_path / "said"
    with open(said, "w") as log:
        gate = subprocess.Popen(
            in_installed(installed, f"exec '{installed}/latentworld_ros/lib/latentworld_ros/command_gate'"),
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            looker = [sys.executable, "-c", WAIT_FOR_COMMAND_GATE]
            found = subprocess.run(looker, capture_output=True, text=True, timeout=60).stdout.split()
            assert found == ["command_gate"], said.read_text()
            gate.send_signal(signal.SIGINT)
            assert gate.wait(10) == 0, said.read_text()
        finally:
            if gate.poll() is None:
                os.killpg(gate.pid, signal.SIGKILL)


WAIT_FOR_COMMAND_GATE = """
import rclpy, time
rclpy.init()
node = rclpy.create_node("looker")
give_up = time.monotonic() + 40
while time.monotonic() < give_up:
    publishers = [p.node_name for p in node.get_publishers_info_by_topic("/cmd_vel")]
    if "command_gate" in publishers:
        break
    time.sleep(0.05)
print(*publishers)
"""
