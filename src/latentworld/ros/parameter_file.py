"""The parameter files in config/, written from the declarations, so that they cannot disagree with them.

python -m latentworld.ros.parameter_file robot > config/robot.yaml; the same with sim.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from latentworld.ros.action_selector import ActionSelectorNode
from latentworld.ros.command_gate import CommandGateNode
from latentworld.ros.consequence_simulator import ConsequenceSimulatorNode
from latentworld.ros.node import Start
from latentworld.ros.perception_encoder import PerceptionEncoderNode
from latentworld.ros.simulator import SimulatorNode
from latentworld.ros.visual_memory import VisualMemoryNode
from latentworld.ros.world_state_tracker import WorldStateTrackerNode

FILES = {
    "robot": (
        "# Every parameter of every node, at its default. `/**/` matches the node in any namespace.",
        {
            "perception_encoder": PerceptionEncoderNode,
            "world_state_tracker": WorldStateTrackerNode,
            "consequence_simulator": ConsequenceSimulatorNode,
            "action_selector": ActionSelectorNode,
            "command_gate": CommandGateNode,
            "visual_memory": VisualMemoryNode,
        },
    ),
    "sim": ("# The embedded simulator; give it beside robot.yaml.", {"simulator": SimulatorNode}),
}
_WIDTH = 40


def text(which: str) -> str:
    """The whole file as YAML."""
    head, nodes = FILES[which]
    lines = [head]
    for name, node in nodes.items():
        lines += ["", f"/**/{name}:", "  ros__parameters:"]
        lines += _lines(Start(), "    ")
        lines += _lines(node.defaults, "    ")
    return "\n".join(lines) + "\n"


def _lines(group: Any, indent: str) -> Iterator[str]:
    for field in fields(group):
        value = getattr(group, field.name)
        if is_dataclass(value):
            yield f"{indent}{field.name}:"
            yield from _lines(value, indent + "  ")
            continue
        low, high = field.metadata.get("min"), field.metadata.get("max")
        bounds = f" [{low:g}, {high:g}]" if low is not None and high is not None else ""
        yield _line(field.name, value, field.metadata.get("description", "") + bounds, indent)


def _line(name: str, value: Any, comment: str, indent: str) -> str:
    setting = f"{indent}{name}: {_yaml(value)}"
    return f"{setting:<{_WIDTH}}  # {comment}"


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    if isinstance(value, float):
        number = f"{value:.9g}"
        return number if set(number) & set(".e") else number + ".0"
    return str(value)


if __name__ == "__main__":
    sys.stdout.write(text(sys.argv[1]))
