"""A stage for physics: a table over a ground, blocks and screens on it, props that move in the plane y = 0 before a
fixed camera.

x points right, z up, y away from the camera; metres, radians, seconds. A motion is (T, P, 3): x, z and roll of every
prop in every frame, NaN where a prop is not there. What is simulated is one thing, what is drawn another: physics is
broken by drawing motions that were put together from simulated ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ...robot import Intrinsics
from ..camera import Renderer
from ..engine import mujoco
from .looks import FIELD_OF_VIEW, PROP_TEXTURES, TEXTURES, Looks

FRAME_PERIOD = 1 / 15
FRAMES = 24
SUBSTEPS = 24
GROUND = -0.8  # height of the ground; the table's top is at 0
TABLE = 0.12  # thickness
SCREEN_Y, BACKDROP_Y = -0.5, 1.4
SIDE = 64  # pixels
PICTURE = Intrinsics.from_field_of_view(2 * SIDE, 2 * SIDE, FIELD_OF_VIEW)  # drawn twice as fine
MAX_PROPS = 4
AWAY = 40.0  # where props wait that are not there
# Of props of size 1, where it is not 1.05 and 1.
REACH = {
    "egg": 1.1, "capsule": 1.1, "pyramid": 1.3, "diamond": 1.25, "wedge": 1.45, "frustum": 1.3, "slab": 1.25,
    "pillar": 1.25,
}  # fmt: skip
FOOT = {
    "egg": 0.75, "capsule": 1.1, "pyramid": 0.7, "prism": 0.87, "wedge": 0.6, "frustum": 0.8, "slab": 0.5, "pillar": 1.1
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Prop:
    """One thing that moves. size: radius, or half the side. grip: rolls and tips over; without it, slides freely."""

    shape: str
    size: float
    colour: np.ndarray
    texture: int = 0
    grip: bool = True
    mass: float = 1.0

    @property
    def reach(self) -> float:
        """Radius of a circle that covers it as it stands (m)."""
        return self.size * REACH.get(self.shape, 1.05)

    @property
    def foot(self) -> float:
        """From its centre down to what it rests on (m)."""
        return self.size * FOOT.get(self.shape, 1.0)


@dataclass(frozen=True, slots=True)
class Block:
    """A box that stands fast. Screens stand before the plane and touch nothing."""

    centre: tuple[float, float]  # x, z
    half: tuple[float, float]
    colour: np.ndarray
    screen: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """Where a prop is in the first frame and how it moves."""

    x: float
    z: float
    vx: float = 0.0
    vz: float = 0.0
    roll: float = 0.0
    spin: float = 0.0


@dataclass(frozen=True)
class Stage:
    """table: x from and to. lifts (T, S) m: how far each screen is raised in each frame; None: not at all."""

    looks: Looks
    props: tuple[Prop, ...]
    blocks: tuple[Block, ...] = ()
    table: tuple[float, float] = (-6.0, 6.0)
    lifts: np.ndarray | None = field(default=None, repr=False)

    @cached_property
    def model(self) -> mujoco.MjModel:
        model = mujoco.MjModel.from_xml_string(_xml(self))
        self.looks.paint(model)
        return model

    @property
    def screens(self) -> list[Block]:
        return [block for block in self.blocks if block.screen]

    def simulate(self, starts: dict[int, Start], frames: int = FRAMES) -> np.ndarray:
        """What props that start so will do: a motion (frames, P, 3)."""
        data = mujoco.MjData(self.model)
        for i in range(len(self.props)):
            start = starts.get(i, Start(AWAY + 3 * i, 0.0))
            data.qpos[3 * i : 3 * i + 3] = start.x, start.z, start.roll
            data.qvel[3 * i : 3 * i + 3] = start.vx, start.vz, start.spin
        motion = np.full((frames, len(self.props), 3), np.nan)
        there = sorted(starts)
        for t in range(frames):
            motion[t, there] = data.qpos.reshape(-1, 3)[there]
            mujoco.mj_step(self.model, data, SUBSTEPS)
        return motion

    def draw(self, motion: np.ndarray, renderer: Renderer, lamp: np.ndarray | None = None) -> np.ndarray:
        """(T, 64, 64, 3) uint8. lamp: (T,) how bright the light is, 1 being as bright as it was made."""
        data = mujoco.MjData(self.model)
        lamp = np.ones(len(motion)) if lamp is None else lamp
        lights = [(light, light.copy()) for light in (self.model.light_ambient, self.model.light_diffuse)]
        renderer.load(self.model)
        frames = np.empty((len(motion), SIDE, SIDE, 3), np.uint8)
        for t, states in enumerate(motion):
            gone = np.isnan(states[:, 0])
            data.qpos[:] = np.where(gone[:, None], AWAY, states).ravel()
            right, up = self.looks.backdrop(t * FRAME_PERIOD)
            data.mocap_pos[0] = right, BACKDROP_Y, up
            for s, screen in enumerate(self.screens):
                data.mocap_pos[1 + s, 2] = screen.centre[1] + (0 if self.lifts is None else self.lifts[t, s])
            mujoco.mj_kinematics(self.model, data)
            mujoco.mj_camlight(self.model, data)
            for light, made in lights:
                light[:] = made * lamp[t]
            rgb, _ = renderer.draw(data, PICTURE, self.looks.position, self.looks.rotation)
            frames[t] = rgb.reshape(SIDE, 2, SIDE, 2, 3).mean((1, 3))
        for light, made in lights:
            light[:] = made
        return frames

    def hidden(self, motion: np.ndarray, prop: int) -> np.ndarray:
        """(T,) bool: is all of the prop behind one screen?"""
        behind = np.zeros(len(motion), bool)
        for s in range(len(self.screens)):
            behind |= self._behind(motion, prop, s)
        return behind

    def visible(self, motion: np.ndarray, prop: int) -> np.ndarray:
        """(T,) bool: is some of the prop in the picture and before no screen's face?"""
        u, v, r = self._circle(motion, prop)
        inside = (np.abs(u) + 0.5 * r < 1) & (np.abs(v) + 0.5 * r < 1)
        return inside & ~self.hidden(motion, prop)

    def clear(self, motion: np.ndarray, prop: int) -> np.ndarray:
        """(T,) bool: is all of the prop in the picture and off every screen?"""
        u, v, r = self._circle(motion, prop)
        free = (np.abs(u) + r < 1) & (np.abs(v) + r < 1)
        for s in range(len(self.screens)):
            left, right, low, high = self._face(len(motion), s)
            free &= (u + r < left) | (u - r > right) | (v + r < low) | (v - r > high)
        return free

    def _behind(self, motion: np.ndarray, prop: int, s: int) -> np.ndarray:
        u, v, r = self._circle(motion, prop)
        left, right, low, high = self._face(len(motion), s)
        return (u - r > left) & (u + r < right) & (v - r > low) & (v + r < high)

    def _face(self, frames: int, s: int) -> tuple[np.ndarray, ...]:
        """Left, right, low and high border of a screen's face in the picture, each (frames,)."""
        screen = self.screens[s]
        lift = np.zeros(frames) if self.lifts is None else self.lifts[:frames, s]
        (x, z), (half_x, half_z) = screen.centre, screen.half
        corners = np.array([[x + i * half_x, SCREEN_Y, z + j * half_z] for i in (-1, 1) for j in (-1, 1)])
        seen = self.looks.project(corners[None] + lift[:, None, None] * [0, 0, 1])
        return (
            seen[:, :2, 0].max(1), seen[:, 2:, 0].min(1), seen[:, [0, 2], 1].max(1), seen[:, [1, 3], 1].min(1)
        )  # fmt: skip

    def _circle(self, motion: np.ndarray, prop: int) -> tuple[np.ndarray, np.ndarray, float]:
        """Where a prop is in the picture (T,), (T,), and its radius there."""
        x, z = motion[:, prop, 0], motion[:, prop, 1]
        centre = self.looks.project(np.stack([x, np.zeros_like(x), z], -1))
        side = self.looks.project(np.array([self.props[prop].reach, 0, 0.5]))[0]
        side -= self.looks.project(np.array([0.0, 0, 0.5]))[0]
        return centre[:, 0], centre[:, 1], 1.05 * side


def _xml(stage: Stage) -> str:
    textures = [
        f'<texture name="t{i}" type="2d" builtin="flat" width="{n}" height="{n}"/>' for i, n in enumerate(TEXTURES)
    ] + [f'<texture name="p{i}" type="cube" builtin="flat" width="32" height="192"/>' for i in range(PROP_TEXTURES)]
    repeats = ("8 1", "5 1", "7 5")
    materials = [
        f'<material name="t{i}" texture="t{i}" texrepeat="{repeat}" specular="0.1"/>'
        for i, repeat in enumerate(repeats)
    ] + [f'<material name="p{i}" texture="p{i}" specular="0.1"/>' for i in range(PROP_TEXTURES)]
    meshes = [_mesh(i, stage.props[i] if i < len(stage.props) else None) for i in range(MAX_PROPS)]
    low, high = stage.table
    world = [
        stage.looks.lights,
        f'<geom type="box" size="8 1.5 0.1" pos="0 0 {GROUND - 0.1}" material="t1" {FAST}/>',
        f'<geom type="box" size="{(high - low) / 2:.4f} 0.45 {TABLE / 2}" material="t0"'
        f' pos="{(low + high) / 2:.4f} 0.05 {-TABLE / 2}" {FAST}/>',
        '<body mocap="true"><geom type="box" size="9 7 0.05" xyaxes="1 0 0 0 0 1" material="t2"'
        ' contype="0" conaffinity="0"/></body>',
    ]
    for screen in stage.screens:
        world.append(
            f'<body mocap="true" pos="{screen.centre[0]:.4f} {SCREEN_Y} {screen.centre[1]:.4f}">'
            f'<geom type="box" size="{screen.half[0]:.4f} 0.02 {screen.half[1]:.4f}" rgba="{_v(screen.colour)} 1"'
            ' contype="0" conaffinity="0"/></body>'
        )
    for block in stage.blocks:
        if not block.screen:
            world.append(
                f'<geom type="box" size="{block.half[0]:.4f} 0.3 {block.half[1]:.4f}" pos="{block.centre[0]:.4f} 0'
                f' {block.centre[1]:.4f}" rgba="{_v(block.colour)} 1" {FAST}/>'
            )
    world += [_prop(i, prop) for i, prop in enumerate(stage.props)]
    return (
        f'<mujoco><compiler angle="radian"/><option timestep="{FRAME_PERIOD / SUBSTEPS:.8f}"'
        ' integrator="implicitfast"/>'
        '<statistic extent="1" center="0 0 0.5"/><size memory="1M"/>'
        '<visual><quality offsamples="0" shadowsize="0" numslices="20" numstacks="12" numquads="4"/>'
        '<headlight active="0"/></visual>'
        f"<asset>{''.join(textures + materials + meshes)}</asset><worldbody>{''.join(world)}</worldbody></mujoco>"
    )


# Stiff and lightly damped: what hits something bounces off with about two thirds of its speed.
BOUNCE = 'solref="-6000 -16" solimp="0.95 0.99 0.001"'
FAST = f'contype="1" conaffinity="2" condim="1" {BOUNCE}'


_SQUARE = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
_HEXAGON = [(np.cos(a), np.sin(a)) for a in np.arange(6) * np.pi / 3]
# Corners for half a side of 1, from the origin of the prop.
CORNERS = {
    "pyramid": [(x, y, -0.7) for x, y in _SQUARE] + [(0, 0, 1.7)],
    "prism": [(x, y, z) for x, z in _HEXAGON for y in (-1, 1)],
    "diamond": [(x, y, 0) for x, y in _SQUARE] + [(0, 0, 1.3), (0, 0, -1.0)],
    "wedge": [(x, y, z) for x, z in ((-0.9, -0.6), (0.9, -0.6), (-0.9, 1.1)) for y in (-1, 1)],
    "frustum": [(x, y, -0.8) for x, y in _SQUARE] + [(0.4 * x, 0.4 * y, 0.9) for x, y in _SQUARE],
}


def _mesh(i: int, prop: Prop | None) -> str:
    """Every model has a mesh for every prop it could have, so that one rendering context serves all stages."""
    shape, size = (prop.shape, prop.size) if prop is not None and prop.shape in CORNERS else ("diamond", 1.0)
    corners = " ".join(f"{size * c:.4f}" for corner in CORNERS[shape] for c in corner)
    return f'<mesh name="m{i}" vertex="{corners}"/>'


def _prop(i: int, prop: Prop) -> str:
    s = prop.size
    geom = {
        "ball": f'type="sphere" size="{s}"',
        "cube": f'type="box" size="{s} {s} {s}"',
        "drum": f'type="cylinder" size="{0.7 * s:.4f} {s:.4f}"',
        "egg": f'type="ellipsoid" size="{1.1 * s:.4f} {0.75 * s:.4f} {0.75 * s:.4f}"',
        "slab": f'type="box" size="{1.1 * s:.4f} {s} {0.5 * s:.4f}"',
        "pillar": f'type="box" size="{0.55 * s:.4f} {0.55 * s:.4f} {1.1 * s:.4f}"',
        "capsule": f'type="capsule" size="{0.55 * s:.4f} {0.55 * s:.4f}"',
    }.get(prop.shape, f'type="mesh" mesh="m{i}"')
    friction = 'condim="3" friction="0.8 0 0"' if prop.grip else 'condim="1"'
    return (
        f'<body name="prop{i}" pos="0 0 0"><joint type="slide" axis="1 0 0"/><joint type="slide" axis="0 0 1"/>'
        f'<joint type="hinge" axis="0 1 0"/><geom {geom} mass="{prop.mass}" material="p{prop.texture}"'
        f' rgba="{_v(prop.colour)} 1" contype="2" conaffinity="3" {friction} {BOUNCE}/></body>'
    )


def _v(values) -> str:
    return " ".join(f"{v:.4f}" for v in values)
