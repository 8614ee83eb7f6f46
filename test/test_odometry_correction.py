"""Odometry that drifts is corrected by what stands around the robot, and never made clearly worse."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from latentworld import robot_file
from latentworld.model.world_model import WorldModel
from latentworld.perception.range_scan import range_scan
from latentworld.robot import Base, BaseKind
from latentworld.sim.world import World
from latentworld.tracking.odometry_correction import CorrectedTracker, OdometryCorrection
from latentworld.tracking.surface_map import SurfaceMap
from latentworld.training.driving.drivers import PathFollower
from latentworld.types import Latent, Odometry, RangeScan, stamp_of, turn

BASE = Base(radius=0.2, slip=0.075, drift=0.0075)
PERIOD = 0.1  # s
ROOMS, FIRST_ROOM, FRAMES = 6, 1_000_600, 250


def drive(world, seed):
    """Scans, odometry and true poses of a drive through a room."""
    world.reset(seed)
    driver, steps = PathFollower(world, np.random.default_rng(seed)), []
    for _ in range(FRAMES):
        steps.append((range_scan(world.frame(), world.robot).points(), world.odometry(), world.truth().pose))
        world.step(*driver())
        if world.truth().dropped:
            break
    return steps


def off(pose, truth):
    return float(np.hypot(*(pose - truth)[:2]))


def final_errors(base, steps):
    """Metres by which odometry is wrong in the end: as it came, and corrected."""
    correction = OdometryCorrection(base)
    for points, odometry, _ in steps:
        correction.observe(points, odometry)
    _, odometry, truth = steps[-1]
    return off(odometry.pose, truth), off(correction.correct(odometry).pose, truth)


@pytest.mark.parametrize("name", ["trials/drift", "latentworld"])
def test_in_rooms_the_error_is_halved_and_never_clearly_worse(name):
    robot = robot_file.load(name)
    world = World(FIRST_ROOM, robot=robot)
    errors = np.array([final_errors(robot.base, drive(world, FIRST_ROOM + i)) for i in range(ROOMS)])
    world.close()
    raw, corrected = errors.T
    assert np.median(corrected) <= np.median(raw) / 2, errors
    assert (corrected <= raw + 0.05).all(), errors


class Plan:
    """Walls as segments (M, 2, 2), seen in 256 directions as far as 5 m, and a base that drives among them."""

    def __init__(self, walls, speed=0.4, turning=0.0, scale=1.0, frames=150, thing=None):
        """scale: what odometry says of each metre and radian. thing: radius and (time) -> (2,) in base_link."""
        self.walls, self.motion, self.scale = np.asarray(walls, float), (speed, turning), scale
        self.frames, self.thing = frames, thing

    def steps(self):
        pose, said = np.zeros(3), np.zeros(3)
        rng = np.random.default_rng(0)
        for k in range(self.frames):
            odometry = Odometry(stamp_of(k * PERIOD + 1), said.copy(), *self.motion)
            yield self.points(pose, k * PERIOD, rng), odometry, pose.copy()
            pose = self.moved(pose, 1.0)
            said = self.moved(said, self.scale)

    def moved(self, pose, scale):
        v, w = (scale * PERIOD * m for m in self.motion)
        heading = pose[2] + w / 2
        return np.array([pose[0] + v * math.cos(heading), pose[1] + v * math.sin(heading), turn(pose[2] + w)])

    def points(self, pose, time, rng):
        bearing = (np.arange(256) + 0.5) / 256 * 2 * np.pi - np.pi
        ray = np.stack([np.cos(bearing), np.sin(bearing)], -1)
        c, s = math.cos(pose[2]), math.sin(pose[2])
        seen = ray @ np.array([[c, s], [-s, c]])
        reach = np.full(256, np.inf)
        for start, end in self.walls:
            along, gap = end - start, start - pose[:2]
            cross = seen[:, 0] * along[1] - seen[:, 1] * along[0]
            with np.errstate(divide="ignore", invalid="ignore"):
                t = (gap[0] * along[1] - gap[1] * along[0]) / cross
                u = (gap[0] * seen[:, 1] - gap[1] * seen[:, 0]) / cross
            reach = np.where((t > 0) & (u >= 0) & (u <= 1), np.minimum(reach, t), reach)
        if self.thing:
            radius, place = self.thing[0], self.thing[1](time)
            ahead = ray @ place
            inside = radius**2 - (place @ place - ahead**2)
            hit = np.where((inside > 0) & (ahead > 0), ahead - np.sqrt(np.maximum(inside, 0)), np.inf)
            reach = np.minimum(reach, hit)
        met = reach < 5
        return (reach + rng.normal(0, 0.01, 256))[met, None] * ray[met]


ROOM = [[(-3, -3), (3, -3)], [(3, -3), (3, 3)], [(3, 3), (-3, 3)], [(-3, 3), (-3, -3)]]
CORRIDOR = [[(-50, -1), (50, -1)], [(-50, 1), (50, 1)]]


def test_a_bare_corridor_corrects_across_it_and_leaves_the_way_along_to_odometry():
    drifting = [
        (points, replace(odometry, pose=odometry.pose + [0, 0.002 * k, 0.001 * k]), truth)
        for k, (points, odometry, truth) in enumerate(Plan(CORRIDOR, speed=0.3).steps())
    ]
    correction = OdometryCorrection(BASE)
    for points, odometry, _ in drifting:
        correction.observe(points, odometry)
    (_, odometry, truth), pose = drifting[-1], correction.correct(drifting[-1][1]).pose
    assert off(odometry.pose, truth) > 0.25
    assert abs(pose[1] - truth[1]) < 0.03 and abs(pose[2] - truth[2]) < 0.02
    assert abs(pose[0] - odometry.pose[0]) < 0.1


@pytest.mark.parametrize("points", [np.zeros((0, 2)), np.full((40, 2), np.nan)], ids=["none", "NaN"])
def test_without_points_odometry_stays_as_it_is(points):
    correction = OdometryCorrection(BASE)
    for _, odometry, _ in Plan(ROOM, speed=0.2, turning=0.3).steps():
        correction.observe(points, odometry)
        assert correction.correct(odometry).pose == pytest.approx(odometry.pose, abs=1e-9)


def test_odometry_that_starts_anew_is_taken_up_anew():
    correction = OdometryCorrection(BASE)
    for points, odometry, _ in Plan(ROOM, speed=0.2, turning=0.3, scale=1.05).steps():
        correction.observe(points, odometry)
    assert np.abs(correction.transform).max() > 0.01
    anew = replace(odometry, stamp=odometry.stamp + stamp_of(PERIOD), pose=np.array([40.0, -7.0, 1.0]))
    correction.observe(points, anew)
    assert correction.correct(anew).pose == pytest.approx(anew.pose)
    later = replace(anew, stamp=anew.stamp + stamp_of(PERIOD))
    correction.observe(points, later)
    assert off(correction.correct(later).pose, later.pose) < 0.02


def test_what_is_not_a_number_or_not_newer_changes_nothing():
    correction = OdometryCorrection(BASE)
    for points, odometry, _ in Plan(ROOM, speed=0.2, turning=0.3, scale=1.05, frames=40).steps():
        correction.observe(points, odometry)
    before = correction.transform.copy()
    for bad in (replace(odometry, stamp=odometry.stamp + 1, pose=np.array([np.nan, 0, 0])), odometry):
        correction.observe(points + 1, bad)
    assert np.array_equal(correction.transform, before)


def test_something_that_moves_in_front_does_not_carry_the_robot_away():
    """The robot stands; a broad thing crosses close before it, twice."""
    crossing = (0.35, lambda t: np.array([0.8, 2 * math.sin(0.4 * t)]))
    correction = OdometryCorrection(BASE)
    for points, odometry, truth in Plan(ROOM, speed=0.0, thing=crossing).steps():
        correction.observe(points, odometry)
        assert off(correction.correct(odometry).pose, truth) < 0.03


def test_odometry_of_a_head_is_left_as_it_is():
    correction = OdometryCorrection(Base(kind=BaseKind.HEAD, radius=0.2))
    for points, odometry, _ in Plan(ROOM, speed=0.2, turning=0.3, scale=1.1, frames=40).steps():
        correction.observe(points, odometry)
    assert not correction.transform.any()


def test_surfaces_of_a_wall_and_of_a_thin_thing():
    surfaces = SurfaceMap()
    wall = np.stack([np.linspace(-1, 1, 200), np.full(200, 1.05)], -1)
    post = np.array([2.05, 0.05]) + np.random.default_rng(0).normal(0, 0.01, (50, 2))
    surfaces.add(np.concatenate([wall, post]), np.ones(250), np.zeros(2), 0.0)
    found = surfaces.at(np.array([[0.0, 1.1], [2.0, 0.0], [-3.0, 0.0], [1e6, 0.0]]))
    assert found.known.tolist() == [True, True, False, False]
    assert found.mean[0, 1] == pytest.approx(1.05) and abs(found.along[0, 0]) == pytest.approx(1.0)
    assert found.small[0] == 0.0 and found.small[1] == 1.0
    surfaces.add(np.array([[9.0, 0.0]]), np.ones(1), np.array([9.0, 0.0]), 9.0)  # rolled: what lies far is forgotten
    assert surfaces.at(np.array([[0.0, 1.1], [9.0, 0.0]])).known.tolist() == [False, True]


def test_the_tracker_poses_late_frames_by_the_newest_correction():
    """Frames come 0.15 s late; the state at the exposure and the one carried on from it are in one frame."""
    torch.manual_seed(0)
    model = WorldModel().eval().requires_grad_(False)
    tracker, waiting = CorrectedTracker(model, robot=replace(robot_file.load(), base=BASE)), []
    for points, odometry, truth in Plan(ROOM, speed=0.2, turning=0.3, scale=1.12, frames=80).steps():
        tracker.odometry(odometry)
        waiting.append((latent(model, points, odometry.stamp), odometry, truth))
        if len(waiting) > 2:
            late, then, was = waiting.pop(0)
            seen, _ = tracker.observe(late)
            ahead = tracker.predict(odometry.stamp)
    assert off(seen.pose, was) < 0.04 < off(then.pose, was)
    assert off(ahead.pose, truth) < 0.05
    assert np.abs(seen.odometry_correction).max() > 0.02
    assert np.array_equal(seen.odometry_correction, ahead.odometry_correction)
    c, s = np.cos(seen.odometry_correction[2]), np.sin(seen.odometry_correction[2])
    placed = np.array([[c, -s], [s, c]]) @ then.pose[:2] + seen.odometry_correction[:2]
    assert seen.pose[:2] == pytest.approx(placed, abs=1e-6)


def latent(model, points, stamp):
    nearest = np.full(256, np.inf, np.float32)
    sector = np.floor((np.arctan2(points[:, 1], points[:, 0]) / (2 * np.pi) + 0.5) * 256).astype(int) % 256
    nearest[sector] = np.hypot(*points.T)
    none = np.zeros(256, np.float32)
    scan = RangeScan(np.zeros(2), nearest, none, none, none + np.inf, none + np.inf)
    return Latent(stamp, model.model_id, np.zeros(model.config.vector_dim, np.float32), scans=(scan,))
