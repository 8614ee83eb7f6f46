"""Does a robot fit the model? What is refused before anything drives, and what works badly and is warned of.

Each line names the part, what was expected, and what came.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from latentworld.lens import project, rays
from latentworld.robot import VIEW, BaseKind, Camera, Intrinsics, Robot, View

REACH = 3.2  # m ahead of base_link that the model's view is used for
SEEN = 3.0  # m ahead within which a camera without depth must see floor
FOOTPRINT = 0.8  # m from base_link
RATE, SLOW = 2.0, 8.0  # Hz
LATE = 0.3  # s
NARROW = math.radians(55.0)
HIGH = 0.8  # m
COVERED = 0.6  # share of the model's view
NEAR = 0.5  # m before the body from which on the floor must be seen
SHORT = 2.5  # m that depth must reach
MEASURE = ("mount", "degrees across", "radius", "the floor is")  # of what is assumed, what it should not be for long
LENS_SAMPLES = 48  # pixels of the longer side of a camera's picture that are looked through


def refusals(robot: Robot, view: View = VIEW) -> list[str]:
    """Why this robot cannot be driven by the model; empty: it can."""
    base, said = robot.base, []
    if not robot.cameras and not robot.lidars:
        return [f"{robot.name}: expected a camera or a lidar, got none"]
    ahead = [camera for camera in robot.cameras if camera.mount.rotation[0, 0] > 0]
    for camera in [] if ahead or robot.lidars else robot.cameras:
        bearing = math.degrees(math.atan2(*camera.mount.rotation[1::-1, 0]))
        said.append(
            f"camera {camera.name}: expected one that looks ahead, got one that looks {bearing:.0f} degrees aside"
        )
    if ahead and not robot.lidars and not any(camera.depth for camera in ahead):
        if not any(np.isfinite(nearest_floor(camera)) for camera in ahead):
            names = ", ".join(camera.name for camera in ahead)
            said.append(f"camera {names}: expected floor within {SEEN:g} m ahead or depth, got neither")
    if robot.cameras and max(camera.rate for camera in robot.cameras) < RATE:
        fastest = max(robot.cameras, key=lambda camera: camera.rate)
        said.append(f"camera {fastest.name}.rate: expected {RATE:g} Hz or more, got {fastest.rate:g} Hz")
    if base.reach > FOOTPRINT:
        what = "radius" if base.radius is not None else "footprint"
        said.append(f"base.{what}: expected within {FOOTPRINT:g} m of base_link, got {base.reach:.2f} m")
    if base.kind != BaseKind.HEAD:
        front, stop = float(base.polygon[:, 0].max()), stopping_distance(robot)
        if front + stop > REACH:
            said.append(
                f"base.max_linear: expected to stop within {REACH - front:.1f} m, as far as the model looks ahead of "
                f"the body, got {stop:.1f} m at {base.max_linear:g} m/s, {base.acceleration:g} m/s^2 and "
                f"{reaction_time(robot):.2f} s until it brakes"
            )
    return said


def warnings(robot: Robot, view: View = VIEW) -> list[str]:
    """What the model will do worse for; empty: nothing."""
    said = [f"{line.split(':')[0]}: expected to be measured, got assumed: {line.partition(': ')[2]}"
            for line in robot.assumed if any(word in line for word in MEASURE)]  # fmt: skip
    if not robot.cameras:
        said.append(f"{robot.name}: expected a camera, got lidar only: what is below or above its plane is not seen")
    for camera in robot.cameras:
        said += _lens_warnings(camera, robot)
    if robot.cameras:
        share = coverage(robot, view)
        if share < COVERED:
            said.append(f"cameras: expected to see {COVERED:.0%} of the model's view or more, got {share:.0%}")
        if not any(camera.depth for camera in robot.cameras) and not robot.lidars:
            said.append("cameras: expected depth, got colour only: distances are guessed")
        said += _blind_warnings(robot)
    if robot.base.latency > LATE:
        said.append(f"base.latency: expected {LATE:g} s or less, got {robot.base.latency:g} s")
    return said


def _lens_warnings(camera: Camera, robot: Robot) -> list[str]:
    which, said = f"camera {camera.name}", []
    across = horizontal_view(camera)
    if camera.mount.rotation[0, 0] <= 0:
        return [f"{which}: expected to look ahead, got one that looks back: it adds nothing to the model's view"]
    if across < NARROW:
        said.append(
            f"{which}: expected {math.degrees(NARROW):.0f} degrees across or more, got {math.degrees(across):.0f}"
        )
    if camera.mount.z > HIGH:
        said.append(f"{which}.mount: expected {HIGH:g} m above the floor or less, got {camera.mount.z:.2f} m")
    if camera.rate < SLOW:
        said.append(f"{which}.rate: expected {SLOW:g} Hz or more, got {camera.rate:g} Hz")
    if camera.latency > LATE:
        said.append(f"{which}.latency: expected {LATE:g} s or less, got {camera.latency:g} s")
    if camera.depth is not None and camera.depth.most < SHORT:
        said.append(f"{which}.depth.most: expected {SHORT:g} m or more, got {camera.depth.most:g} m")
    return said


def _blind_warnings(robot: Robot) -> list[str]:
    """What is not seen right before the body, and above it."""
    base, said = robot.base, []
    front = float(base.polygon[:, 0].max())
    cameras = [camera for camera in robot.cameras if camera.mount.rotation[0, 0] > 0]
    if not cameras or base.kind == BaseKind.HEAD:
        return said
    gap = max(min(nearest_floor(camera) for camera in cameras) - front, 0.0)
    if gap > NEAR:
        came = f"from {gap:.2f} m on" if math.isfinite(gap) else f"none within {SEEN:g} m"
        said.append(f"cameras: expected to see the floor from {NEAR:g} m before the body on, got {came}")
    blind = max(min(blind_zone(camera, base.height) for camera in cameras) - front, 0.0)
    stop = stopping_distance(robot)
    if blind > stop:
        said.append(
            f"cameras: expected to see things until the body could still stop ({stop:.2f} m), got a blind zone of "
            f"{blind:.2f} m before it"
        )
    top = max(highest(camera, front + max(stop, NEAR)) for camera in cameras)
    if top < base.height:
        said.append(
            f"base.height: expected below the upper edge of the view, {max(top, 0):.2f} m where the body stops, got "
            f"{base.height:g} m"
        )
    return said


# -- how far it stops, and what its cameras see


def reaction_time(robot: Robot) -> float:
    """s from when a thing can be seen until the base brakes: the wait for the next frame, its way, the base's delay."""
    waits = [1 / camera.rate + camera.latency for camera in robot.cameras] or [1 / lidar.rate for lidar in robot.lidars]
    return min(waits, default=0.0) + robot.base.latency + robot.base.time_constant


def stopping_distance(robot: Robot) -> float:
    """m driven at top speed from when a thing can be seen until the base stands."""
    speed = robot.base.max_linear
    return speed * reaction_time(robot) + speed**2 / (2 * robot.base.acceleration)


def seen(camera: Camera, points: np.ndarray) -> np.ndarray:
    """(...) bool: are points (..., 3) of the base's frame in the picture, were nothing in the way?"""
    lens = camera.intrinsics
    local = (points - camera.mount.position) @ camera.mount.rotation
    pixels = project(local, lens)
    angle = np.arctan2(np.hypot(local[..., 1], local[..., 2]), local[..., 0])
    size = np.array([lens.width, lens.height])
    with np.errstate(invalid="ignore"):
        inside = ((pixels >= -0.5) & (pixels <= size - 0.5)).all(-1)
    return inside & (angle <= _widest(lens))


@lru_cache(maxsize=64)
def _widest(lens: Intrinsics) -> float:
    """rad off the axis that the lens sees at most: farther out a distortion's polynomial may lead back in."""
    small = lens.scaled(LENS_SAMPLES / max(lens.width, lens.height))
    away = np.hypot(*rays(small)[..., 1:].reshape(-1, 2).T)
    return float(np.arctan(np.nanmax(away))) + 2 / LENS_SAMPLES


def horizontal_view(camera: Camera) -> float:
    """rad across the picture as it stands: a camera that is mounted on its side sees little to the sides."""
    small = camera.intrinsics.scaled(LENS_SAMPLES / max(camera.intrinsics.width, camera.intrinsics.height))
    directions = rays(small).reshape(-1, 3)
    roll = np.array([np.cos(camera.mount.roll), -np.sin(camera.mount.roll)])
    left, up = directions[:, 1:] @ roll, directions[:, 1:] @ np.array([-roll[1], roll[0]])
    level = left[np.abs(up) <= np.nanmin(np.abs(up)) + 0.5 / small.fx]
    edge = 0.5 / small.fx  # from the middle of the outermost pixel to the edge of the picture
    return float(np.arctan(np.nanmax(level) + edge) - np.arctan(np.nanmin(level) - edge))


def coverage(robot: Robot, view: View = VIEW) -> float:
    """Share of the pixels of the model's view that some camera sees, over an empty floor with walls at ``view.far``."""
    directions = rays(view.intrinsics) @ view.mount.rotation.T
    level, down = np.hypot(directions[..., 0], directions[..., 1]), -directions[..., 2]
    with np.errstate(divide="ignore"):
        reach = np.where(down > 0, np.minimum(view.height / down, view.far / level), view.far / level)
    points = view.mount.position + directions * reach[..., None]
    return float(np.any([seen(camera, points) for camera in robot.cameras], 0).mean()) if robot.cameras else 0.0


def nearest_floor(camera: Camera) -> float:
    """m straight ahead of base_link of the nearest floor that the camera sees; inf: none within ``SEEN``."""
    ahead = np.arange(0.0, SEEN, 0.01)
    visible = seen(camera, np.stack([ahead, 0 * ahead, 0 * ahead], -1))
    return float(ahead[visible][0]) if visible.any() else math.inf


def blind_zone(camera: Camera, height: float) -> float:
    """m straight ahead of base_link from which a thing as high as the body is seen, and measured if there is depth."""
    ahead, up = np.meshgrid(np.arange(0.0, SEEN, 0.02), np.linspace(0.02, max(height, 0.1), 12), indexing="ij")
    points = np.stack([ahead, 0 * ahead, up], -1)
    visible = seen(camera, points)
    if camera.depth is not None:
        visible &= ((points - camera.mount.position) @ camera.mount.rotation)[..., 0] >= camera.depth.least
    visible = visible.any(1)
    return float(ahead[visible, 0][0]) if visible.any() else math.inf


def highest(camera: Camera, ahead: float) -> float:
    """m above the floor of the highest point that the camera sees so far straight ahead of base_link; 0: none."""
    up = np.arange(0.0, 3.0, 0.02)
    visible = seen(camera, np.stack([0 * up + ahead, 0 * up, up], -1))
    return float(up[visible][-1]) if visible.any() else 0.0
