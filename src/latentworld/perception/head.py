"""Cameras on a head: at each exposure turned, and as high, as odometry says.

``base_link`` of a head lies on the floor below the glasses, x ahead of the face, z up. Odometry gives the pose of the
glasses: x, y and yaw are those of ``base_link``, roll, pitch and height say how the cameras look from there. Mounts in
the description are those of a level head.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from dataclasses import replace
from functools import lru_cache

import numpy as np

from latentworld.geometry import euler, rotation
from latentworld.perception.canonical_view import CanonicalView
from latentworld.perception.range_scan import TABLES
from latentworld.robot import Camera, Mount, Robot
from latentworld.types import Attitude, LatentworldError, seconds, stamp_of, turn

ANGLE, HEIGHT = math.radians(1.0), 0.02  # steps (radians, metres) of attitudes that share one table
LOWEST, HIGHEST = 0.3, 2.5  # metres above the floor that glasses on a head are
NEAR = 0.1  # s from an exposure within which odometry must be
KEPT = 200  # attitudes that are remembered
BACK = 1.0  # s by which stamps go back when a clock starts anew


class HeadView:
    """What the cameras of a head show, whatever its attitude. Safe to share among threads.

    The tables of the attitudes seen last are kept, in steps of ``ANGLE`` and ``HEIGHT``.
    """

    def __init__(self, robot: Robot):
        """robot: with the cameras of a level head; the first one's mount says how high the glasses are."""
        self.robot = robot
        self._level = CanonicalView(robot)
        self._at = lru_cache(maxsize=TABLES)(self._made)

    def at(self, attitude: Attitude) -> CanonicalView:
        """The view from a head with this attitude; its ``robot`` has the cameras as they are mounted then.

        Raises LatentworldError for an attitude that is not finite, or no head's.
        """
        height = self.robot.camera.mount.z if attitude.height is None else attitude.height
        check(Attitude(attitude.roll, attitude.pitch, height))
        return self._at(round(attitude.roll / ANGLE), round(attitude.pitch / ANGLE), round(height / HEIGHT))

    def _made(self, roll: int, pitch: int, height: int) -> CanonicalView:
        turned, glasses = rotation(roll * ANGLE, pitch * ANGLE, 0.0), self.robot.camera.mount.z

        def carried(mount: Mount) -> Mount:
            x, y, z = turned @ (mount.position - [0.0, 0.0, glasses])
            angles = dict(zip(("roll", "pitch", "yaw"), euler(turned @ mount.rotation), strict=True))
            return Mount(float(x), float(y), float(z) + height * HEIGHT, **angles)

        def moved(camera: Camera) -> Camera:
            depth = camera.depth
            if depth is not None and depth.mount is not None:
                depth = replace(depth, mount=carried(depth.mount))
            return replace(camera, mount=carried(camera.mount), depth=depth)

        return self._level.of(replace(self.robot, cameras=tuple(map(moved, self.robot.cameras))))


def check(attitude: Attitude) -> None:
    """Raises LatentworldError for one that is not finite, or no head's."""
    height = attitude.height
    if not np.isfinite([attitude.roll, attitude.pitch]).all():
        raise LatentworldError(f"attitude: expected finite roll and pitch, got {attitude.roll} and {attitude.pitch}")
    if height is not None and not LOWEST <= height <= HIGHEST:
        raise LatentworldError(
            f"attitude: expected glasses {LOWEST} to {HIGHEST} m above the floor, where z is 0, got {height:.2f} m"
        )


class AttitudeHistory:
    """The newest attitudes of a head by stamp; what comes out of order is put in its place."""

    def __init__(self) -> None:
        self._items: list[tuple[int, Attitude]] = []

    @property
    def newest(self) -> int | None:
        """Stamp (ns) of the newest one."""
        return self._items[-1][0] if self._items else None

    def add(self, stamp: int, attitude: Attitude) -> None:
        """Take in one. After a stamp that lies ``BACK`` seconds before the newest, nothing older counts."""
        if self._items and stamp < self._items[-1][0] - stamp_of(BACK):
            self._items.clear()
        insort(self._items, (stamp, attitude), key=lambda item: item[0])
        del self._items[:-KEPT]

    def distance(self, stamp: int) -> float:
        """Seconds from ``stamp`` to the nearest one; infinite: there is none."""
        return min((abs(seconds(other - stamp)) for other, _ in self._items), default=math.inf)

    def at(self, stamp: int) -> Attitude | None:
        """Interpolated between its neighbours, or the nearest one; None where none is within ``NEAR`` seconds."""
        if self.distance(stamp) > NEAR:
            return None
        after = bisect_left(self._items, stamp, key=lambda item: item[0])
        if after in (0, len(self._items)):
            return self._items[min(after, len(self._items) - 1)][1]
        (begin, one), (end, other) = self._items[after - 1 : after + 1]
        share = (stamp - begin) / (end - begin)
        told = one.height is not None and other.height is not None
        return Attitude(
            one.roll + share * float(turn(other.roll - one.roll)),
            one.pitch + share * (other.pitch - one.pitch),
            one.height + share * (other.height - one.height) if told else other.height,
        )
