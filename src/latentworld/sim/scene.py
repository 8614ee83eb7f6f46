"""From a room to a MuJoCo model: floor, walls, ledge, obstacles, lights and base, and which geom belongs to what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..robot import Base
from .base import base_xml, drive_xml, mesh_xml
from .engine import mujoco
from .furniture import Part
from .movers import Mover
from .room import LEDGE_DROP, WALL_HEIGHT, Obstacle, Room
from .textures import colour, pattern, surface

WALL = 0.1  # thickness (m)
TIMESTEP = 0.005  # s
LOOK = 1  # mixed into the seed, so that looks and layout are drawn apart

# Geom groups that some or all pictures leave out.
BASE, CEILING, HULLS = 3, 4, 5

# What stands fast is drawn as its parts and touched as its footprint, this high (m): the base passes under nothing.
HULL = 0.5

# What a touched geom belongs to; obstacle i of the room is OBSTACLE + i, mover i MOVER + i;
# doors, windows and pictures, which are never touched, PICTURE + 10 wall + n.
NOTHING, FLOOR, ROBOT, WALLS = 0, 1, 2, 3
OBSTACLE, MOVER, PICTURE = 7, 1007, 2007

# Every room has the same textures in the same sizes, so that one rendering context serves all rooms.
FLOOR_TEXTURE, WALL_TEXTURES, OBJECT_TEXTURES = 128, (64, 64), (32,) * 6

# What collides with what: the base's wheels, casters and chassis (bit 1) with the floor; crates (bit 2) with the floor,
# walls, obstacles and each other; the base's bumper (bit 4) with all but the floor.
GROUND = 'contype="0" conaffinity="3"'
STATIC = 'contype="0" conaffinity="6"'
MOVABLE = 'contype="2" conaffinity="6"'
GHOST = 'contype="0" conaffinity="0"'


@dataclass(frozen=True, slots=True)
class Scene:
    """model: MuJoCo model. owner: (geoms,) what each belongs to. pushables: (obstacle index, body id) pairs. movers:
    index of each among the bodies that are carried.
    """

    room: Room
    model: mujoco.MjModel
    owner: np.ndarray
    pushables: tuple[tuple[int, int], ...]
    movers: tuple[int, ...]


def build_scene(room: Room, base: Base, photographs: Sequence[np.ndarray] = ()) -> Scene:
    """photographs: pictures that surfaces are covered with; none: drawn patterns alone."""
    rng = np.random.default_rng([room.seed, LOOK])
    model = mujoco.MjModel.from_xml_string(_xml(room, base, rng, by_metre=bool(photographs)))
    _paint(model, rng, photographs)
    owner = np.array([_owner(model.geom(i).name) for i in range(model.ngeom)], dtype=np.int64)
    pushables = tuple((i, model.body(f"pushable{i}").id) for i, o in enumerate(room.obstacles) if o.mass)
    carried = tuple(int(model.body_mocapid[model.body(f"mover{i}").id]) for i in range(len(room.movers)))
    return Scene(room, model, owner, pushables, carried)


def _owner(name: str) -> int:
    kind, _, rest = name.partition(":")
    if kind == "obstacle":
        return OBSTACLE + int(rest.split(":")[0])
    if kind == "mover":
        return MOVER + int(rest.split(":")[0])
    if kind == "wall":
        return WALLS + int(rest)
    if kind == "picture":
        return PICTURE + int(rest)
    return {"floor": FLOOR, "robot": ROBOT}.get(kind, NOTHING)


def _xml(room: Room, base: Base, rng: np.random.Generator, by_metre: bool) -> str:
    """by_metre: textures of walls repeat as often a metre as those of the floor, not as often a wall."""
    sizes = (FLOOR_TEXTURE, *WALL_TEXTURES)
    textures = [
        f'<texture name="t{i}" type="2d" builtin="flat" width="{n}" height="{n}"/>' for i, n in enumerate(sizes)
    ]
    textures += [
        f'<texture name="t{len(sizes) + i}" type="cube" builtin="flat" width="{n}" height="{6 * n}"/>'
        for i, n in enumerate(OBJECT_TEXTURES)
    ]
    floor, bricks, paper = rng.uniform(0.4, 1.2), rng.uniform(2, 4), rng.uniform(1, 2)
    repeat = [(floor, floor), (bricks, bricks / 2), (paper, paper / 2)]
    if by_metre:
        repeat[1:] = [(often, often) for often in rng.uniform(0.3, 1.2, len(WALL_TEXTURES))]
    repeat += [(1, 1)] * len(OBJECT_TEXTURES)
    uniform = [True] + [by_metre] * len(WALL_TEXTURES) + [False] * len(OBJECT_TEXTURES)
    materials = [
        f'<material name="m{i}" texture="t{i}" texrepeat="{_v(repeat[i])}" texuniform="{str(uniform[i]).lower()}"'
        ' specular="0.1" shininess="0.1"/>'
        for i in range(len(textures))
    ]
    body = [*_lights(room, rng), *_floor(room, rng), *_walls(room, rng), *_decoration(room, rng)]
    for i, obstacle in enumerate(room.obstacles):
        body += _obstacle(i, obstacle, rng)
    for i, mover in enumerate(room.movers):
        body.append(_mover(i, mover, rng))
    return (
        f'<mujoco><compiler angle="radian"/><option timestep="{TIMESTEP}" integrator="implicitfast" iterations="20"/>'
        '<statistic extent="1" center="0 0 0.5"/><size memory="2M"/>'
        '<visual><quality offsamples="0" shadowsize="0" numslices="20" numstacks="10" numquads="4"/>'
        '<headlight active="0"/></visual>'
        f"<asset>{''.join(textures + materials)}{mesh_xml(base)}</asset>"
        f"<worldbody>{''.join(body)}{base_xml(base)}</worldbody>"
        f"{drive_xml(base)}</mujoco>"
    )


class Light(NamedTuple):
    """What fills a room, from a direction, and one lamp; warm or cold. ambient, filling, lamp: (3,) colours."""

    ambient: np.ndarray
    filling: np.ndarray
    lamp: np.ndarray
    place: np.ndarray
    direction: np.ndarray


def draw_light(room: Room, rng: np.random.Generator) -> Light:
    fill, level = rng.uniform(0.4, 0.6), rng.uniform(0.55, 0.9)
    tint = 1 + rng.uniform(-0.12, 0.12, 3)
    place = np.append(rng.uniform(-0.4, 0.4, 2) * room.size, WALL_HEIGHT - 0.3)
    direction = np.append(rng.uniform(-0.8, 0.8, 2), -1)
    return Light(fill * tint, 0.4 * level * tint, 0.8 * level * tint, place, direction)


def relight(model: mujoco.MjModel, light: Light) -> None:
    """Put another light into a scene that was built."""
    model.light_dir[0] = light.direction / np.linalg.norm(light.direction)
    model.light_ambient[0], model.light_diffuse[0] = light.ambient, light.filling
    model.light_pos[1], model.light_diffuse[1] = light.place, light.lamp


def _lights(room: Room, rng: np.random.Generator) -> list[str]:
    light = draw_light(room, rng)
    x, y, z = light.place
    dx, dy, dz = light.direction
    return [
        f'<light type="directional" dir="{dx:.3f} {dy:.3f} {dz:g}" castshadow="false" ambient="{_v(light.ambient)}"'
        f' diffuse="{_v(light.filling)}" specular="0 0 0"/>',
        f'<light type="point" pos="{x:.3f} {y:.3f} {z:g}" castshadow="false" attenuation="1 0 0.03"'
        f' ambient="0 0 0" diffuse="{_v(light.lamp)}" specular="0.1 0.1 0.1"/>',
    ]


def _floor(room: Room, rng: np.random.Generator) -> list[str]:
    """Slabs half a wall thicker than the room; where there is a ledge its strip is missing and lies lower."""
    half = np.array(room.size) / 2 + WALL
    low, high = -half, half.copy()
    geoms = []
    ledge = room.ledge
    if ledge is not None:
        strip_low, strip_high = low.copy(), high.copy()
        if ledge.side > 0:
            high[ledge.axis] = strip_low[ledge.axis] = ledge.edge
        else:
            low[ledge.axis] = strip_high[ledge.axis] = ledge.edge
        shade = 0.55 * colour(rng, (0.5, 1.0), 0.4)
        geoms.append(_slab("floor:strip", strip_low, strip_high, -LEDGE_DROP, shade))
        side = 0.4 * colour(rng, (0.5, 1.0), 0.8)
        face_low, face_high = low.copy(), high.copy()
        if ledge.side > 0:
            face_low[ledge.axis], face_high[ledge.axis] = ledge.edge - 0.02, ledge.edge + 0.002
        else:
            face_low[ledge.axis], face_high[ledge.axis] = ledge.edge - 0.002, ledge.edge + 0.02
        centre, extent = (face_low + face_high) / 2, (face_high - face_low) / 2
        geoms.append(
            f'<geom name="side" type="box" size="{_v(extent)} {LEDGE_DROP / 2}" rgba="{_v(side)} 1"'
            f' pos="{_v(centre)} {-LEDGE_DROP / 2 - 0.001}" {GHOST}/>'
        )
    return [_slab("floor:main", low, high, 0.0, None), *geoms]


def _slab(name: str, low: np.ndarray, high: np.ndarray, top: float, shade: np.ndarray | None) -> str:
    centre, extent = (low + high) / 2, (high - low) / 2
    look = 'material="m0"' if shade is None else f'material="m0" rgba="{_v(shade)} 1"'
    return (
        f'<geom name="{name}" type="box" size="{_v(extent)} 0.2" pos="{_v(centre)} {top - 0.2}"'
        f' friction="0.4" {look} {GROUND}/>'
    )


def _wall_frames(room: Room):
    """(index, normal, tangent, distance, half length) of the four walls; normals point outwards."""
    for index in range(4):
        axis, side = divmod(index, 2)
        normal = np.zeros(2)
        normal[axis] = 2 * side - 1
        yield index, normal, np.array([-normal[1], normal[0]]), room.size[axis] / 2, room.size[1 - axis] / 2


def _panel(name: str, normal, tangent, at, along, z, half, thickness, look) -> str:
    """A box whose local z is the wall's normal, so that flat textures lie on its face."""
    centre = (at + thickness / 2) * normal + along * tangent
    return (
        f'<geom name="{name}" type="box" size="{half[0]:.4f} {half[1]:.4f} {thickness / 2}"'
        f' pos="{_v(centre)} {z:.4f}" xyaxes="{_v(tangent)} 0 0 0 1" {look}/>'
    )


def _walls(room: Room, rng: np.random.Generator) -> list[str]:
    foot = -LEDGE_DROP if room.ledge is not None else -0.05
    height, middle = (WALL_HEIGHT - foot) / 2, (WALL_HEIGHT + foot) / 2
    tint = colour(rng, (0.75, 1.0), 0.3)
    geoms = []
    for index, normal, tangent, at, half in _wall_frames(room):
        shade = tint if rng.random() < 0.7 else colour(rng, (0.6, 1.0), 0.5)
        look = f'material="m{1 + (rng.random() < 0.3)}" rgba="{_v(shade)} 1" friction="0.3" {STATIC}'
        geoms.append(_panel(f"wall:{index}", normal, tangent, at, 0.0, middle, (half + WALL, height), WALL, look))
    half = np.array(room.size) / 2
    geoms.append(
        f'<geom name="ceiling" type="box" size="{_v(half)} 0.05" pos="0 0 {WALL_HEIGHT + 0.05}" group="{CEILING}"'
        f' rgba="{_v(colour(rng, (0.8, 1.0), 0.1))} 1" {GHOST}/>'
    )
    return geoms


def _decoration(room: Room, rng: np.random.Generator) -> list[str]:
    """Doors, windows and pictures: flat, and what tells one wall from another."""
    geoms = []
    for index, normal, tangent, at, half in _wall_frames(room):
        for n in range(rng.integers(0, 3)):
            door = rng.random() < 0.3
            width, height = (0.4, 0.95) if door else rng.uniform(0.15, 0.6, 2)
            z = 0.95 if door else rng.uniform(0.7, 1.3) + height / 2
            along = rng.uniform(-1, 1) * (half - width)
            look = f'rgba="{_v(colour(rng, (0.2, 1.0)))} 1" {GHOST}'
            thickness = 0.01 * (1 + n)
            name, half_size = f"picture:{index}{n}", (width, height)
            geoms.append(_panel(name, normal, tangent, at - thickness, along, z, half_size, thickness, look))
    return geoms


def _obstacle(index: int, obstacle: Obstacle, rng: np.random.Generator) -> list[str]:
    first = 1 + len(WALL_TEXTURES)
    looks = [
        f'material="m{first + rng.integers(len(OBJECT_TEXTURES))}" rgba="{_v(colour(rng, (0.7, 1.0), 0.5))} 1"'
        for _ in range(2)
    ]
    shape, mass = obstacle.shape, obstacle.mass
    owner = f"obstacle:{index}"
    place = f'pos="{obstacle.x:.5f} {obstacle.y:.5f} 0" euler="0 0 {obstacle.yaw:.6f}"'
    if mass is not None:
        contact = f'{MOVABLE} friction="0.35" mass="{mass / len(shape.parts):.4f}"'
        parts = [_part(f"{owner}:{n}", part, f"{looks[part.accent]} {contact}") for n, part in enumerate(shape.parts)]
        return [f'<body name="pushable{index}" {place}><freejoint/>{"".join(parts)}</body>']
    parts = [_part(f"{owner}:{n}", part, f"{looks[part.accent]} {GHOST}") for n, part in enumerate(shape.parts)]
    if shape.radius is None:
        hull = Part("box", (*shape.half, HULL / 2), (0, 0, HULL / 2))
    else:
        hull = Part("cylinder", (shape.radius, HULL / 2), (0, 0, HULL / 2))
    parts.append(_part(owner, hull, f'group="{HULLS}" friction="0.35" {STATIC}'))
    return [f'<body name="obstacle{index}" {place}>{"".join(parts)}</body>']


def _mover(index: int, mover: Mover, rng: np.random.Generator) -> str:
    """Carried along its course, it touches the base and crates; they do not move it."""
    first = 1 + len(WALL_TEXTURES)
    looks = [
        f'material="m{first + rng.integers(len(OBJECT_TEXTURES))}" rgba="{_v(colour(rng, (0.7, 1.0), 0.9))} 1"'
        for _ in range(2)
    ]
    parts = [
        _part(f"mover:{index}:{n}", part, f'{looks[part.accent]} friction="0.35" {STATIC}')
        for n, part in enumerate(mover.parts)
    ]
    x, y, yaw = mover.pose(0.0)
    return (
        f'<body name="mover{index}" mocap="true" pos="{x:.5f} {y:.5f} 0" euler="0 0 {yaw:.6f}">{"".join(parts)}</body>'
    )


def _part(name: str, part: Part, attributes: str) -> str:
    return f'<geom name="{name}" type="{part.shape}" size="{_v(part.size)}" pos="{_v(part.position)}" {attributes}/>'


def _paint(model: mujoco.MjModel, rng: np.random.Generator, photographs: Sequence[np.ndarray]) -> None:
    for texture in range(model.ntex):
        n = int(model.tex_width[texture])
        saturation = 0.9 if texture > len(WALL_TEXTURES) else 0.5
        image = surface(rng, n, saturation, photographs) if photographs else pattern(rng, n, saturation)
        faces = int(model.tex_height[texture]) // n
        start = int(model.tex_adr[texture])
        model.tex_data[start : start + 3 * n * n * faces] = np.tile(image, (faces, 1, 1)).ravel()


def _v(values) -> str:
    return " ".join(f"{v:.5f}" for v in values)
