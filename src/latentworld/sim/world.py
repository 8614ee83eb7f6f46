"""The embedded world: a room, a robot in it, and what its sensors say. No ROS, no model; seeded and deterministic."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .. import robot_file
from ..geometry import relative
from ..robot import BaseKind, Robot
from ..types import Frame, LatentworldError, Odometry, stamp_of, turn
from .base import Odometer, make_drive
from .camera import Renderer
from .engine import mujoco
from .episode import DISTANCE, Episode, RoomMaker, generate_episode
from .movers import Course
from .room import generate_room
from .scene import MOVER, NOTHING, OBSTACLE, PICTURE, ROBOT, TIMESTEP, WALLS, build_scene, draw_light, relight
from .sensors import SimulatedCamera

PERIOD = 0.1  # s from one command to the next
CARRIED = 4  # steps of physics from one move of what moves by itself to the next
SEPARATE = 0.5  # s without contact after which the next one counts as another
FAR = 1e3  # m: where what is gone is kept
FALLEN = math.cos(math.radians(25))  # least upward component of the base's axis
SHOWN, TELLING = 0.02, 2  # share of a picture on which a thing counts as shown; things that tell where one is
SENSORS, DEPTH, LIGHT = 2, 3, 4  # mixed into the seed, so that each noise is a stream of its own


@dataclass(frozen=True, slots=True)
class Truth:
    """What really happened, for scoring and training targets only.

    pose: (x, y, yaw) in ``odom``. contact: the base touched anything but the floor during the last step. dropped: it
    fell off the ledge or over. contacts: separate touches since the reset.
    """

    pose: np.ndarray
    contact: bool
    dropped: bool
    contacts: int


class World:
    """A robot in a room; ``robot`` is the shipped one where none is given. All poses and points are in ``odom``, which
    lies at the start pose of the episode.

    seed: the room (see ``room.py`` for which seeds are for training). blocked: whether the straight way to the goal is
    hit by an obstacle or the ledge, None for either. moving: how many things move by themselves, as far as they find
    room. distance: metres from start to goal, least and most. rooms: what makes a room of a seed. photographs: pictures
    (height, width, 3) uint8 that surfaces are covered with, besides drawn patterns.

    Use it from one thread: the camera's OpenGL context belongs to it.
    """

    def __init__(
        self,
        seed: int,
        blocked: bool | None = None,
        image_size: int | None = None,
        moving: int = 0,
        distance: tuple[float, float] = DISTANCE,
        robot: Robot | None = None,
        rooms: RoomMaker = generate_room,
        photographs: Sequence[np.ndarray] = (),
    ) -> None:
        if image_size is not None and image_size < 1:
            raise LatentworldError(f"image_size: expected at least 1 pixel, got {image_size}")
        self.robot = robot or robot_file.load()
        self.base = self.robot.base
        self._rooms, self._photographs = rooms, photographs
        self._width = image_size
        self._renderer = Renderer()
        self.reset(seed, blocked, moving, distance)

    def reset(
        self, seed: int, blocked: bool | None = None, moving: int = 0, distance: tuple[float, float] = DISTANCE
    ) -> None:
        """Another room (or the same again), the robot at its start."""
        if seed < 0:
            raise LatentworldError(f"seed: expected 0 or more, got {seed}")
        self.seed = int(seed)
        self.begin(generate_episode(self.seed, self.base, blocked, moving, distance, self._rooms))

    def begin(self, episode: Episode) -> None:
        """This room, start and goal instead of those that a seed gives."""
        self._episode = episode
        self.room, self.blocked = self._episode.room, self._episode.blocked
        start = self._episode.start
        self._origin, self._turn = start[:2].copy(), float(start[2])
        self._rotation = _rotation(self._turn)
        self.start, self.goal = np.zeros(3), self.from_room(self._episode.goal)
        self.path = self.from_room(self._episode.path)

        self._scene = build_scene(self.room, self.base, self._photographs)
        self._model, self._data = self._scene.model, mujoco.MjData(self._scene.model)
        self._renderer.load(self._scene.model)
        self._footprints = self.room.footprints()
        self._rows = [(self.room.box_row(self.room.obstacles[i]), body) for i, body in self._scene.pushables]
        self._base = self._model.body("base").id
        self._joint = int(self._model.jnt_qposadr[self._model.body_jntadr[self._base]])
        self._speed = int(self._model.jnt_dofadr[self._model.body_jntadr[self._base]])
        joints = [self._model.joint(name) for name in ("left", "right")] if self._rolls else []
        self._wheels = [int(joint.qposadr[0]) for joint in joints]
        self._wheel_speeds = [int(joint.dofadr[0]) for joint in joints]

        self._courses = [Course(mover) for mover in self.room.movers]

        rng = np.random.default_rng([self.seed, SENSORS])
        self.cameras = [SimulatedCamera(camera, rng, self._width) for camera in self.robot.cameras]
        self._odometry = Odometer(self.base, rng)
        self._drive = make_drive(self.base, TIMESTEP)
        late = max((camera.latency for camera in self.robot.cameras), default=0.0)
        self._past: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=round(late / TIMESTEP) + 1)  # poses of the base
        self._steps, self._contacts = 0, 0
        self._touched = np.full(int(self._scene.owner.max()) + 1, -math.inf)
        self.set_pose(0.0, 0.0, 0.0)

    def close(self) -> None:
        """Frees the camera's OpenGL context."""
        self._renderer.close()

    # -- time and motion

    @property
    def time_ns(self) -> int:
        """Time since the reset (ns)."""
        return stamp_of(self._steps * TIMESTEP)

    @property
    def period(self) -> float:
        """Seconds from one frame of the slowest camera to the next, and from one command to the next."""
        return max([PERIOD, *(1 / camera.rate for camera in self.robot.cameras)])

    def step(self, linear: float, angular: float, lateral: float = 0.0, period: float | None = None) -> None:
        """Drives for ``period`` seconds (none: until the next frame) with this command (m/s, rad/s, m/s to the left),
        limited to what the base can do.
        """
        command = (float(linear), float(angular), float(lateral))
        if not all(map(math.isfinite, command)):
            raise LatentworldError(f"command: expected finite velocities, got linear {linear}, angular {angular}")
        model, data = self._model, self._data
        count = max(round((period or self.period) / TIMESTEP), 1)
        self._contact = False
        before = self._planar_pose()
        for _ in range(count):
            self._drive.push(model, data, command)
            if self._courses and self._steps % CARRIED == 0:
                self._carry_movers()
            mujoco.mj_step(model, data)
            self._steps += 1
            self._note_contacts()
            if self._past.maxlen > 1:
                mujoco.mj_kinematics(model, data)
                self._note_pose()
        mujoco.mj_kinematics(model, data)
        if self._past.maxlen == 1:
            self._note_pose()
        if self._rolls:
            self._odometry.update(data.qpos[self._wheels], count * TIMESTEP)
        else:
            self._odometry.moved(relative(before, self._planar_pose()), count * TIMESTEP)

    @property
    def _rolls(self) -> bool:
        """Whether it has wheels that turn."""
        return self.base.kind == BaseKind.DIFFERENTIAL

    def _planar_pose(self) -> np.ndarray:
        rotation = self._data.xmat[self._base]
        return np.array([*self._data.xpos[self._base, :2], math.atan2(rotation[3], rotation[0])])

    def _note_pose(self) -> None:
        self._past.append((self._data.xpos[self._base].copy(), self._data.xmat[self._base].reshape(3, 3).copy()))

    def set_pose(self, x: float, y: float, yaw: float) -> None:
        """Puts the base here (``odom``), at rest, and restarts odometry there; nothing else in the room moves."""
        data, j, v = self._data, self._joint, self._speed
        px, py, heading = self.to_room(np.array([x, y, yaw]))
        data.qpos[j : j + 7] = px, py, 0.0, math.cos(heading / 2), 0, 0, math.sin(heading / 2)
        data.qvel[v : v + 6] = 0
        data.qvel[self._wheel_speeds] = 0
        data.ctrl[:] = 0
        data.xfrc_applied[:] = 0
        mujoco.mj_forward(self._model, data)
        self._drive.stop()
        self._odometry.restart(np.array([x, y, yaw]), data.qpos[self._wheels] if self._rolls else None)
        self._contact = False
        for _ in range(self._past.maxlen):
            self._note_pose()

    def place_obstacle(self, index: int, x: float, y: float) -> None:
        """Puts obstacle ``index`` of the room here (``odom``), at once and through anything: what physics forbids.

        nan, nan: it is gone. For tests of surprise.
        """
        gone = math.isnan(x)
        x, y = (FAR, FAR) if gone else self.to_room(np.array([x, y]))
        obstacle = self.room.obstacles[index]
        name = f"obstacle{index}" if obstacle.mass is None else f"pushable{index}"
        body = self._model.body(name).id
        if obstacle.mass is None:
            self._model.body_pos[body, :2] = x, y
            if obstacle.shape.radius is None:
                turned = math.cos(obstacle.yaw), math.sin(obstacle.yaw)
                self._footprints.move_box(self.room.box_row(obstacle), x, y, *turned)
            else:
                self._footprints.move_circle(self.room.circle_row(obstacle), x, y)
        else:
            start = int(self._model.jnt_qposadr[self._model.body_jntadr[body]])
            self._data.qpos[start : start + 2] = x, y
        mujoco.mj_kinematics(self._model, self._data)

    def relight(self, seed: int) -> None:
        """Another light in this room, drawn from ``seed``, until the next reset."""
        relight(self._model, draw_light(self.room, np.random.default_rng([seed, LIGHT])))
        mujoco.mj_camlight(self._model, self._data)

    def obstacle_positions(self) -> np.ndarray:
        """(N, 2) in ``odom``: where the obstacles of the room stand now."""
        names = (f"obstacle{i}" if o.mass is None else f"pushable{i}" for i, o in enumerate(self.room.obstacles))
        return self.from_room(np.array([self._data.body(name).xpos[:2] for name in names]))

    def object_positions(self) -> np.ndarray:
        """(N, 2) in ``odom``: the middles of the obstacles, then of the movers, as they stand now."""
        movers = [course.mover.middle(course.mover.pose(course.time)) for course in self._courses]
        return np.concatenate([self.obstacle_positions(), self.from_room(np.array(movers).reshape(-1, 2))])

    def _carry_movers(self) -> None:
        data = self._data
        for course, row in zip(self._courses, self._scene.movers, strict=True):
            x, y, yaw = course.advance(CARRIED * TIMESTEP, data.xpos[self._base, :2], self.base.reach)
            data.mocap_pos[row, :2] = x, y
            data.mocap_quat[row] = math.cos(yaw / 2), 0, 0, math.sin(yaw / 2)

    def _note_contacts(self) -> None:
        """Touches between the robot and anything that is neither it nor the floor."""
        data = self._data
        if data.ncon == 0:
            return
        owners = self._scene.owner[data.contact.geom]
        if owners.max() < WALLS:  # nearly always: wheels on the floor
            return
        other = np.where(owners[:, 0] == ROBOT, owners[:, 1], np.where(owners[:, 1] == ROBOT, owners[:, 0], NOTHING))
        for thing in set(other[other >= WALLS].tolist()):
            self._contact = True
            if data.time - self._touched[thing] > SEPARATE:
                self._contacts += 1
            self._touched[thing] = data.time

    # -- sensors

    @property
    def camera(self) -> SimulatedCamera:
        """The first camera."""
        return self.cameras[0]

    @property
    def image_size(self) -> int:
        """Pixels of the first camera's picture from left to right; may be set."""
        return self.camera.intrinsics.width

    @image_size.setter
    def image_size(self, width: int) -> None:
        self._width = width
        for camera in self.cameras:
            camera.resize(width)

    def frame(self, camera: int = 0) -> Frame:
        """What has come from a camera by now: rgb (height, width, 3) uint8, depth (height, width) float32 metres.

        A camera with latency shows where the base was then, among things as they stand now.
        """
        sensor = self.cameras[camera]
        late = min(round(sensor.described.latency / TIMESTEP), len(self._past) - 1)
        position, rotation = self._past[-1 - late]
        return self._expose(sensor, position, rotation, stamp_of((self._steps - late) * TIMESTEP))

    def frames(self) -> list[Frame]:
        """What has come from every camera."""
        return [self.frame(i) for i in range(len(self.cameras))]

    def view(self, pose: np.ndarray) -> Frame:
        """What the camera would see with the base at ``pose`` (x, y, yaw) in ``odom``; the robot stays where it is."""
        return self.look_through(self.camera, pose)

    def look_through(self, camera: SimulatedCamera, pose: np.ndarray) -> Frame:
        """The same through a camera of any robot."""
        x, y, yaw = self.to_room(pose)
        return self._expose(camera, np.array([x, y, 0.0]), _rotation(yaw, 3), self.time_ns)

    def things_in_view(self, pose: np.ndarray) -> int:
        """How many pieces of furniture, crates, movers, doors, windows and pictures the camera would show from ``pose``
        (x, y, yaw in ``odom``), each on at least ``SHOWN`` of its pixels.
        """
        owners = self._owners_in_view(pose)
        pixels = np.bincount(owners[owners >= OBSTACLE])
        return int((pixels >= SHOWN * owners.size).sum())

    def objects_in_view(self, pose: np.ndarray) -> np.ndarray:
        """(S, S): which object the camera would show at each pixel from ``pose`` (x, y, yaw in ``odom``), a row of
        ``object_positions``, -1 for none.
        """
        owners, obstacles = self._owners_in_view(pose), len(self.room.obstacles)
        objects = np.where((owners >= OBSTACLE) & (owners < MOVER), owners - OBSTACLE, -1)
        return np.where((owners >= MOVER) & (owners < PICTURE), owners - MOVER + obstacles, objects)

    def _owners_in_view(self, pose: np.ndarray) -> np.ndarray:
        """(S, S): what each pixel shows."""
        x, y, yaw = self.to_room(pose)
        geoms = self.camera.geoms(self._renderer, self._data, np.array([x, y, 0.0]), _rotation(yaw, 3))
        return np.append(self._scene.owner, NOTHING)[geoms]

    def telling_view(self, pose: np.ndarray, things: int = TELLING) -> np.ndarray:
        """``pose`` turned on the spot, as little as may be, until at least ``things`` things are in view: a bare wall
        can't be told from another. Where no heading shows as many, that which shows most.
        """
        turns = sorted(np.arange(-11, 13) * np.pi / 12, key=abs)
        poses = [np.append(pose[:2], turn(pose[2] + angle)) for angle in turns]
        shown = []
        for candidate in poses:
            shown.append(self.things_in_view(candidate))
            if shown[-1] >= things:
                break
        return poses[int(np.argmax(shown))]

    def goal_frame(self) -> Frame:
        """What the camera would see from the goal's place, turned to where there is something to see."""
        return self.view(self.telling_view(self.goal))

    def odometry(self) -> Odometry:
        """Where the wheels say the base is."""
        wheels = self._odometry
        return Odometry(self.time_ns, wheels.pose.copy(), wheels.linear, wheels.angular, wheels.lateral)

    def truth(self) -> Truth:
        """The true state, for scoring and training targets only."""
        position, rotation = self._data.xpos[self._base], self._data.xmat[self._base]
        yaw = math.atan2(rotation[3], rotation[0])
        pose = self.from_room(np.array([position[0], position[1], yaw]))
        return Truth(pose, self._contact, bool(position[2] < -0.05 or rotation[8] < FALLEN), self._contacts)

    def _expose(self, camera: SimulatedCamera, position: np.ndarray, rotation: np.ndarray, stamp: int) -> Frame:
        rng = np.random.default_rng([self.seed, DEPTH, self._steps])
        rgb, depth = camera.expose(self._renderer, self._data, position, rotation, rng)
        return Frame(stamp, rgb, depth, camera.described.name)

    @property
    def focal_length(self) -> float:
        """Of the first camera, in pixels; its optical axis meets the middle of the picture."""
        return self.camera.intrinsics.fx

    # -- geometry

    def clearance(self, points: np.ndarray, ahead: float = 0.0) -> np.ndarray:
        """(N, 2) -> (N,) metres from each point to the nearest obstacle, mover or wall, negative inside.

        As they stand now, or as the movers will if nothing holds them up for ``ahead`` seconds. A crate that was tipped
        over counts with the footprint it had upright.
        """
        for row, body in self._rows:
            x, y, _ = self._data.xpos[body]
            rotation = self._data.xmat[body]
            self._footprints.move_box(row, x, y, rotation[0], rotation[3])
        there = self.to_room(points)
        distance = self._footprints.distance(there)
        for course in self._courses:
            distance = np.minimum(distance, course.mover.distance(there, course.mover.pose(course.time + ahead)))
        return distance

    def drop_distance(self, points: np.ndarray) -> np.ndarray:
        """(N, 2) -> (N,) metres from each point to the ledge, negative over it, inf where the room has none."""
        return self.room.drop_distance(self.to_room(points))

    def to_room(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 2) or poses (..., 3) from ``odom`` to the frame of the room's centre."""
        points = np.asarray(points, dtype=float)
        moved = points[..., :2] @ self._rotation.T + self._origin
        return moved if points.shape[-1] == 2 else np.concatenate([moved, turn(points[..., 2:] + self._turn)], -1)

    def from_room(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 2) or poses (..., 3) from the frame of the room's centre to ``odom``."""
        points = np.asarray(points, dtype=float)
        moved = (points[..., :2] - self._origin) @ self._rotation
        return moved if points.shape[-1] == 2 else np.concatenate([moved, turn(points[..., 2:] - self._turn)], -1)

    # -- for people

    def top_view(self, size: int = 512) -> np.ndarray:
        """The room from above, (size, size, 3) uint8, without its ceiling."""
        return self._renderer.draw_from_above(self._data, size, self._extent)

    def top_view_pixels(self, points: np.ndarray, size: int = 512) -> np.ndarray:
        """Points (..., 2) in ``odom`` -> (..., 2) column and row in ``top_view(size)``, not rounded."""
        return size * (0.5 + self.to_room(np.asarray(points)[..., :2]) * (1, -1) / self._extent)

    @property
    def _extent(self) -> float:
        return max(self.room.size) + 0.3


def _rotation(angle: float, size: int = 2) -> np.ndarray:
    matrix = np.eye(size)
    c, s = math.cos(angle), math.sin(angle)
    matrix[:2, :2] = (c, -s), (s, c)
    return matrix
