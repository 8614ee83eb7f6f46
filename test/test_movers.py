"""What moves by itself: courses, waiting for the robot, what is seen and touched of it."""

import numpy as np
import pytest

from latentworld import robot_file
from latentworld.sim.movers import MARGIN, Course, Mover
from latentworld.sim.world import World

RADIUS = robot_file.load().base.radius

ROBOT = Mover("robot", (), (0.0, 0.0, 0.0), (2.0, 0.0, 0.0), 4.0, 1.0, 0.0, True, 0.2)


@pytest.fixture(scope="module")
def world():
    world = World(8, moving=3)
    yield world
    world.close()


def test_a_course_goes_to_and_fro_with_rests():
    x = [ROBOT.pose(t)[0] for t in (0, 2, 4, 4.9, 5, 7, 9, 9.9, 10, 12)]
    assert np.allclose(x, [0, 1, 2, 2, 2, 1, 0, 0, 0, 1])


def test_the_same_seed_is_the_same_room_with_the_same_movers(world):
    def look():
        world.reset(8, moving=3)
        for _ in range(10):
            world.step(0.2, 0.3)
        return world.frame().rgb.copy(), world.truth().pose

    (one, pose), (two, same) = look(), look()
    assert np.array_equal(one, two) and np.array_equal(pose, same)
    kinds = {m.kind for s in range(40) for m in World_movers(world, s)}
    assert kinds == {"robot", "ball", "door"}
    world.reset(8)
    still = World(8)
    assert np.array_equal(still.frame().rgb, world.frame().rgb) and not world.room.movers
    still.close()


def World_movers(world, seed):
    world.reset(seed, moving=3)
    return world.room.movers


def test_they_keep_clear_of_what_stands_and_of_start_and_goal(world):
    for seed in range(20):
        world.reset(seed, moving=3)
        standing = world.room.footprints()
        ends = world.to_room(np.stack([world.start[:2], world.goal[:2]]))
        for mover in world.room.movers:
            for pose in mover.way():
                assert mover.distance(ends, pose).min() > 0.35
                assert standing.distance(np.array([mover.middle(pose)])).min() > 0


def test_what_yields_waits_and_goes_on():
    course = Course(ROBOT)
    ahead = np.array([1.0, 0.0])
    for _ in range(200):
        pose = course.advance(0.02, ahead, RADIUS)
    assert pose[0] == pytest.approx(1.0 - 0.2 - RADIUS - MARGIN, abs=0.02)
    waited = course.time
    for _ in range(100):
        pose = course.advance(0.02, np.array([1.0, 3.0]), RADIUS)
    assert course.time == pytest.approx(waited + 2.0, abs=0.05) and pose[0] > 1.2


def test_a_robot_that_stands_is_touched_only_by_a_ball(world):
    for seed in range(12):
        world.reset(seed, moving=3)
        yields = all(m.yields for m in world.room.movers)
        for _ in range(100):
            world.step(0.0, 0.0)
            assert not (yields and world.truth().contact)


def test_driving_into_one_is_a_contact_and_clearance_follows_it(world):
    seed = next(s for s in range(50) if any(m.kind == "robot" for m in World_movers(world, s)))
    world.reset(seed, moving=3)
    mover = next(m for m in world.room.movers if m.kind == "robot")
    where = world.from_room(np.array([mover.middle(mover.pose(0.0))]))
    assert world.clearance(where)[0] < 0
    later = world.from_room(np.array([mover.middle(mover.pose(1.5))]))
    assert world.clearance(later, ahead=1.5)[0] < 0
    away = where[0] + [0.7, 0.0]
    world.set_pose(*away, np.pi)
    for _ in range(30):
        world.step(0.4, 0.0)
    assert world.truth().contacts > 0
