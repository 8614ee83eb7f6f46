"""A description of a robot made from what was heard of it on the ROS graph, and what is said about that. No ROS."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from latentworld.description.body import drive, floor_below, outline, points_in
from latentworld.description.cameras import COLOUR, GREY, cameras
from latentworld.description.heard import Heard, Scan
from latentworld.description.place import Notes, Place, mount_of
from latentworld.geometry import polygon_distance
from latentworld.robot import Base, BaseKind, Lidar, Robot
from latentworld.robot_urdf import Frames, Urdf, joints_to, parse
from latentworld.types import LatentworldError

# Limits that no message says, for a body of which nothing is known but that it drives indoors
CAUTIOUS = {
    "max_linear": (0.3, "m/s"), "max_reverse": (0.1, "m/s"), "max_angular": (1.0, "rad/s"),
    "acceleration": (0.5, "m/s^2"), "angular_acceleration": (2.0, "rad/s^2"), "latency": (0.1, "s"),
}  # fmt: skip
LATERAL = 0.2  # m/s, likewise
RADIUS, HEIGHT = 0.3, 0.5  # m, of a body that says nothing about itself
OFF_CENTRE = 0.02  # m from base_link to the point around which the wheels turn
BASES = ("base_footprint", "base_link")


@dataclass(frozen=True)
class Description:
    """A robot with what was found of it and what is missing; what was assumed stands in the robot."""

    robot: Robot
    found: tuple[str, ...]
    missing: tuple[str, ...]


def describe(heard: Heard) -> Description:
    """What is not said is assumed, cautiously, and listed; nothing here raises for what a robot leaves out."""
    notes = Notes(missing=list(heard.said))
    urdf, frames = _urdf(heard, notes), Frames()
    if urdf is not None:
        joints_to(urdf, frames)
    for child, (parent, matrix) in heard.transforms.items():
        frames.put(parent, child, matrix)
    place = _place(heard, urdf, frames, notes)
    base = _base(urdf, place, notes)
    seen = cameras(list(heard.pictures.values()), heard.infos, place, notes)
    lidars = tuple(_lidar(topic, scan, place, notes) for topic, scan in sorted(heard.scans.items()))
    if not seen:
        packed = f", {', '.join(sorted(heard.packed))} compressed only" if heard.packed else ""
        notes.missing.append(
            f"cameras: expected sensor_msgs/Image with {', '.join((*COLOUR, *GREY))}, got none{packed}"
        )
    _topics(heard, seen, notes)
    if heard.bumpers:
        notes.found.append(f"bumper ({', '.join(sorted(heard.bumpers))})")
    name = urdf.name if urdf is not None and urdf.name else "robot"
    robot = Robot(name, base, seen, lidars, bool(heard.bumpers), tuple(dict.fromkeys(notes.assumed)))
    return Description(robot, tuple(notes.found), tuple(notes.missing))


def _urdf(heard: Heard, notes: Notes) -> Urdf | None:
    if not heard.urdf:
        notes.missing.append("robot_description: expected URDF (std_msgs/String, transient local), got none")
        return None
    try:
        return parse(heard.urdf)
    except LatentworldError as error:
        notes.missing.append(str(error))
        return None


def _place(heard: Heard, urdf: Urdf | None, frames: Frames, notes: Notes) -> Place:
    """The frame of the base, and where the floor is below it."""
    travelled = [travel.frame for _, travel in sorted(heard.odometry.items(), key=lambda t: (len(t[0]), t[0]))]
    known = [frames.find(name) for name in (BASES[0], *travelled, BASES[1]) if name]
    base = next((name for name in known if name), None)
    if base is None:
        children = {joint.child for joint in urdf.joints} if urdf is not None else set()
        roots = [link for link in urdf.links if link not in children] if urdf is not None else []
        base = roots[0] if roots else BASES[1]
        notes.missing.append(f"transforms: expected base_footprint or base_link, got neither; {base} is taken")
    if base.rsplit("/", 1)[-1] == BASES[0]:
        return Place(frames, base, 0.0)
    floor, by = floor_below(urdf, frames, base) if urdf is not None else (0.0, "")
    if by != "wheels":
        how = f"the {by} ends there" if by else "nothing says otherwise"
        notes.assumed.append(f"base: the floor is {-floor:.3f} m below {base}: {how}")
    return Place(frames, base, floor)


def _base(urdf: Urdf | None, place: Place, notes: Notes) -> Base:
    values: dict[str, object] = {name: value for name, (value, _) in CAUTIOUS.items()}
    said = [f"{name} {value:g} {unit}" for name, (value, unit) in CAUTIOUS.items()]
    if urdf is None:
        notes.assumed.append(f"base: differential, round, radius {RADIUS} m, height {HEIGHT} m, mass {Base().mass} kg")
        notes.assumed.append(f"base: {', '.join(said)}: no message tells limits")
        return Base(radius=RADIUS, height=HEIGHT, **values)
    body = drive(urdf, place.frames, place.base)
    values |= {"kind": body.kind} | _body(urdf, place, notes)
    if body.kind == BaseKind.OMNIDIRECTIONAL:
        values["max_lateral"] = LATERAL
        said.append(f"max_lateral {LATERAL:g} m/s")
    if body.kind == BaseKind.ACKERMANN:
        values |= {"wheelbase": body.wheelbase, "turning_radius": body.turning_radius}
        notes.found.append(f"wheelbase {body.wheelbase} m, turning radius {body.turning_radius} m (URDF)")
    (notes.found if body.known else notes.assumed).append(f"base: {body.kind.value}: {body.said}")
    notes.assumed += body.assumed
    if body.centre is not None and abs(body.centre) > OFF_CENTRE:
        notes.missing.append(
            f"base: expected the point around which it turns at x = 0 of {place.base}, got {body.centre:.3f} m: is its "
            "odometry of another frame?"
        )
    notes.assumed.append(f"base: {', '.join(said)}: no message tells limits")
    return Base(**values)


def _body(urdf: Urdf, place: Place, notes: Notes) -> dict[str, object]:
    """Footprint or radius, height and mass."""
    values: dict[str, object] = {}
    points = points_in(urdf, place.frames, place.base)
    if urdf.meshes:
        some = ", ".join(urdf.meshes[:4]) + (f" and {len(urdf.meshes) - 4} more" if len(urdf.meshes) > 4 else "")
        notes.missing.append(f"base.footprint: meshes are not read: {some} count only as far as boxes, cylinders and "
                             "spheres cover them")  # fmt: skip
    if urdf.mass > 0:
        values["mass"] = round(urdf.mass, 2)
    else:
        notes.assumed.append(f"base.mass {Base().mass} kg")
    radius, corners = outline(points) if len(points) >= 3 else (None, ())
    if radius is None and len(corners) >= 3 and polygon_distance(np.array(corners), np.zeros(2)) >= 0:
        radius, corners = round(float(np.hypot(*np.array(corners).T).max()), 3), ()
        notes.assumed.append(f"base.radius {radius} m: the shapes of the URDF do not lie around {place.base}")
    if radius is None and len(corners) < 3:
        notes.assumed.append(f"base: round, radius {RADIUS} m, height {HEIGHT} m: the URDF has no shapes but meshes")
        return values | {"radius": RADIUS, "height": HEIGHT}
    values["height"] = max(round(float(points[:, 2].max()) - place.floor, 3), 0.05)
    values |= {"radius": radius} if radius is not None else {"footprint": corners}
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    size = f"radius {radius} m" if radius is not None else "{:.2f} m long, {:.2f} m wide".format(*(high - low))
    notes.found.append(f"body: {size}, {values['height']} m high (URDF)")
    return values


def _lidar(topic: str, scan: Scan, place: Place, notes: Notes) -> Lidar:
    name = topic.strip("/").replace("/", "_")
    matrix = place.matrix(scan.frame)
    if matrix is None:
        notes.assumed.append(
            f"lidar {name}: mount 0.2 m above the floor: nothing connects {place.base} with '{scan.frame}'"
        )
        matrix = np.eye(4)
        matrix[2, 3] = 0.2
    rate = scan.timing.rate
    if rate is None:
        notes.assumed.append(f"lidar {name}: rate 10 Hz: fewer than three scans came on {topic}")
    lidar = Lidar(
        mount_of(matrix), round(scan.first, 4), round(scan.last, 4), scan.beams, round(scan.least, 3),
        round(scan.most, 3), rate or 10.0, name,
    )  # fmt: skip
    across = math.degrees(abs(lidar.last - lidar.first))
    notes.found.append(f"lidar {name}: {lidar.beams} beams across {across:.0f} degrees, to {lidar.most:g} m, "
                       f"{lidar.mount.z:.2f} m above the floor ({topic})")  # fmt: skip
    return lidar


def _topics(heard: Heard, seen: tuple, notes: Notes) -> None:
    """Odometry and commands: they stand in no description, but without them nothing drives."""
    if not heard.odometry:
        notes.missing.append("odometry: expected nav_msgs/Odometry, got none")
    for topic, travel in sorted(heard.odometry.items()):
        rate = f", {travel.timing.rate:g} Hz" if travel.timing.rate else ""
        notes.found.append(f"odometry of {travel.frame or 'no frame'}{rate} ({topic})")
    if not heard.commands:
        notes.missing.append("commands: expected a subscriber of cmd_vel (Twist or TwistStamped), got none")
    for topic, kinds in sorted(heard.commands.items()):
        stamped = any(kind.endswith("TwistStamped") for kind in kinds)
        if len(kinds) > 1:
            notes.missing.append(f"{topic}: expected one type, got {' and '.join(sorted(kinds))}")
        notes.found.append(
            f"commands: {' '.join(sorted(kinds))}, enable_stamped_cmd_vel: {str(stamped).lower()} ({topic})"
        )
