"""A robot in a room of MiniWorld, behind the interface of ``sim.world.World`` that episodes and controllers use."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np

from latentworld.evaluation.worlds.ground_plan import GroundPlan
from latentworld.evaluation.worlds.miniworld_rooms import LAYOUTS, elsewhere, ground_plan, make
from latentworld.evaluation.worlds.unicycle import Unicycle
from latentworld.robot import Robot
from latentworld.robot_file import load
from latentworld.sim.episode import DISTANCE
from latentworld.sim.paths import shortest_path
from latentworld.sim.world import PERIOD, Truth
from latentworld.types import Frame, LatentworldError, Odometry, stamp_of, turn

NEAR, FAR = 0.04, 100.0  # metres: the clipping planes that the package draws with
STANDING = 0.9  # metres: what starts, goals and ways keep clear of reaches down to here
MARGIN = 0.15  # metres beside the base that are free all along a straight way that counts as free
POSE_ROOM, PATH_ROOM = 0.2, 0.1  # metres about the base at start and goal, and beside it on the way
LONGEST = 7.0  # metres from start to goal along the shortest way
WINDOW = 12.0  # metres a side in which that is looked for
ATTEMPTS = 64
SENSORS, DEPTH, GOAL = 2, 3, 5  # mixed into the seed, so that each is drawn apart


class MiniWorld:
    """All poses and points are in ``odom``, which lies at the start pose. Use it from one thread.

    The base moves by its kinematics (``Unicycle``); contact: what is drawn no higher than the base lies within its
    footprint, where it then does not go.
    """

    def __init__(self, robot: Robot | None = None) -> None:
        self.robot = robot or load()
        self.base = self.robot.base
        described = self.robot.camera
        if described.intrinsics.distortion_model == "equidistant" or any(described.intrinsics.distortion):
            raise LatentworldError(f"miniworld: expected a camera without distortion, got {self.robot.name}'s")
        mount = described.mount
        self.camera = SimpleNamespace(height=mount.z, pitch=mount.pitch, mount=mount, intrinsics=described.intrinsics)
        self.room = SimpleNamespace(movers=(), ledge=None)
        self._envs: dict[str, Any] = {}

    def reset(self, seed: int, blocked: bool) -> None:
        """The layout, its looks, start and goal of this seed. blocked: whether the straight way to the goal is."""
        self.seed, self.blocked, self.layout = seed, blocked, LAYOUTS[seed % len(LAYOUTS)]
        picture = self.robot.camera.intrinsics
        if self.layout not in self._envs:
            self._envs[self.layout] = make(self.layout, picture.width, picture.height)
        self._env = self._envs[self.layout]
        for attempt in range(ATTEMPTS):
            with elsewhere():
                self._env.reset(seed=seed * ATTEMPTS + attempt)
            self._plan, standing = (ground_plan(self._env, height) for height in (self.robot.base.height, STANDING))
            drawn = self._draw(np.random.default_rng([seed, attempt, GOAL]), standing)
            if drawn is not None:
                break
        else:
            raise LatentworldError(
                f"miniworld seed {seed}: expected a start and goal with blocked={blocked} in {self.layout}, got none"
            )
        start, goal, path = drawn
        self._origin, self._turn = start[:2], float(start[2])
        self.start, self.goal, self.path = np.zeros(3), self._from_room(goal), self._from_room(path)
        self._body = Unicycle(self.robot.base, np.random.default_rng([seed, SENSORS]))
        self._discs = self.robot.base.discs
        self._seconds, self._steps, self._contact, self._contacts = 0.0, 0, False, 0

    # -- as World

    @property
    def time_ns(self) -> int:
        return stamp_of(self._seconds)

    @property
    def focal_length(self) -> float:
        return self.camera.intrinsics.fx

    @property
    def period(self) -> float:
        """Seconds from one frame, and one command, to the next."""
        return PERIOD

    def step(self, linear: float, angular: float, lateral: float = 0.0, period: float | None = None) -> None:
        """Drives for ``period`` seconds with this command (m/s, rad/s), as far as the base can; not sideways."""
        if not (math.isfinite(linear) and math.isfinite(angular)):
            raise LatentworldError(f"command: expected finite velocities, got linear {linear}, angular {angular}")
        period = period or PERIOD
        touched = self._body.drive(linear, angular, period, self._free)
        self._contacts += touched and not self._contact
        self._contact = touched
        self._seconds, self._steps = self._seconds + period, self._steps + 1

    def frame(self) -> Frame:
        """rgb (H, W, 3) uint8, depth (H, W) float32 metres; both of the package's renderer, depth of its buffer."""
        env, mount, depth = self._env, self.camera.mount, self.robot.camera.depth
        x, y, yaw = self._to_room(self._body.pose)
        agent = env.agent
        agent.pos, agent.dir = np.array([x, 0.0, -y]), yaw
        agent.cam_height, agent.cam_fwd_disp, agent.cam_pitch = mount.z, mount.x, -math.degrees(mount.pitch)
        agent.cam_fov_y = math.degrees(self.camera.intrinsics.field_of_view[1])
        rgb = env.render_obs()
        if depth is None:
            return Frame(self.time_ns, rgb)
        true = env.obs_fb.get_depth_map(NEAR, FAR)[..., 0]
        rng = np.random.default_rng([self.seed, DEPTH, self._steps])
        measured = true * (1 + depth.noise * rng.standard_normal(true.shape, dtype=np.float32))
        return Frame(self.time_ns, rgb, np.minimum(measured, np.float32(depth.most)).astype(np.float32))

    def odometry(self) -> Odometry:
        base = self._body
        return Odometry(self.time_ns, base.odometry.copy(), base.linear, base.angular)

    def truth(self) -> Truth:
        return Truth(self._body.pose.copy(), self._contact, False, self._contacts)

    def clearance(self, points: np.ndarray, ahead: float = 0.0) -> np.ndarray:
        """(N, 2) -> (N,) metres from each point to what stands in the way, negative inside; nothing moves."""
        return self._plan.distance(self._to_room(points))

    def drop_distance(self, points: np.ndarray) -> np.ndarray:
        """(N, 2) -> (N,): inf, there is no ledge."""
        return np.full(len(points), np.inf)

    def close(self) -> None:
        for env in self._envs.values():
            env.close()

    # -- geometry

    def _free(self, pose: np.ndarray) -> bool:
        c, s = math.cos(pose[2]), math.sin(pose[2])
        middles = self._discs[:, :2] @ np.array([[c, s], [-s, c]]) + pose[:2]
        return bool((self.clearance(middles) >= self._discs[:, 2]).all())

    def _to_room(self, points: np.ndarray) -> np.ndarray:
        points = np.asarray(points, float)
        moved = points[..., :2] @ self._rotation.T + self._origin
        return moved if points.shape[-1] == 2 else np.concatenate([moved, turn(points[..., 2:] + self._turn)], -1)

    def _from_room(self, points: np.ndarray) -> np.ndarray:
        points = np.asarray(points, float)
        moved = (points[..., :2] - self._origin) @ self._rotation
        return moved if points.shape[-1] == 2 else np.concatenate([moved, turn(points[..., 2:] - self._turn)], -1)

    @property
    def _rotation(self) -> np.ndarray:
        c, s = math.cos(self._turn), math.sin(self._turn)
        return np.array([[c, -s], [s, c]])

    def _draw(self, rng: np.random.Generator, standing: GroundPlan) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Start and goal (3,), way (N, 2) in the room, where it has such."""
        base, env = self.robot.base, self._env
        points = rng.uniform((env.min_x, -env.max_z), (env.max_x, -env.min_z), (512, 2))
        points = points[standing.distance(points) >= base.reach + POSE_ROOM]
        if len(points) < 2:
            return None
        starts, goals = points[rng.integers(len(points), size=(2, 256))]
        length = np.hypot(*(goals - starts).T)
        far = (length >= DISTANCE[0]) & (length <= DISTANCE[1])
        starts, goals = starts[far], goals[far]
        if not len(starts):
            return None
        ways = starts[:, None] + np.linspace(0, 1, 128)[None, :, None] * (goals - starts)[:, None]
        body, all_of_it = (
            plan.distance(ways.reshape(-1, 2)).reshape(len(starts), -1).min(1) for plan in (self._plan, standing)
        )
        fit = body < base.half_width if self.blocked else all_of_it >= base.half_width + MARGIN
        for start, goal in zip(starts[fit][:8], goals[fit][:8], strict=True):
            middle = (start + goal) / 2
            path = shortest_path(
                start - middle, goal - middle, lambda at, middle=middle: standing.distance(at + middle),
                (WINDOW, WINDOW), base.half_width + PATH_ROOM,
            )  # fmt: skip
            if path is not None and np.hypot(*np.diff(path, axis=0).T).sum() <= LONGEST:
                heading = math.atan2(*(goal - start)[::-1])
                off = rng.uniform(-1, 1, 2) * (math.pi / 2, math.pi / 4)
                return np.append(start, heading + off[0]), np.append(goal, heading + off[1]), path + middle
        return None
