"""robot.launch.py and sim.launch.py where ``launch`` is not installed: the same processes, the same parameter files."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from latentworld.ros.processes import Processes
from latentworld.ros.robots import described, located, takes_commands
from latentworld.types import LatentworldError

ENDED = (0, -signal.SIGTERM)  # as asked; the second before it was ready to be asked
SEPARATE = ("perception_encoder", "world_state_tracker", "consequence_simulator", "action_selector", "visual_memory")


def commands(
    composed: bool = True,
    simulator: bool = False,
    params_files: Sequence[str | Path] = (),
    use_sim_time: bool = False,
    namespace: str = "",
    remaps: Mapping[str, str] | None = None,
    robot: str = "",
) -> dict[str, list[str]]:
    """Process name -> command line. What later files say wins. robot: for all nodes, whatever the files say; empty: as
    they say.

    Raises LatentworldError for a file that is not there, and for a robot that is not or cannot be driven.
    """
    for file in params_files:
        if not Path(file).is_file():
            raise LatentworldError(f"params file {file}: no such file")
    common = ["--ros-args"]
    for file in params_files:
        common += ["--params-file", str(file)]
    if namespace:
        common += ["-r", f"__ns:=/{namespace.strip('/')}"]
    for old, new in (remaps or {}).items():
        common += ["-r", f"{old}:={new}"]
    gate = {"command_gate": "command_gate"}
    if robot:
        described(robot)
        common += ["-p", f"robot:={located(robot)}"]
        gate = gate if takes_commands(robot) else {}
    thinking = {"robot": "composed"} if composed else {name: name for name in SEPARATE}
    modules = gate | thinking | ({"simulator": "simulator"} if simulator else {})
    lines = {name: [sys.executable, "-m", f"latentworld.ros.{module}", *common] for name, module in modules.items()}
    for name, line in lines.items():
        if use_sim_time and name != "simulator":
            line += ["-p", "use_sim_time:=true"]
    return lines


def up(**choices: object) -> int:
    """Run until Ctrl-C, SIGTERM or the end of any one; then none is left. Exit status: 0 when asked to end."""
    lines = commands(**choices)
    with Processes() as processes:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: processes.interrupt())
        for name, line in lines.items():
            processes.start(name, line, env=os.environ)
        name, status = processes.wait()
        if name:
            sys.stderr.write(f"latentworld: {name} ended by itself with status {status}; stopping the others\n")
        processes.stop()
        statuses = {child: process.returncode for child, process in processes.children.items()}
        failed = {child: code for child, code in statuses.items() if code not in ENDED}
        for child in failed.keys() - {name}:
            sys.stderr.write(f"latentworld: {child} ended with status {failed[child]}\n")
        return 1 if name or failed else 0


def write_parameters(path: str | Path, parameters: Mapping[str, Mapping[str, object]]) -> None:
    """A parameter file (node -> parameter -> value) that holds in any namespace. JSON is YAML."""
    nodes = {f"/**/{node}": {"ros__parameters": dict(values)} for node, values in parameters.items()}
    Path(path).write_text(json.dumps(nodes, indent=1) + "\n")
