"""The drive train that was measured, kept with the robot: a small YAML file, read strictly.

The file names the robot and what its description says about its base. With another description it is refused: what
was measured then may not hold any more.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from latentworld.consequence.motion import DriveTrain, Response
from latentworld.robot import Robot
from latentworld.types import LatentworldError

AXES = ("linear", "angular", "lateral")
BASE = (
    "kind", "max_linear", "max_reverse", "max_lateral", "max_angular", "acceleration", "angular_acceleration",
    "turning_radius", "latency", "time_constant",
)  # fmt: skip
BOUNDS = {"gain": (0.1, 10.0), "delay": (0.0, 10.0), "lag": (0.0, 100.0)}  # seconds, but for the gain


def save(robot: Robot, drive_train: DriveTrain, path: str | Path) -> None:
    """The file is replaced whole or not at all. Raises LatentworldError where it cannot be written."""
    path = Path(path).expanduser()
    values: dict[str, Any] = {"robot": robot.name, "base": _described(robot)}
    for name in AXES[: len(robot.base.axes)]:
        response = getattr(drive_train, name)._asdict()
        values[name] = {field: round(float(value), 4) for field, value in response.items()}
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
        beside.replace(path)
    except OSError as error:
        raise LatentworldError(f"drive train {path}: expected a path to write to, got: {error}") from None


def load(robot: Robot, path: str | Path) -> DriveTrain:
    """Raises LatentworldError for the first field that is missing, unknown, impossible or of another robot."""
    path = Path(path).expanduser()
    where = f"drive train {path}"
    try:
        values = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise LatentworldError(f"{where}: expected a YAML file, got: {' '.join(str(error).split())}") from None
    axes = AXES[: len(robot.base.axes)]
    _fields(values, ("robot", "base", *axes), where)
    if values["robot"] != robot.name:
        raise LatentworldError(f"{where}: robot: expected {robot.name}, got {values['robot']}")
    _fields(values["base"], BASE, f"{where}: base")
    for name, wanted in _described(robot).items():
        if values["base"][name] != wanted:
            raise LatentworldError(
                f"{where}: base.{name}: expected {wanted} as described, got {values['base'][name]!r}"
            )
    return replace(DriveTrain.of(robot.base), **{name: _response(values[name], f"{where}: {name}") for name in axes})


def _described(robot: Robot) -> dict[str, Any]:
    return {name: getattr(robot.base, name) for name in BASE} | {"kind": robot.base.kind.value}


def _response(values: Any, where: str) -> Response:
    _fields(values, tuple(BOUNDS), where)
    for field, (low, high) in BOUNDS.items():
        value = values[field]
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if not number or not low <= value <= high:
            raise LatentworldError(f"{where}.{field}: expected a number from {low} to {high}, got {value!r}")
    return Response(**{field: float(values[field]) for field in BOUNDS})


def _fields(values: Any, expected: tuple[str, ...], where: str) -> None:
    names = ", ".join(expected)
    if not isinstance(values, Mapping):
        raise LatentworldError(f"{where}: expected a mapping of {names}, got {values!r}")
    if unknown := [str(name) for name in values if name not in expected]:
        raise LatentworldError(f"{where}: expected {names}, got {', '.join(unknown)}")
    if missing := [name for name in expected if name not in values]:
        raise LatentworldError(f"{where}: expected {', '.join(missing)}, got none")
