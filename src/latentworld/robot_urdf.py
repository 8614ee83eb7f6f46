"""A robot's URDF: its links, joints and shapes, and where its frames are. No ROS.

Source: the URDF specification (http://wiki.ros.org/urdf/XML). Metres and radians; a transform is a (4, 4) matrix.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from latentworld.geometry import rotation
from latentworld.types import LatentworldError

RIM = 32  # points on the rim of a cylinder or a sphere


@dataclass(frozen=True)
class Joint:
    """origin: of the child in the parent at position zero. axis: in the child. limit: rad either way, or None."""

    name: str
    kind: str
    parent: str
    child: str
    origin: np.ndarray
    axis: np.ndarray
    limit: float | None = None


@dataclass(frozen=True)
class Shape:
    """points: (N, 3) in the link, whose convex hull is the shape."""

    link: str
    points: np.ndarray


@dataclass(frozen=True)
class Urdf:
    """meshes: links whose extent only a mesh tells. mesh_files: link -> file of its mesh. mass: kg, of all links that
    have one. plugins: what simulators and ros2_control load, in lower case.
    """

    name: str
    links: tuple[str, ...]
    joints: tuple[Joint, ...]
    shapes: tuple[Shape, ...]
    meshes: tuple[str, ...]
    mesh_files: dict[str, str]
    mass: float
    plugins: str


@dataclass
class Frames:
    """Where frames are, each in its parent. What is put later replaces what was put before."""

    above: dict[str, tuple[str, np.ndarray]] = field(default_factory=dict)
    alone: set[str] = field(default_factory=set)

    def put(self, parent: str, child: str, matrix: np.ndarray) -> None:
        self.above[child.lstrip("/")] = (parent.lstrip("/"), matrix)

    @property
    def names(self) -> set[str]:
        return {*self.above, *(parent for parent, _ in self.above.values()), *self.alone}

    def find(self, name: str) -> str | None:
        """The known frame of this name; of ``model/link/sensor``, as Gazebo scopes it, the last part that is known."""
        names, name = self.names, name.lstrip("/")
        for part in (name, *reversed(name.split("/"))):
            if part in names:
                return part
        ends = sorted(known for known in names if known.endswith(f"/{name}"))
        return ends[0] if name and len(ends) == 1 else None

    def matrix(self, frame: str, seen_from: str) -> np.ndarray | None:
        """(4, 4): takes points of ``frame`` to ``seen_from``; None where nothing connects them."""
        one, other = self._to_root(frame), self._to_root(seen_from)
        shared = next((name for name in one if name in other), None)
        return None if shared is None else np.linalg.inv(other[shared]) @ one[shared]

    def _to_root(self, frame: str) -> dict[str, np.ndarray]:
        """Each frame above and including this one: the transform of ``frame`` to it."""
        chain, matrix = {frame: np.eye(4)}, np.eye(4)
        while frame in self.above:
            frame, step = self.above[frame]
            if frame in chain:
                break
            matrix = step @ matrix
            chain[frame] = matrix
        return chain


def transform(xyz: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """(4, 4) of a translation (3,) and a rotation (3, 3)."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn, xyz
    return matrix


def parse(text: str, source: str = "robot_description") -> Urdf:
    """Raises LatentworldError for what is no URDF."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise LatentworldError(f"{source}: expected URDF, got XML that does not parse: {error}") from None
    if root.tag != "robot":
        raise LatentworldError(f"{source}: expected URDF with <robot>, got <{root.tag}>")
    try:
        shapes, meshes, files, mass = [], [], {}, 0.0
        for link in root.findall("link"):
            name = link.get("name", "")
            found, file, only_mesh = _link_shapes(link, name)
            shapes += found
            files |= {name: file} if file else {}
            meshes += [name] if only_mesh else []
            weight = link.find("inertial/mass")
            mass += float(weight.get("value", 0)) if weight is not None else 0.0
        joints = tuple(_joint(joint) for joint in root.findall("joint") if joint.find("parent") is not None)
    except (ValueError, TypeError) as error:
        raise LatentworldError(f"{source}: expected URDF with numbers, got {error}") from None
    plugins = " ".join(
        f"{p.get('filename', '')} {p.get('name', '')} {p.text or ''}" for p in root.iter("plugin")
    ).lower()
    links = tuple(link.get("name", "") for link in root.findall("link"))
    return Urdf(root.get("name", ""), links, joints, tuple(shapes), tuple(meshes), files, mass, plugins)


def _numbers(text: str | None, default: str, count: int = 3) -> np.ndarray:
    values = np.array([float(v) for v in (text or default).split()])
    if len(values) != count or not np.isfinite(values).all():
        raise ValueError(f"'{text}' where {count} belong")
    return values


def _origin(element: ElementTree.Element) -> np.ndarray:
    origin = element.find("origin")
    xyz, rpy = (None, None) if origin is None else (origin.get("xyz"), origin.get("rpy"))
    return transform(_numbers(xyz, "0 0 0"), rotation(*_numbers(rpy, "0 0 0")))


def _joint(element: ElementTree.Element) -> Joint:
    ends = [element.find(end) for end in ("parent", "child")]
    parent, child = ("" if end is None else end.get("link", "") for end in ends)
    axis, limit = element.find("axis"), element.find("limit")
    direction = _numbers(None if axis is None else axis.get("xyz"), "1 0 0")
    bounds = [] if limit is None else [abs(float(limit.get(end, 0))) for end in ("lower", "upper")]
    reach = min(bounds) if bounds and min(bounds) > 0 else None
    name, kind = element.get("name", ""), element.get("type", "fixed")
    return Joint(name, kind, parent, child, _origin(element), direction, reach)


def _link_shapes(link: ElementTree.Element, name: str) -> tuple[list[Shape], str, bool]:
    """Shapes of the collision geometry, else of the visual one; a mesh's file; is a mesh all that there should be?"""
    file, only_mesh = "", False
    for part in ("collision", "visual"):
        found = []
        for element in link.findall(part):
            mesh, origin = element.find("geometry/mesh"), _origin(element)
            if mesh is not None:
                file = file or mesh.get("filename", "mesh")
            for points in _corners(element.find("geometry")):
                found.append(Shape(name, points @ origin[:3, :3].T + origin[:3, 3]))
        if found:
            return found, file, only_mesh
        only_mesh = bool(file)
    return [], file, only_mesh


def _corners(geometry: ElementTree.Element | None) -> Iterator[np.ndarray]:
    """(N, 3) points whose convex hull is the geometry, but for what is rounder than they are close together."""
    angle = np.linspace(0, 2 * math.pi, RIM, endpoint=False)
    rim = np.stack([np.cos(angle), np.sin(angle), np.zeros(RIM)], -1)
    for shape in () if geometry is None else geometry:
        if shape.tag == "box":
            signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
            yield signs * _numbers(shape.get("size"), "0 0 0") / 2
        elif shape.tag in ("cylinder", "capsule", "sphere"):
            radius, half = float(shape.get("radius", 0)), float(shape.get("length", 0)) / 2
            if shape.tag == "cylinder":
                ring = rim * radius
            else:
                up = np.linspace(-math.pi / 2, math.pi / 2, RIM // 2 + 1)
                ring = np.concatenate([rim * math.cos(v) + (0, 0, math.sin(v)) for v in up]) * radius
            yield np.concatenate([ring + (0, 0, end) for end in (-half, half)])


def joints_to(urdf: Urdf, frames: Frames) -> None:
    """Put the links of the URDF, its joints at position zero, into ``frames``."""
    frames.alone |= set(urdf.links)
    for joint in urdf.joints:
        frames.put(joint.parent, joint.child, joint.origin)
