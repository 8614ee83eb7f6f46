"""Descriptions of robots as YAML files (``config/robots/``): read strictly, checked, written.

``like: NAME`` takes over another description and changes parts of it. Every problem is said in one line that names the
file and the key.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import yaml

from latentworld.geometry import polygon_distance
from latentworld.robot import BaseKind, Camera, Intrinsics, Robot
from latentworld.types import LatentworldError

DEFAULT = "latentworld"  # the description that is used where none is named


def load(name: str | Path = DEFAULT) -> Robot:
    """A robot from a YAML file, or from the one of this name in ``config/robots/``."""
    path = find(name)
    return from_dict(_read(path), str(path))


def from_dict(values: Mapping[str, Any], source: str = "robot") -> Robot:
    """Raises LatentworldError for the first key that is unknown, missing, of the wrong kind or impossible."""
    robot = _build(Robot, values, source)
    if wrong := problems(robot):
        raise LatentworldError(f"{source}: {wrong[0]}")
    return robot


def save(robot: Robot, path: str | Path) -> None:
    """Write a description; what is at its default is left out."""
    Path(path).write_text(yaml.safe_dump(_plain(robot), sort_keys=False, allow_unicode=True))


def find(name: str | Path) -> Path:
    """The file of a description, given its path or the name of one that ships."""
    path = Path(name).expanduser()
    if path.suffix in (".yaml", ".yml"):
        if path.is_file():
            return path
        raise LatentworldError(f"robot {path}: expected a YAML file, got none")
    for folder in _folders():
        if (folder / f"{name}.yaml").is_file():
            return folder / f"{name}.yaml"
    raise LatentworldError(f"robot: expected a YAML file or one of {', '.join(shipped())}, got {name}")


def shipped() -> list[str]:
    """Names of the descriptions that ship."""
    return sorted({path.stem for folder in _folders() for path in folder.glob("*.yaml")})


def _folders() -> list[Path]:
    """``config/robots/`` of the checkout, of the ROS package as installed, of the library as pip installed it."""
    share = Path("share", "latentworld_ros", "config", "robots")
    prefixes = [p for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    candidates = (Path(__file__).resolve().parents[2] / "config" / "robots", *(Path(p) / share for p in prefixes))
    return [folder for folder in (*candidates, Path(sys.prefix) / share) if folder.is_dir()]


def problems(robot: Robot) -> list[str]:
    """What makes a description impossible, a line each; none: it can be used."""
    said: list[str] = []

    def expect(right: bool, what: str, expected: str, got: Any) -> None:
        if not right:
            said.append(f"{what}: expected {expected}, got {got}")

    base = robot.base
    expect((base.radius is None) != (not base.footprint), "base", "either radius or footprint", "both or neither")
    if base.radius is not None:
        expect(base.radius > 0, "base.radius", "more than 0 m", base.radius)
    elif base.footprint:
        square = all(len(corner) == 2 for corner in base.footprint)
        expect(square and len(base.footprint) >= 3, "base.footprint", "3 or more corners [x, y]", base.footprint)
        if square and len(base.footprint) >= 3:
            inside = polygon_distance(base.polygon, np.zeros(2)) < 0
            expect(bool(inside), "base.footprint", "corners around base_link (0, 0)", [list(c) for c in base.footprint])
    for name in ("height", "mass", "acceleration", "angular_acceleration"):
        expect(getattr(base, name) > 0, f"base.{name}", "more than 0", getattr(base, name))
    for name in (
        "max_linear",
        "max_reverse",
        "max_lateral",
        "max_angular",
        "latency",
        "time_constant",
        "slip",
        "drift",
    ):
        expect(getattr(base, name) >= 0, f"base.{name}", "0 or more", getattr(base, name))
    if base.kind != BaseKind.HEAD:
        expect(base.max_linear > 0, "base.max_linear", "more than 0 m/s", base.max_linear)
    if base.kind == BaseKind.ACKERMANN:
        expect(
            base.turning_radius > 0, "base.turning_radius", "more than 0 m for an ackermann base", base.turning_radius
        )
    if base.kind == BaseKind.OMNIDIRECTIONAL:
        expect(
            base.max_lateral > 0, "base.max_lateral", "more than 0 m/s for an omnidirectional base", base.max_lateral
        )
    names = [sensor.name for sensor in (*robot.cameras, *robot.lidars)]
    expect(len(set(names)) == len(names), "names of sensors", "each once", names)
    for camera in robot.cameras:
        _camera_problems(camera, expect)
    return said


DISTORTION = {"plumb_bob": (0, 4, 5), "rational_polynomial": (0, 8), "thin_prism": (0, 12), "equidistant": (0, 4)}


def _camera_problems(camera: Camera, expect: Callable[..., None]) -> None:
    which = f"camera {camera.name}"
    pictures = [(which, camera.intrinsics)]
    if camera.depth is not None and camera.depth.intrinsics is not None:
        pictures.append((f"{which}.depth", camera.depth.intrinsics))
    for name, picture in pictures:
        expect(
            min(picture.width, picture.height) >= 8,
            f"{name}.intrinsics",
            "8 pixels or more",
            f"{picture.width} x {picture.height}",
        )
        expect(min(picture.fx, picture.fy) > 0, f"{name}.intrinsics", "focal lengths above 0", (picture.fx, picture.fy))
        allowed = DISTORTION.get(picture.distortion_model)
        expect(
            allowed is not None, f"{name}.distortion_model", f"one of {', '.join(DISTORTION)}", picture.distortion_model
        )
        if allowed is not None:
            count = len(picture.distortion)
            expect(count in allowed, f"{name}.distortion", f"{' or '.join(map(str, allowed))} coefficients", count)
    expect(camera.rate > 0, f"{which}.rate", "more than 0 Hz", camera.rate)
    expect(camera.latency >= 0, f"{which}.latency", "0 s or more", camera.latency)
    if camera.depth is not None:
        depth = camera.depth
        expect(0 <= depth.least < depth.most, f"{which}.depth", "0 <= least < most", (depth.least, depth.most))
        expect(0 <= depth.holes < 1, f"{which}.depth.holes", "a share below 1", depth.holes)


# -- YAML


def _read(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise LatentworldError(f"robot {path}: expected YAML, got: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise LatentworldError(
            f"robot {path}: expected a mapping with name, base, cameras, got {type(values).__name__}"
        )
    like = values.pop("like", None)
    if like is None:
        return values
    other = find(path.parent / f"{like}.yaml" if (path.parent / f"{like}.yaml").is_file() else like)
    if other in (path, *seen):
        raise LatentworldError(f"robot {path}: expected like: another description, got {like}, which is like this one")
    return _merged(_read(other, (*seen, path)), values)


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """``above`` laid over ``below``. Lists of sensors are merged one by one; a footprint replaces a radius."""
    out = dict(below)
    for key, value in above.items():
        old = out.get(key)
        if isinstance(old, dict) and isinstance(value, dict) and key != "intrinsics":  # those belong together
            out[key] = _merged(old, value)
        elif key in ("cameras", "lidars") and isinstance(old, list) and isinstance(value, list):
            paired = [_merged(a, b) for a, b in zip(old, value, strict=False)]
            out[key] = [*paired, *value[len(paired) :]]
        else:
            out[key] = value
    for one, other in (("footprint", "radius"), ("radius", "footprint")):
        if above.get(one) and not above.get(other):
            out.pop(other, None)
    return out


def _build(kind: Any, value: Any, where: str) -> Any:
    """``value``, as YAML gives it, as an instance of ``kind``."""
    options = [option for option in get_args(kind) if option is not type(None)]
    if get_origin(kind) is tuple:
        if not isinstance(value, (list, tuple)):
            raise LatentworldError(f"{where}: expected a list, got {value!r}")
        parts = get_args(kind)
        kinds = [parts[0]] * len(value) if parts[-1] is Ellipsis else parts
        if len(kinds) != len(value):
            raise LatentworldError(f"{where}: expected {len(kinds)} numbers, got {value!r}")
        return tuple(_build(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(kinds, value, strict=True)))
    if options:  # X | None
        return None if value is None else _build(options[0], value, where)
    if is_dataclass(kind):
        return _record(kind, value, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(value)
        except ValueError:
            wanted = ", ".join(k.value for k in kind)
            raise LatentworldError(f"{where}: expected one of {wanted}, got {value!r}") from None
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if type(value) is kind and kind is not float:
        return value
    raise LatentworldError(f"{where}: expected {'a finite number' if kind is float else kind.__name__}, got {value!r}")


def _record(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise LatentworldError(f"{where}: expected a mapping, got {value!r}")
    value = dict(value)
    if kind is Intrinsics and "field_of_view" in value:  # radians across the width, instead of focal lengths
        angle = _build(float, value.pop("field_of_view"), f"{where}.field_of_view")
        if not 0 < angle < math.pi:
            raise LatentworldError(f"{where}.field_of_view: expected radians between 0 and pi, got {angle}")
        width, height = (_build(int, value.get(n), f"{where}.{n}") for n in ("width", "height"))
        value = asdict(Intrinsics.from_field_of_view(width, height, angle)) | value
    hints = get_type_hints(kind)
    known = {f.name: f for f in fields(kind)}
    if unknown := sorted(set(value) - set(known)):
        raise LatentworldError(f"{where}: expected some of {', '.join(known)}, got {', '.join(map(str, unknown))}")
    missing = [n for n, f in known.items() if n not in value and f.default is MISSING and f.default_factory is MISSING]
    if missing:
        raise LatentworldError(f"{where}: expected {', '.join(missing)}, got none")
    return kind(**{name: _build(hints[name], v, f"{where}.{name}") for name, v in value.items()})


def _plain(value: Any) -> Any:
    """What YAML can write, without what is at its default."""
    if is_dataclass(value):
        out = {}
        for f in fields(value):
            part = getattr(value, f.name)
            if f.default is MISSING or part != f.default:
                out[f.name] = _plain(part)
        return out
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value
