"""What the README says to do can be done."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)


def test_links_and_pictures_are_there():
    for target in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (ROOT / target).exists(), target


def test_every_message_service_and_action_with_a_topic_is_in_the_table():
    for path in [*ROOT.glob("msg/*.msg"), *ROOT.glob("srv/*.srv"), *ROOT.glob("action/*.action")]:
        named = re.search(r"^# (?:Topic|.*Service|.*Action): (\S+?)\.(?:\s|$)", path.read_text(), re.MULTILINE)
        if named:
            assert re.search(rf"^\| `{named.group(1)}` \|.*{path.name}", TEXT, re.MULTILINE), path.name


def test_subcommands_exist():
    said = subprocess.run([sys.executable, "-m", "latentworld.cli", "--help"], capture_output=True, text=True).stdout
    for command in re.findall(r"^\./latentworld ([\w-]+)", TEXT, re.MULTILINE):
        assert re.search(rf"^\W*{command} ", said, re.MULTILINE), command


def test_an_own_robot_takes_three_commands_and_no_source_file():
    section = TEXT.split("## On your own robot")[1].split("\n## ")[0]
    (block,) = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)
    assert len(block.replace("\\\n", "").strip().splitlines()) == 3
    assert not re.search(r"\w+\.py\b(?! )|sim/|src/", section.replace(".launch.py", ""))


def test_what_is_said_of_robots_can_be_typed():
    launch = (ROOT / "launch" / "robot.launch.py").read_text()
    for name in re.findall(r"(\w+):=", " ".join(re.findall(r"ros2 launch [^`\n]*(?:\\\n[^`\n]*)*", TEXT))):
        assert re.search(rf'"{name}"', launch), name
    for command, option in (("up", "--robot"), ("robot", "describe"), ("robot", "show"), ("robot", "list")):
        line = [sys.executable, "-m", "latentworld.cli", command, "--help"]
        assert option in subprocess.run(line, capture_output=True, text=True).stdout


def test_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`?make (\w+)", TEXT):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("code", [code for language, code in BLOCKS if language == "python"])
def test_python_runs(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
