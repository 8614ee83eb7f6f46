"""Rooms of MiniWorld (Chevalier-Boisvert 2018; Farama Foundation, Apache 2.0), headless, with more of its meshes in.

Layouts, textures, meshes and the renderer are the package's. What stands in the way is what its renderer draws: walls,
and of meshes all that is not higher than the base.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from io import StringIO
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from latentworld.evaluation.worlds.ground_plan import GroundPlan, below
from latentworld.interop import add_peers
from latentworld.types import LatentworldError

INSTALL = (
    "tools/peers.sh, or pip install --no-deps miniworld==2.1.0 pyglet==1.5.31 gymnasium==1.4.0 "
    "Farama-Notifications==0.0.6 cloudpickle==3.1.2"
)
LIBRARIES = "libegl1 libgl1 libglu1-mesa libfontconfig1"  # Debian's names of what pyglet loads
# An odd number: with every other goal blocked, a layout has both kinds.
LAYOUTS = (
    "FourRooms", "ThreeRooms", "Hallway", "TMaze", "YMaze", "MazeS3", "OneRoomS6", "PutNext", "PickupObjects",
    "RoomObjects", "CollectHealth", "WallGap", "Sign",
)  # fmt: skip
MESHES = {  # metres, least and most, that they are high
    "barrel": (0.8, 1.0), "barrier": (0.6, 0.8), "cone": (0.5, 0.75), "duckie": (0.3, 0.6), "medkit": (0.3, 0.5),
    "office_chair": (0.9, 1.1), "office_desk": (1.1, 1.3), "potion": (0.3, 0.6), "tree": (1.8, 2.4),
    "tree_pine": (1.2, 2.0),
}  # fmt: skip
BOX = ((0.3, 0.3, 0.3), (0.8, 1.2, 0.8))  # metres, least and most: width, height, depth
FLOOR_EACH, FEWEST, MOST = 7.0, 3, 14  # square metres of floor a piece that is put in, and how many in all
TRIES = 40  # places tried for each


def missing() -> str | None:
    """Why MiniWorld cannot be imported here; None: it can."""
    add_peers()
    absent = [name for name in ("miniworld", "pyglet", "gymnasium") if find_spec(name) is None]
    return f"expected {' and '.join(absent)} to be installed ({INSTALL})" if absent else None


def make(layout: str, width: int, height: int) -> Any:
    """An environment of this layout, its pictures of this many pixels.

    Raises LatentworldError where the package is missing, or OpenGL.
    """
    if (why := missing()) is not None:
        raise LatentworldError(f"miniworld: {why}")
    try:
        import pyglet

        pyglet.options["headless"] = True  # a context of EGL, no display; to be said before OpenGL is loaded
        pyglet.options["debug_gl"] = False
        from miniworld import envs

        kind = getattr(envs, layout)
        with elsewhere(), redirect_stdout(StringIO()):  # it says how many samples a pixel it falls back to
            env = type(layout, (kind,), {"_gen_world": _furnished(kind)})(
                obs_width=width, obs_height=height, window_width=16, window_height=16
            )
    except Exception as error:  # ImportError, or one of pyglet's many where OpenGL is missing
        raise LatentworldError(
            f"miniworld: expected it to draw without a display (Debian, Ubuntu: apt install {LIBRARIES}), got {error!r}"
        ) from error
    env.domain_rand = True  # from the next reset on; not every layout takes it when it is made
    return env


@contextmanager
def elsewhere() -> Iterator[None]:
    """Work in an empty folder: of meshes and textures the package takes what is named so in the current one first."""
    before = os.getcwd()
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def _furnished(kind: Any) -> Any:
    def _gen_world(self) -> None:
        kind._gen_world(self)
        _furnish(self)

    return _gen_world


def _furnish(env: Any) -> None:
    """Put in more of the package's things, where they do not meet what is there."""
    from miniworld.entity import COLOR_NAMES, Box, MeshEnt

    rng = env.np_random
    env.entities.remove(env.agent)  # it does not stand where the layout put it
    rooms = [room for room in env.rooms if room.area < 300]
    for _ in range(int(np.clip(sum(room.area for room in rooms) / FLOOR_EACH, FEWEST, MOST))):
        kind = rng.integers(len(MESHES) + 2)
        if kind < len(MESHES):
            name = list(MESHES)[kind]
            thing = MeshEnt(name, float(rng.uniform(*MESHES[name])))
        else:
            thing = Box(COLOR_NAMES[rng.integers(len(COLOR_NAMES))], rng.uniform(*BOX))
        shares = np.array([room.area for room in rooms])
        for _ in range(TRIES):
            room = rooms[rng.choice(len(rooms), p=shares / shares.sum())]
            place = rng.uniform((room.min_x, 0, room.min_z), (room.max_x, 0, room.max_z))
            if room.point_inside(place) and not env.intersect(thing, place, thing.radius):
                env.place_entity(thing, pos=place, dir=float(rng.uniform(-np.pi, np.pi)))
                break
    env.entities.append(env.agent)


def ground_plan(env: Any, height: float) -> GroundPlan:
    """What stands in the way of a base of this height. x, y: MiniWorld's x and -z, metres."""
    from miniworld.entity import Box

    outlines = [_flat(room.outline) for room in env.rooms]
    corners = np.concatenate(outlines)
    plan = GroundPlan(corners.min(0), corners.max(0), solid=True)
    for outline in outlines:
        plan.fill(outline, solid=False)
    for start, end in env.wall_segs:
        plan.line(_flat(start), _flat(end))
    for thing in env.entities:
        if thing is env.agent or thing.pos is None or np.asarray(thing.pos)[1] > height:
            continue  # pictures and signs hang on walls
        if isinstance(thing, Box):
            x, z = thing.size[0] / 2, thing.size[2] / 2
            plan.fill(_placed(np.array([(x, z), (x, -z), (-x, -z), (-x, z)]), thing))
        elif hasattr(thing, "mesh"):
            triangles = np.concatenate([np.array(part.vertices[:]).reshape(-1, 3, 3) for part in thing.mesh.vlists])
            triangles = thing.scale * np.stack([triangles[..., 0], -triangles[..., 2], triangles[..., 1]], -1)
            plan.fill_convex(_placed(polygon, thing) for polygon in below(triangles, height))
    return plan


def _placed(points: np.ndarray, thing: Any) -> np.ndarray:
    c, s = np.cos(thing.dir), np.sin(thing.dir)
    return points @ np.array([[c, s], [-s, c]]) + _flat(np.asarray(thing.pos, float))


def _flat(points: np.ndarray) -> np.ndarray:
    """MiniWorld's (..., 3), y up -> (..., 2) x, y."""
    return np.stack([points[..., 0], -points[..., 2]], -1)
