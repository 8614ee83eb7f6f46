"""The layer rules of the house, read off the imports of a module's source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

FLOORS = {
    "types": 0, "parameters": 0, "geometry": 0, "robot": 0, "robot_file": 0, "lens": 0,
    "robot_urdf": 0, "robot_state": 0, "description": 0, "robot_fit": 0, "robot_commands": 0,
    "model": 1, "sim": 1,
    "perception": 2, "tracking": 2, "consequence": 2, "selection": 2, "memory": 2,
    "agent": 3, "training": 3, "interop": 3,
    "evaluation": 4, "ros": 4,
    "demo": 5, "cli": 5,
}  # fmt: skip
_ROBOT = {"types", "geometry", "robot"}
KNOWS_ALSO = {  # of its own floor
    "parameters": {"types"},
    "geometry": {"types"}, "robot": {"types", "geometry"}, "robot_file": _ROBOT, "lens": _ROBOT, "robot_urdf": _ROBOT,
    "robot_state": _ROBOT, "robot_fit": _ROBOT | {"lens"}, "description": _ROBOT | {"robot_urdf"},
    "robot_commands": _ROBOT | {"robot_file", "robot_fit", "description"},
    "training": {"interop"},
    "cli": {"demo"},
}  # fmt: skip
KNOWS_ONLY = {"sim": _ROBOT | {"robot_file", "lens"}}  # the world is no part of the robot's mind, and needs no network
ROS = re.compile(
    r"rclpy|cv_bridge|tf_transformations|std_srvs|launch|(launch|tf2|ament|rosidl|rcl)_\w+|\w+_(msgs|interfaces|ros)"
)


def violations(module: str, source: str) -> list[str]:
    """What ``latentworld.<...>`` with this source imports against the rules; one line each."""
    part = module.split(".")[1]
    if part not in FLOORS:
        return [f"{module}: '{part}' has no floor"]
    found = []
    for line, name in imports(module, ast.parse(source)):
        top, *rest = name.split(".")
        if top == "latentworld":
            other = rest[0] if rest and rest[0] in FLOORS else None  # others are names in latentworld/__init__.py
            if other in (None, part):
                continue
            if FLOORS[other] >= FLOORS[part] and other not in KNOWS_ALSO.get(part, ()):
                found.append(f"{module}:{line}: floor {FLOORS[part]} imports {name} of floor {FLOORS[other]}")
            elif other not in KNOWS_ONLY.get(part, FLOORS):
                found.append(f"{module}:{line}: {part} may not know {name}")
        elif part != "ros" and ROS.fullmatch(top):
            found.append(f"{module}:{line}: imports {name} outside ros")
    return found


def imports(module: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, absolute name) of everything imported: at the top, inside functions, by name at run time."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*module.split(".")[: -node.level], *filter(None, [node.module])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__", "find_spec") and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value
