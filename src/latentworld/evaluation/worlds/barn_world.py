"""A world of BARN in MuJoCo: upright cylinders on open ground, grey as in its Gazebo files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from latentworld.evaluation.worlds.barn import GOAL, START, Course
from latentworld.robot import Robot
from latentworld.sim.episode import Episode
from latentworld.sim.furniture import Part, Shape
from latentworld.sim.room import TEST_SEEDS, Obstacle, Room
from latentworld.sim.scene import HULLS
from latentworld.sim.world import World
from latentworld.types import Frame, LatentworldError, Odometry

FIRST_SEED = TEST_SEEDS + 500_000
RADIUS, HEIGHT = 0.075, 0.5  # metres; in the world files cylinders of 1 m stand half in the ground
SIZE = (60.0, 60.0)  # metres of ground; the walls about it are neither seen nor met
GREY, SKY = 0.5, 178  # of ground and cylinders, 0-1, and of the background of the world files, 0-255
MIDDLE = (np.array(START) + GOAL) / 2


class BarnWorld(World):
    """One of ``courses`` at a time. index: which. exact: whether odometry says where the base really is. grey: as the
    world files have it; else ground and cylinders have the colours and patterns of our own rooms.
    """

    def __init__(
        self,
        courses: Sequence[Course],
        robot: Robot | None = None,
        index: int = 0,
        exact: bool = False,
        grey: bool = True,
    ) -> None:
        self.courses, self.exact, self.grey = list(courses), exact, grey
        super().__init__(FIRST_SEED + index, robot=robot)

    def enter(self, index: int, exact: bool = False) -> None:
        """Another world (or the same again), the robot at its start."""
        self.exact = exact
        self.reset(FIRST_SEED + index)

    def reset(self, seed: int, *_: object) -> None:
        self.index, self.seed = seed - FIRST_SEED, seed
        if not 0 <= self.index < len(self.courses):
            raise LatentworldError(f"barn world: expected one of 0 to {len(self.courses) - 1}, got {self.index}")
        self.begin(episode_of(self.courses[self.index], seed))
        model = self._model
        for i in range(model.ngeom):
            name = model.geom(i).name
            if name.startswith(("wall:", "ceiling", "picture:")):
                model.geom_group[i] = HULLS  # never drawn
            elif self.grey and name.startswith(("floor:", "obstacle:")):
                model.geom_matid[i], model.geom_rgba[i] = -1, (GREY, GREY, GREY, 1)

    def frame(self, camera: int = 0) -> Frame:
        frame = super().frame(camera)
        frame.rgb[(frame.rgb == 0).all(-1)] = SKY  # where nothing is drawn
        return frame

    def odometry(self) -> Odometry:
        said = super().odometry()
        return replace(said, pose=self.truth().pose) if self.exact else said


def episode_of(course: Course, seed: int) -> Episode:
    """The course in the frame of a room whose centre lies midway from start to goal, which are 10 m apart."""
    shape = Shape("cylinder", (Part("cylinder", (RADIUS, HEIGHT / 2), (0, 0, HEIGHT / 2)),), radius=RADIUS)
    obstacles = tuple(Obstacle(shape, float(x), float(y), 0.0) for x, y in course.cylinders - MIDDLE)
    start, goal = (np.array([*(np.array(place) - MIDDLE), np.pi / 2]) for place in (START, GOAL))
    return Episode(Room(seed, SIZE, obstacles, None), start, goal, np.stack([start[:2], goal[:2]]), True)
