"""What `ros2 run latentworld_ros …` and launch files start: light to import, so that a Ctrl-C is heard from the start.

The modules of the nodes take seconds to import; a signal in that time ends the process quietly, with status 0.
"""

from __future__ import annotations

import os
import signal
from importlib import import_module


def perception_encoder() -> None:
    _start("perception_encoder")


def world_state_tracker() -> None:
    _start("world_state_tracker")


def consequence_simulator() -> None:
    _start("consequence_simulator")


def action_selector() -> None:
    _start("action_selector")


def visual_memory() -> None:
    _start("visual_memory")


def command_gate() -> None:
    _start("command_gate")


def simulator() -> None:
    _start("simulator")


def robot() -> None:
    _start("composed")


def _start(module: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    import_module(f"latentworld.ros.{module}").main()
