"""What the URDF says of a body: how much room it takes up, where the floor is below it, how it drives. No ROS."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from latentworld.robot import BaseKind
from latentworld.robot_urdf import RIM, Frames, Joint, Urdf

ROUND = 0.01  # share of its radius by which a footprint that counts as round differs from a circle
FLAT = 0.002  # m by which a corner stands out at most that is left out
STEERING_LIMIT = 0.4  # rad, where the URDF names none
WHEELBASE = 0.3  # m, likewise


@dataclass(frozen=True)
class Drive:
    """How a base moves. said: why this is believed. centre: x (m) about which it turns; None: not known."""

    kind: BaseKind
    said: str
    known: bool = True
    wheelbase: float = 0.0
    turning_radius: float = 0.0
    centre: float | None = None
    assumed: tuple[str, ...] = ()


def points_in(urdf: Urdf, frames: Frames, base: str, links: set[str] | None = None) -> np.ndarray:
    """(N, 3) corners of all shapes, or of those of these links, in the frame ``base``."""
    found = [np.empty((0, 3))]
    for shape in urdf.shapes:
        matrix = frames.matrix(shape.link, base) if links is None or shape.link in links else None
        if matrix is not None:
            found.append(shape.points @ matrix[:3, :3].T + matrix[:3, 3])
    return np.concatenate(found)


def floor_below(urdf: Urdf, frames: Frames, base: str) -> tuple[float, str]:
    """z (m) of the floor in ``base``, and by what: the wheels, else the lowest shape, else "" (0 is assumed)."""
    rolling = {joint.child for joint in wheels(urdf, frames, base)}
    for links, said in ((rolling, "wheels"), (None, "lowest shape")):
        points = points_in(urdf, frames, base, links)
        if len(points):
            return float(points[:, 2].min()), said
    return 0.0, ""


def outline(points: np.ndarray) -> tuple[float | None, tuple[tuple[float, float], ...]]:
    """Radius, or corners counter-clockwise, of what points (N, 2 or more) take up on the floor; to the millimetre."""
    hull = convex_hull(points[:, :2])
    away = np.hypot(*hull.T)
    if len(hull) >= RIM // 2 and np.ptp(away) <= 2 * ROUND * away.max():
        return float(np.ceil(away.max() * 1000 - 1e-3) / 1000), ()
    return None, tuple((float(x), float(y)) for x, y in np.round(_fewer(hull), 3))


def convex_hull(points: np.ndarray) -> np.ndarray:
    """(K, 2) corners, counter-clockwise, of the convex hull of points (N, 2): Andrew's monotone chain (1979)."""
    points = np.unique(np.round(points, 6), axis=0)
    halves = []
    for ordered in (points, points[::-1]):
        half: list[np.ndarray] = []
        for point in ordered:
            while len(half) > 1 and _area(half[-2], half[-1], point) <= 0:
                half.pop()
            half.append(point)
        halves += half[:-1]
    return np.array(halves).reshape(-1, 2)


def _area(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    """Twice that of the triangle, positive if it is counter-clockwise."""
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def _fewer(hull: np.ndarray) -> np.ndarray:
    """The hull without corners that hardly stand out."""
    while len(hull) > 4:
        before, after = np.roll(hull, 1, 0), np.roll(hull, -1, 0)
        side = np.hypot(*(after - before).T)
        out = [_area(*three) / max(length, 1e-9) for *three, length in zip(before, hull, after, side, strict=True)]
        if min(out) > FLAT:
            break
        hull = np.delete(hull, int(np.argmin(out)), 0)
    return hull


def wheels(urdf: Urdf, frames: Frames, base: str) -> list[Joint]:
    """Joints about a level axis that are named like wheels, else those that turn without end; no casters."""
    named, endless = [], []
    for joint in urdf.joints:
        name = f"{joint.name} {joint.child}".lower()
        axis = _axis(joint, frames, base)
        if joint.kind not in ("continuous", "revolute") or axis is None or abs(axis[2]) > 0.5 or "cast" in name:
            continue
        if any(word in name for word in ("wheel", "tire", "tyre")):
            named.append(joint)
        elif joint.kind == "continuous":
            endless.append(joint)
    return named or endless


def _axis(joint: Joint, frames: Frames, base: str) -> np.ndarray | None:
    """Unit vector (3,) in ``base``; None where the joint is not attached to it."""
    matrix, length = frames.matrix(joint.child, base), np.linalg.norm(joint.axis)
    return None if matrix is None or length < 1e-9 else matrix[:3, :3] @ joint.axis / length


def drive(urdf: Urdf, frames: Frames, base: str) -> Drive:
    """The kind of base by its wheels, by what steers them, and by the names of wheels and controllers."""
    rolling = wheels(urdf, frames, base)
    steering = [joint for joint in urdf.joints if _steers(joint, rolling, urdf, frames, base)]
    words = " ".join(f"{j.name} {j.child} {urdf.mesh_files.get(j.child, '')}" for j in rolling).lower()
    x_of = {joint.name: float(frames.matrix(joint.child, base)[0, 3]) for joint in (*rolling, *steering)}
    middle = float(np.mean([x_of[j.name] for j in rolling])) if rolling else None
    for word in ("mecanum", "omni", "swerve", "planar_move", "planarmove"):
        if word in words or (word in urdf.plugins and word != "omni"):
            return Drive(BaseKind.OMNIDIRECTIONAL, f"'{word}' in the names of wheels or plugins", centre=middle)
    if len(steering) >= 4:
        return Drive(BaseKind.OMNIDIRECTIONAL, f"{len(steering)} joints steer", centre=middle)
    if steering or "ackermann" in urdf.plugins:
        steered = {j.name for j in rolling if any(_below(urdf, j.parent, s.child) for s in steering)}
        fixed = [x_of[j.name] for j in rolling if j.name not in steered]
        front = [x_of[j.name] for j in steering]
        return _ackermann(steering, front, fixed)
    askew = [j for j in rolling if abs(_axis(j, frames, base)[1]) < 0.7]
    if len(rolling) > 2 and askew:
        return Drive(BaseKind.OMNIDIRECTIONAL, f"{len(askew)} of {len(rolling)} wheels stand askew", centre=middle)
    sides = {np.sign(frames.matrix(j.child, base)[1, 3]) for j in rolling}
    if len(sides) > 1:
        return Drive(BaseKind.DIFFERENTIAL, f"{len(rolling)} wheel joints, none steers", centre=middle)
    said = f"{len(rolling)} wheel joints in the URDF tell no kind"
    return Drive(BaseKind.DIFFERENTIAL, said, known=False, centre=middle)


def _ackermann(steering: list[Joint], front: list[float], fixed: list[float]) -> Drive:
    assumed = []
    limits = [j.limit for j in steering if j.limit is not None and j.limit < 1.4]
    if not limits:
        assumed.append(f"base: steering limit {STEERING_LIMIT} rad, the URDF names none")
    rear = float(np.mean(fixed)) if fixed else None
    wheelbase = abs(float(np.mean(front)) - rear) if front and fixed else 0.0
    if wheelbase < 0.02:
        wheelbase = WHEELBASE
        assumed.append(f"base.wheelbase {wheelbase} m, the URDF tells none")
    radius = wheelbase / math.tan(min(limits, default=STEERING_LIMIT))
    said = f"{len(steering)} joints steer" if steering else "'ackermann' in the names of plugins"
    return Drive(BaseKind.ACKERMANN, said, True, round(wheelbase, 3), round(radius, 3), rear, tuple(assumed))


def _steers(joint: Joint, rolling: list[Joint], urdf: Urdf, frames: Frames, base: str) -> bool:
    """Does the joint turn a wheel about the vertical, other than a caster's swivel?"""
    name, axis = f"{joint.name} {joint.child}".lower(), _axis(joint, frames, base)
    if joint.kind not in ("revolute", "continuous") or axis is None or "cast" in name or "swivel" in name:
        return False
    return abs(axis[2]) > 0.8 and any(_below(urdf, wheel.parent, joint.child) for wheel in rolling)


def _below(urdf: Urdf, link: str, ancestor: str) -> bool:
    """Is the link this ancestor, or attached to it?"""
    parents = {joint.child: joint.parent for joint in urdf.joints}
    seen = set()
    while link != ancestor and link in parents and link not in seen:
        seen.add(link)
        link = parents[link]
    return link == ancestor
