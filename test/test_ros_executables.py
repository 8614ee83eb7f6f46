"""Every executable: one a node, quiet from the first moment."""

import os
import signal
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from latentworld.ros import executables
from latentworld.ros.up import SEPARATE

ROOT = Path(__file__).parents[1]
EXECUTABLES = (*SEPARATE, "command_gate", "simulator", "robot")


def test_setup_cfg_names_them_all():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options.entry_points"]["console_scripts"].split("\n")
    assert sorted(filter(None, lines)) == sorted(f"{name} = latentworld.ros.executables:{name}" for name in EXECUTABLES)
    assert all(callable(getattr(executables, name)) for name in EXECUTABLES)


HALFWAY = """
import os, sys
sys.addaudithook(lambda event, about: os.write(1, b"!") if event == "import" and about[0] == "torch" else None)
from latentworld.ros.executables import action_selector
action_selector()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_is_still_importing_ends_it_quietly(number):
    child = subprocess.Popen([sys.executable, "-c", HALFWAY], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert os.read(child.stdout.fileno(), 1) == b"!"
    child.send_signal(number)
    _, said = child.communicate(timeout=30)
    assert (child.returncode, said) == (0, b"")
