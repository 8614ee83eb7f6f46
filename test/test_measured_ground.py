"""Measured ground: from depth to range scans, to a grid around the robot, to what a planner is told."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from latentworld import robot_file
from latentworld.agent import Agent
from latentworld.consequence.engine import HIDDEN, below_zero
from latentworld.consequence.measured_ground import MeasuredGround
from latentworld.perception.range_scan import SECTORS, range_scan, scan_of_lidar
from latentworld.robot import Lidar, Mount
from latentworld.ros.codecs import latent_from_message, latent_to_message, state_from_message, state_to_message
from latentworld.sim.episode import Episode
from latentworld.sim.furniture import Part, Shape
from latentworld.sim.room import VALIDATION_SEEDS, Ledge, Obstacle, Room
from latentworld.sim.world import World
from latentworld.tracking.measured_space import CELL, SIDE, MeasuredGrid
from latentworld.tracking.stall import Stall
from latentworld.training.driving.drivers import PathFollower
from latentworld.types import Action, LatentworldError, MeasuredSpace

ROBOTS = ["latentworld", "turtlebot4", "stretch", "trials/d435", "trials/fisheye", "trials/holes"]


def box_ahead(robot, distance):
    """A world with one box straight ahead, its face ``distance`` metres from base_link."""
    box = Shape("box", (Part("box", (0.2, 0.3, 0.3), (0, 0, 0.3)),), (0.2, 0.3))
    room = Room(0, (12.0, 12.0), (Obstacle(box, distance + 0.2, 0.0, 0.0),), None)
    world = World(0, robot=robot, image_size=min(320, robot.camera.intrinsics.width))
    world.begin(Episode(room, np.zeros(3), np.array([0, 3.0, 0]), np.zeros((1, 2)), False))
    return world


@pytest.mark.parametrize("name", ROBOTS)
def test_a_box_ahead_is_measured_where_it_is(name):
    robot = robot_file.load(name)
    world = box_ahead(robot, 1.6)
    scan = range_scan(world.frame(), robot)
    points = scan.points()
    world.close()
    ahead = points[np.abs(points[:, 1]) < 0.2]
    assert len(ahead) >= 3 and np.median(ahead[:, 0]) == pytest.approx(1.6, abs=0.1)
    middle = SECTORS // 2
    assert scan.far[middle - 2 : middle + 2].max() < 1.9 - scan.origin[0]
    assert not scan.far[:10].any()  # behind it nothing was measured


@pytest.mark.parametrize("name", ROBOTS)
def test_ground_before_a_thing_without_depth_alone_is_free(name):
    """Black or shiny things give no depth. The wall behind one says nothing about the ground before that wall."""
    robot = robot_file.load(name)
    world, empty = box_ahead(robot, 1.6), box_ahead(robot, 9.0)
    frame, without = world.frame(), empty.frame()
    world.close(), empty.close()
    box = np.abs(frame.depth - without.depth) > 0.1
    box[: frame.depth.shape[0] // 3] = False  # what can be seen above it
    scan = range_scan(replace(without, depth=np.where(box, 0, without.depth).astype(np.float32)), robot)
    middle = slice(SECTORS // 2 - 2, SECTORS // 2 + 2)
    assert scan.far[middle].max() < 1.75 - scan.origin[0]


@pytest.mark.parametrize("ahead", [0.5, 1.2, 2.2])
@pytest.mark.parametrize("name", [*ROBOTS, "racecar", "trials/service"])
def test_ground_is_free_up_to_a_ledge_and_not_beyond(name, ahead):
    """Beyond it lie a lower strip and the wall, whose lower part is as high as the floor nearly is."""
    robot = robot_file.load(name)
    world = World(0, robot=robot, image_size=min(320, robot.camera.intrinsics.width))
    room = Room(0, (8.0, 8.0), (), Ledge(0, 1, 1.0, 3.0))
    world.begin(Episode(room, np.array([3.0 - ahead, 0.0, 0.0]), np.array([-1.0, 0, 0]), np.zeros((1, 2)), False))
    scan = range_scan(world.frame(), robot)
    world.close()
    middle, away, height = slice(SECTORS // 2 - 5, SECTORS // 2 + 5), ahead - scan.origin[0], robot.camera.mount.z
    if scan.near[middle].max() * height / (height - 0.12) < away:  # else all that it sees of the floor is beyond
        assert np.median(scan.far[middle]) < away + 0.1
        if ahead < 1 or height > 1:  # else it sees too flat how much lower that is
            seen = scan.ledge[middle][np.isfinite(scan.ledge[middle])]
            assert len(seen) >= 7 and np.median(seen) == pytest.approx(away, abs=0.1)


def test_a_thing_nearer_than_the_camera_measures_frees_no_ground():
    robot = robot_file.load("trials/holes")
    world = box_ahead(robot, 3.0)
    frame = world.frame()
    world.close()
    low = frame.depth.copy()
    low[frame.depth.shape[0] // 3 :] = 0.0
    scan = range_scan(replace(frame, depth=low), robot)
    middle = slice(SECTORS // 2 - 2, SECTORS // 2 + 2)
    assert not (scan.far[middle] > scan.near[middle]).any()


def test_a_frame_without_depth_measures_nothing():
    robot = robot_file.load()
    world = World(VALIDATION_SEEDS)
    assert range_scan(replace(world.frame(), depth=None), robot) is None
    world.close()


def test_a_lidar_clears_what_its_beams_pass_through():
    lidar = Lidar(Mount(z=0.2), -np.pi, np.pi, 360, least=0.1, most=8.0)
    ranges = np.full(360, 2.0)
    ranges[90:120] = np.inf
    scan = scan_of_lidar(ranges, lidar)
    assert np.isfinite(scan.nearest).sum() < SECTORS and scan.far.max() == 8.0
    with pytest.raises(LatentworldError, match="scan scan: expected ranges"):
        scan_of_lidar(np.zeros((2, 3)), lidar)


def test_the_grid_scrolls_without_losing_what_it_knows():
    base = robot_file.load().base
    lidar = Lidar(Mount(z=0.2), beams=720)
    walls = scan_of_lidar(np.full(720, 2.0), lidar)
    still, moved = MeasuredGrid(base), MeasuredGrid(base)
    for grid in (still, moved):
        for _ in range(3):
            grid.observe((walls,), np.zeros(3))
    moved.observe((), np.array([0.73, -0.41, 1.0]))
    before, after = still.space(), moved.space()
    points = np.random.default_rng(0).uniform(-1.0, 1.0, (200, 2))

    def at(space, values):
        column, row = np.round((points - space.origin) / space.cell).astype(int).T
        return values[row, column]

    assert np.abs(at(before, before.clearance) - at(after, after.clearance)).max() < 0.15


def test_what_went_away_is_forgotten_when_the_ground_is_seen_free():
    base = robot_file.load().base
    lidar = Lidar(Mount(z=0.2), beams=720)
    grid = MeasuredGrid(base)
    for _ in range(5):
        grid.observe((scan_of_lidar(np.full(720, 1.0), lidar),), np.zeros(3))
    near = grid.space().clearance[72, 72]
    for _ in range(15):
        grid.observe((scan_of_lidar(np.full(720, 3.0), lidar),), np.zeros(3))
    assert near < 1.05 and grid.space().clearance[72, 72] > 2.5


def test_measured_obstacles_are_met_and_believed_ones_only_where_nothing_was_seen():
    clearance = np.full((41, 41), 0.5, np.float32)
    unseen = np.full((41, 41), 0.4, np.float32)
    ground = MeasuredGround(MeasuredSpace(clearance, unseen, unseen, np.array([-1.0, -1.0]), 0.05), torch.zeros(3))
    points, now = torch.tensor([[0.0, 0.0], [0.3, 0.1], [0.0, 0.2], [5.0, 0.0]]), torch.zeros(())
    believed = torch.tensor([0.1, 0.45, 0.9, 0.7])
    fused, spread, floor, hidden = ground.fuse(points, now, believed, torch.full((4,), 0.2), 0.1)
    assert fused.tolist() == pytest.approx([0.4, 0.45, 0.5, 0.7], abs=1e-5)
    assert spread[:2].tolist() == pytest.approx([0.03, 0.035], abs=1e-4), "nothing stands before unseen ground"
    assert spread[3] == pytest.approx(0.2)
    assert floor.tolist() == pytest.approx([0.4, 0.4, 0.4, 0.0], abs=1e-5), "out of the grid nothing is known"
    assert hidden.tolist() == pytest.approx([0.4, 0.4, 0.4, 0.0], abs=1e-5)


def test_what_is_believed_may_be_touched_before_what_was_measured():
    clearance, unseen = np.full((41, 41), 0.5, np.float32), np.zeros((41, 41), np.float32)
    ground = MeasuredGround(MeasuredSpace(clearance, unseen, unseen, np.array([-1.0, -1.0]), 0.05), torch.zeros(3))
    radius, believed, spread = 0.2, torch.tensor([0.6, 0.6, 0.3]), torch.tensor([0.3, 0.08, 0.1])
    fused, told, _, _ = ground.fuse(torch.zeros(3, 2), torch.zeros(()), believed, spread, radius)
    assert fused.tolist() == pytest.approx([0.5, 0.5, 0.3])
    alone = below_zero(believed - radius, spread)
    assert below_zero(fused - radius, told).tolist() == pytest.approx(alone.tolist(), abs=1e-4)
    sure = MeasuredGround(MeasuredSpace(clearance, clearance, unseen, np.array([-1.0, -1.0]), 0.05), torch.zeros(3))
    fused, told, _, _ = sure.fuse(torch.zeros(3, 2), torch.zeros(()), believed, spread, radius)
    assert (below_zero(fused - radius, told) < 1e-4).all(), "where all was seen, belief does not count"


def test_ground_that_was_never_seen_is_never_certainly_free():
    agent = Agent.load()
    world = World(VALIDATION_SEEDS + 9, blocked=False)
    for _ in range(5):
        state = agent.observe(world.frame(), world.odometry())
        world.step(0.0, 0.0)
    free = np.full_like(state.measured.clearance, 3.0)
    ahead = np.zeros((1, 8, 2), np.float32) + [0.3, 0.0]
    contact = []
    for unseen in (free, np.zeros_like(free)):
        seen = replace(state, measured=replace(state.measured, clearance=free, unseen=unseen))
        contact.append(agent.simulator.simulate(seen, ahead, 0.2).contact)
    assert contact[0].max() < 1e-3, "all was seen to be free"
    assert contact[1].min() >= np.float32(HIDDEN)
    world.close()


def test_a_drive_measures_where_things_stand_and_messages_carry_it():
    """Free ground is free, occupied ground occupied, to a cell or two; what a planner is told survives ROS messages."""
    world, agent = World(VALIDATION_SEEDS + 9, blocked=True), Agent.load()
    driver, command = PathFollower(world, np.random.default_rng(0)), np.zeros(2)
    for _ in range(40):
        state = agent.observe(world.frame(), world.odometry(), Action(world.time_ns - 1, *command))
        command = driver()
        world.step(*command)
    evidence, space = agent.tracker.ground.evidence, state.measured
    rows, columns = np.mgrid[: len(evidence), : len(evidence)] * space.cell
    points = np.stack([columns, rows], -1).reshape(-1, 2) + space.origin
    true = world.clearance(points).reshape(evidence.shape)
    assert (true[evidence < -0.7] < -0.05).mean() < 0.05 and (evidence < -0.7).sum() > 1500
    assert np.abs(true[evidence > 0.5]).mean() < 0.12 and (evidence > 0.5).sum() > 100
    back = state_from_message(state_to_message(state)).measured
    assert np.array_equal(back.clearance, space.clearance) and np.allclose(back.origin, space.origin)
    latent = agent.encoder.encode(world.frame())
    scans = latent_from_message(latent_to_message(latent)).scans
    assert len(scans) == 1 and np.allclose(scans[0].points(), latent.scans[0].points(), atol=1e-5)
    world.close()


def test_what_holds_the_base_up_is_marked_though_it_was_not_seen():
    base = robot_file.load().base
    grid, stall, marked = MeasuredGrid(base), Stall(), []
    grid.observe((), np.zeros(3))
    for tick in range(20):
        moves = 0.5 if tick < 5 else 0.0
        way = stall.direction(tick * 10**8, np.array([moves, 0, 0]), np.array([0.5, 0, 0]))
        marked.append(way is not None)
        if way is not None:
            grid.touch(np.zeros(3), way)
    assert not any(marked[:13]) and all(marked[13:]), "for 0.8 s it may be about to start"
    space = grid.space()
    middle = SIDE // 2
    ahead, behind = space.clearance[middle, middle + 3 :], space.clearance[middle, : middle - 3]
    assert ahead.min() == 0 and behind.min() > 0.3
    assert space.clearance[middle, middle] >= base.discs[0, 2] - CELL, "where it stands, the ground is free"
    assert stall.direction(3 * 10**9, np.zeros(3), np.zeros(3)) is None, "standing is no stall"
