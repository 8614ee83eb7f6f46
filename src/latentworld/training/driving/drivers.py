"""How the robot drives while data is collected: three habits, so that there are free runs, near misses and bumps."""

from __future__ import annotations

import numpy as np

from latentworld.sim.paths import shortest_path
from latentworld.sim.world import World
from latentworld.types import turn


def random_point(world: World, rng: np.random.Generator) -> np.ndarray:
    """A point (x, y) in odom anywhere inside the walls."""
    return world.from_room(rng.uniform(-0.5, 0.5, 2) * (np.asarray(world.room.size) - 0.5))


def free_distance(world: World, points: np.ndarray) -> np.ndarray:
    """Metres from points (N, 2) in odom to the nearest thing to stay away from, a ledge included."""
    return np.minimum(world.clearance(points), world.drop_distance(points))


def anywhere(world: World, rng: np.random.Generator) -> Driver:
    """Puts the robot anywhere in the room, not only where tasks start, and a driver of any habit at its wheel."""
    for _ in range(20):
        point = random_point(world, rng)
        if free_distance(world, point[None])[0] > 0.3:
            world.set_pose(*point, rng.uniform(-np.pi, np.pi))
            break
    kinds = list(DRIVERS.values())
    return kinds[rng.choice(len(kinds), p=[share for _, share in kinds])][0](world, rng)


class Driver:
    """Chooses the next command (linear m/s, angular rad/s). After a bump it backs off, as a person would."""

    def __init__(self, world: World, rng: np.random.Generator):
        self.world, self.rng = world, rng
        self.fast, self.turn = world.base.max_linear, world.base.max_angular  # m/s, rad/s at most
        self.low, self.high = np.array([-0.5 * self.fast, -self.turn]), np.array([self.fast, self.turn])
        self.noise = np.zeros(2)
        self.back_off = 0
        self.back_turn = 0.0
        self.looking = 0  # rows for which it still turns on the spot
        self.spin = rng.choice([-1, 1]) * rng.uniform(0.7, 1.4)
        self.boldness = rng.uniform(0.5, 1.0)  # of top speed

    def __call__(self) -> np.ndarray:
        rng = self.rng
        self.noise = 0.85 * self.noise + rng.normal(0, [0.12 * self.fast, 0.2 * self.turn])
        if self.back_off > 0:
            self.back_off -= 1
            return np.array([-0.4 * self.fast, self.back_turn])
        if self.world.truth().contact and rng.random() < 0.35:
            self.back_off = int(rng.integers(4, 12))
            self.back_turn = rng.uniform(-1.2, 1.2)
        if self.looking > 0:
            self.looking -= 1
            return np.clip([0.0, self.spin + 0.3 * self.noise[1]], self.low, self.high)
        command = self.aim() * [self.boldness, 1.0] + self.noise
        return np.clip(command, self.low, self.high)

    def aim(self) -> np.ndarray:
        raise NotImplementedError

    def towards(self, point: np.ndarray) -> np.ndarray:
        """Turn to a point (x, y in odom) and drive; slower the more it must turn."""
        x, y, yaw = self.world.truth().pose
        bearing = turn(np.arctan2(point[1] - y, point[0] - x) - yaw)
        return np.array([self.fast * max(0.0, np.cos(bearing)) ** 2, np.clip(2.5 * bearing, -self.turn, self.turn)])

    def far_from(self, point: np.ndarray) -> float:
        return float(np.hypot(*(point - self.world.truth().pose[:2])))


class Wanderer(Driver):
    """Smoothed random speeds: goes anywhere, aims at nothing."""

    def __init__(self, world: World, rng: np.random.Generator):
        super().__init__(world, rng)
        self.velocity = np.array([0.6 * self.fast, 0.0])

    def aim(self) -> np.ndarray:
        self.velocity += 0.12 * (np.array([0.5 * self.fast, 0.0]) - self.velocity)
        self.velocity += self.rng.normal(0, [0.16 * self.fast, 0.27 * self.turn])
        return self.velocity


class Seeker(Driver):
    """Straight at random points, whatever is in between: near misses and bumps at speed."""

    def __init__(self, world: World, rng: np.random.Generator):
        super().__init__(world, rng)
        self.point, self.patience = self.choose(), 0

    def choose(self) -> np.ndarray:
        return random_point(self.world, self.rng)

    def aim(self) -> np.ndarray:
        self.patience += 1
        if self.far_from(self.point) < 0.3 or self.patience > 60:
            self.point, self.patience = self.choose(), 0
        return self.towards(self.point)


class PathFollower(Driver):
    """Along a shortest path round the obstacles, sometimes cut fine: how a good planner will drive."""

    def __init__(self, world: World, rng: np.random.Generator):
        super().__init__(world, rng)
        self.path: np.ndarray = np.empty((0, 2))

    def aim(self) -> np.ndarray:
        while len(self.path) and self.far_from(self.path[0]) < 0.3:
            self.path = self.path[1:]
        for _ in range(5):
            if len(self.path):
                break
            self.path = self.plan(random_point(self.world, self.rng), self.rng.uniform(0.2, 0.4))
        return self.towards(self.path[0]) if len(self.path) else np.array([-0.2 * self.fast, 0.67 * self.turn])

    def plan(self, goal: np.ndarray, margin: float) -> np.ndarray:
        """Way points (N, 2) in odom, none where there is no way."""
        world = self.world
        found = shortest_path(
            world.to_room(world.truth().pose[:2]), world.to_room(goal),
            lambda points: free_distance(world, world.from_room(points)), world.room.size, margin, cell=0.1,
        )  # fmt: skip
        return np.empty((0, 2)) if found is None else world.from_room(found)


DRIVERS = {"wanderer": (Wanderer, 0.25), "seeker": (Seeker, 0.35), "path_follower": (PathFollower, 0.40)}
