"""A robot is described in one place: no source, launch or parameter file holds a number of a particular one."""

import ast
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
NAMES = re.compile(
    r"radius|wheel|footprint|track|max_linear|max_angular|max_lateral|max_reverse|top_speed|field_of_view|fov\b"
    r"|baseline|mount|camera_(height|pitch|x|z)|half_width|acceleration|latency",
    re.IGNORECASE,
)
# What is named like a part of a robot, and is a range, a limit, an assumption that is listed, or another thing.
ALLOWED = {
    "robot.py": "the description itself",
    "robot_fit.py": "limits within which a robot is accepted",
    "description/assembly.py": "what is assumed, and listed, where nothing was heard",
    "description/body.py": "what is assumed, and listed, where nothing was heard",
    "description/cameras.py": "what is assumed, and listed, where nothing was heard",
    "training/driving/fleet.py": "ranges from which robots are drawn",
    "tracking/odometry_correction.py": "wheels as shares of a described base",
    "sim/base.py": "wheels as shares of a described base",
    "evaluation/worlds/unicycle.py": "wheels as shares of a described base",
    "evaluation/worlds/barn_world.py": "cylinders of a course",
    "sim/furniture.py": "furniture",
    "sim/movers.py": "what moves by itself",
    "sim/stage/looks.py": "the camera of the table of the physics films",
    "memory/lookup.py": "radius of a search",
}
SOURCES = sorted((ROOT / "src" / "latentworld").rglob("*.py")) + sorted((ROOT / "launch").glob("*.py"))


def numbers(node):
    """Literal numbers in a part of a program that say more than none, one or two."""
    values = (n.value for n in ast.walk(node) if isinstance(n, ast.Constant))
    return [v for v in values if isinstance(v, int | float) and not isinstance(v, bool) and v not in (0, 1, 2)]


def given(tree):
    """(line, name, value) of everything that is given a value by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            yield from ((node.lineno, ast.unparse(target), node.value) for target in node.targets)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield node.lineno, ast.unparse(node.target), node.value
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.value.lineno, node.arg, node.value
        elif isinstance(node, ast.FunctionDef):
            arguments, defaults = node.args.args, node.args.defaults
            for argument, value in zip(arguments[len(arguments) - len(defaults) :], defaults, strict=True):
                yield value.lineno, argument.arg, value


def is_limit_of_a_parameter(value):
    """A ROS parameter whose default is 0: the robot's description decides; the other numbers bound what is accepted."""
    return (
        isinstance(value, ast.Call) and ast.unparse(value.func) == "parameter" and ast.unparse(value.args[0]) == "0.0"
    )


def test_no_source_file_holds_a_body_or_a_camera():
    found = []
    for path in SOURCES:
        if any(path.as_posix().endswith(f"/latentworld/{allowed}") for allowed in ALLOWED):
            continue
        for line, name, value in given(ast.parse(path.read_text())):
            calls = [n for n in ast.walk(value) if isinstance(n, ast.Call)]
            of_a_call = calls and ast.unparse(calls[0].func) != "parameter"
            if NAMES.search(name) and numbers(value) and not of_a_call and not is_limit_of_a_parameter(value):
                found.append(f"{path.relative_to(ROOT)}:{line}: {name} = {ast.unparse(value)}")
    assert found == []


def measures(values):
    """Numbers of a robot's YAML that no other robot would have by chance: three digits or more."""
    if isinstance(values, dict):
        values = list(values.values())
    if isinstance(values, list):
        return {number for value in values for number in measures(value)}
    told = isinstance(values, float) and len(repr(abs(values)).replace(".", "").strip("0")) >= 3
    return {abs(values)} if told else set()


@pytest.mark.parametrize("robot", sorted(p.stem for p in (ROOT / "config" / "robots").glob("*.yaml")))
def test_no_source_file_repeats_a_measure_of_a_shipped_robot(robot):
    own = measures(yaml.safe_load((ROOT / "config" / "robots" / f"{robot}.yaml").read_text()))
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, float) and abs(node.value) in own:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}")
    assert found == []


def test_the_parameter_files_leave_the_body_to_the_description():
    for name in ("robot.yaml", "sim.yaml"):
        lines = (ROOT / "config" / name).read_text().splitlines()
        body = [line for line in lines if NAMES.search(line.split("#")[0]) and ":" in line]
        values = {line.split(":")[0].strip(): line.split("#")[0].split(":", 1)[1].strip() for line in body}
        assert {key: value for key, value in values.items() if value not in ("0.0", "")} == {}
