"""The embedded world: real MuJoCo, real rendering."""

from __future__ import annotations

import math

import numpy as np
import pytest

from latentworld import robot_file
from latentworld.sim import World
from latentworld.sim.episode import CORRIDOR, FREE_MARGIN, generate_episode
from latentworld.sim.paths import shortest_path
from latentworld.sim.room import LEDGE_DROP
from latentworld.types import LatentworldError

BASE = robot_file.load().base
RADIUS = BASE.radius


@pytest.fixture(scope="module")
def world():
    world = World(1)
    yield world
    world.close()


def room_with_ledge(world: World) -> None:
    seed = next(s for s in range(50) if generate_episode(s, BASE).room.ledge is not None)
    world.reset(seed)


def facing_wall(world: World, distance: float) -> int:
    """Puts the base ``distance`` metres before the first wall with nothing in between; index of the axis it faces."""
    half = np.array(world.room.size) / 2
    for axis, side in ((0, 1), (0, -1), (1, 1), (1, -1)):
        for along in np.linspace(-0.8, 0.8, 33):
            point = np.zeros(2)
            point[axis], point[1 - axis] = side * (half[axis] - distance), along * half[1 - axis]
            way = np.linspace(0, 1, 30)[:, None] * (np.eye(2)[axis] * side * (distance - 0.3))
            points = world.from_room(point + way)
            room = min(world.clearance(points).min(), world.drop_distance(points).min())
            if room >= 0.29 and world.clearance(points[:1])[0] > 0.5:
                yaw = math.atan2(side * (axis == 1), side * (axis == 0))
                world.set_pose(*world.from_room(np.array([*point, yaw])))
                return axis
    raise AssertionError("no free wall in this room")


def drive_to_goal_heading(world: World) -> float:
    """Turns the base at its start to face the goal; the distance to it."""
    world.set_pose(0, 0, math.atan2(world.goal[1], world.goal[0]))
    return math.hypot(*world.goal[:2])


def test_a_seed_is_one_world(world):
    def run(world):
        out = []
        for linear, angular in ((0.4, 0.5), (0.2, -1.0), (0.5, 0.0)) * 3:
            world.step(linear, angular)
            frame = world.frame()
            out += [frame.rgb, frame.depth, world.odometry().pose, world.truth().pose]
        return out

    world.reset(3)
    world.frame()
    world.reset(7, blocked=True)
    again = World(7, blocked=True)
    assert np.array_equal(world.goal, again.goal)
    for a, b in zip(run(world), run(again), strict=True):
        assert np.array_equal(a, b)
    again.reset(8, blocked=True)
    assert not np.array_equal(world.goal, again.goal)
    again.close()


@pytest.mark.parametrize("size", [64, 50, 224])
def test_frames(size):
    world = World(2, image_size=size)
    frame = world.frame()
    assert frame.rgb.shape == (size, size, 3) and frame.rgb.dtype == np.uint8
    assert frame.depth.shape == (size, size) and frame.depth.dtype == np.float32
    assert 0 < frame.depth.min() and frame.depth.max() <= 6.0
    assert frame.rgb.std() > 5
    assert frame.stamp == 0
    world.step(0.1, 0.0)
    assert world.frame().stamp == world.time_ns == 100_000_000
    world.close()


def test_a_view_does_not_depend_on_what_was_drawn_before(world):
    world.reset(5)
    first = world.frame()
    above = world.top_view(300)
    assert above.shape == (300, 300, 3) and above.dtype == np.uint8
    world.goal_frame()
    assert np.array_equal(world.frame().rgb, first.rgb)


def test_depth_of_a_wall_straight_ahead(world):
    for seed in (2, 3, 4):
        world.reset(seed)
        facing_wall(world, 1.2)
        frame, middle = world.frame(), world.image_size // 2
        ahead = 1.2 - 0.12  # from the camera, along the floor
        row = np.arange(world.image_size) + 0.5 - middle
        tilt = world.camera.pitch + np.arctan(row / world.focal_length)
        expected = ahead / np.cos(tilt) * np.cos(tilt - world.camera.pitch)
        on_wall = (world.camera.height - ahead * np.tan(tilt)) > 0.05
        measured = frame.depth[on_wall, middle - 4 : middle + 4].mean(1)
        assert np.all(np.abs(measured / expected[on_wall] - 1) < 0.03)


def test_goal_frame_leaves_the_state_alone(world):
    world.reset(11)
    world.step(0.3, 0.4)
    before, odometry = world.truth(), world.odometry()
    goal = world.goal_frame()
    after = world.truth()
    assert np.array_equal(before.pose, after.pose) and world.odometry().pose.tolist() == odometry.pose.tolist()
    world.set_pose(*world.telling_view(world.goal))
    assert np.abs(world.frame().rgb.astype(int) - goal.rgb).mean() < 1.0


def test_goal_frames_show_what_tells_where_they_were_taken(world):
    told = bare = 0
    for seed in range(8):
        world.reset(seed)
        told += world.things_in_view(world.telling_view(world.goal)) >= 2
        bare += world.things_in_view(world.goal) == 0
    assert told >= 7 and bare >= 1
    enough = world.things_in_view(world.goal)
    assert np.array_equal(world.telling_view(world.goal, enough), world.goal)


def test_straight_drive(world):
    """A command arrives late, then the base keeps to its line at the speed asked for; odometry is nearly right."""
    errors = []
    for seed in range(20, 26):
        world.reset(seed, blocked=False)
        length = drive_to_goal_heading(world)
        heading = world.truth().pose[2]
        world.step(0.5, 0.0)
        assert math.hypot(*world.truth().pose[:2]) < 0.01
        for _ in range(int(length / 0.05)):
            world.step(0.5, 0.0)
        truth, odometry = world.truth(), world.odometry()
        line = truth.pose[:2] @ [-math.sin(heading), math.cos(heading)]
        assert abs(line) < 0.01 and abs(truth.pose[2] - heading) < 0.01
        assert truth.contacts == 0 and not truth.dropped
        assert odometry.linear == pytest.approx(0.5, rel=0.06)
        assert np.hypot(*truth.pose[:2]) == pytest.approx(length, abs=0.25)
        errors.append(np.hypot(*(odometry.pose - truth.pose)[:2]) / length)
    assert 0.001 < np.mean(errors) < 0.05 and max(errors) < 0.1


def test_turning_and_limits(world):
    world.reset(20)
    for _ in range(15):
        world.step(0.0, 9.0)
    before = world.truth().pose[2]
    world.step(0.0, 9.0)
    turn = (world.truth().pose[2] - before) % (2 * math.pi)
    assert turn == pytest.approx(0.15, rel=0.03)
    for bad in (math.nan, math.inf):
        with pytest.raises(LatentworldError, match="finite"):
            world.step(bad, 0.0)


def test_driving_into_a_wall(world):
    world.reset(4)
    facing_wall(world, 0.8)
    touched = []
    for _ in range(25):
        world.step(0.5, 0.0)
        truth = world.truth()
        touched.append(truth.contact)
        assert truth.contact == (world.clearance(truth.pose[None, :2])[0] - RADIUS < 0.003)
    assert not any(touched[:8]) and all(touched[-5:]) and world.truth().contacts == 1


def test_contact_is_clearance_below_the_radius(world):
    rng = np.random.default_rng(0)
    contacts = 0
    for seed in range(100, 112):
        world.reset(seed)
        for step in range(60):
            if step % 8 == 0:
                command = rng.uniform(0, 0.5), rng.uniform(-1.5, 1.5)
            world.step(*command)
            truth = world.truth()
            if truth.dropped:
                break
            gap = world.clearance(truth.pose[None, :2])[0] - RADIUS
            assert gap > -0.01
            assert gap < 0.01 if truth.contact else gap > -0.002
            contacts += truth.contact
    assert contacts > 30


def test_driving_off_the_ledge(world):
    room_with_ledge(world)
    ledge = world.room.ledge
    for along in np.linspace(-0.8, 0.8, 33):
        point = np.zeros(2)
        point[ledge.axis] = ledge.edge - ledge.side * 0.5
        point[1 - ledge.axis] = along * world.room.size[1 - ledge.axis] / 2
        if world.clearance(world.from_room(point)[None])[0] > 0.45:
            break
    yaw = math.atan2(ledge.side * (ledge.axis == 1), ledge.side * (ledge.axis == 0))
    world.set_pose(*world.from_room(np.array([*point, yaw])))
    assert world.drop_distance(world.truth().pose[None, :2])[0] == pytest.approx(0.5)
    for _ in range(30):
        over = world.drop_distance(world.truth().pose[None, :2])[0] < 0
        world.step(0.5, 0.0)
        if world.truth().dropped:
            break
    assert world.truth().dropped and over
    for _ in range(10):
        world.step(0.0, 0.0)
    assert world.truth().dropped


def test_ledge_is_seen_in_depth(world):
    room_with_ledge(world)
    ledge = world.room.ledge
    middle = np.zeros(2)
    middle[ledge.axis] = ledge.side * (world.room.size[ledge.axis] / 2 - 0.35)
    yaw = math.atan2(ledge.side * (ledge.axis == 1), ledge.side * (ledge.axis == 0))
    depth = world.view(world.from_room(np.array([*middle, yaw + math.pi / 2]))).depth
    lowest = math.pi / 4 + world.camera.pitch  # of the last row, below the horizon
    expected = (world.camera.height + LEDGE_DROP) / math.sin(lowest) * math.cos(math.pi / 4)
    assert depth[-1, world.image_size // 2] == pytest.approx(expected, rel=0.05)


def test_pushing_a_crate_moves_it_and_its_footprint(world):
    for seed in range(60):
        episode = generate_episode(seed, BASE)
        crates = [o for o in episode.room.obstacles if o.mass]
        if not crates:
            continue
        world.reset(seed)
        crate = np.array([crates[0].x, crates[0].y])
        for angle in np.linspace(0, 2 * np.pi, 24, endpoint=False):
            out = np.array([np.cos(angle), np.sin(angle)])
            ways = world.from_room(crate + out * np.array([[0.6], [-0.45], [-0.6]]))
            if min(world.clearance(ways).min(), world.drop_distance(ways).min()) > 0.28:
                break
        else:
            continue
        world.set_pose(*world.from_room(np.array([*(crate + 0.6 * out), angle + np.pi])))
        centre = world.from_room(crate)[None]
        inside = world.clearance(centre)[0]
        for _ in range(16):
            world.step(0.4, 0.0)
        assert inside < -0.05 < world.clearance(centre)[0] - 0.05
        assert world.truth().contacts >= 1
        return
    raise AssertionError("no crate to push")


@pytest.mark.parametrize("blocked", [True, False])
def test_blocked_and_free_rooms(blocked):
    for seed in range(2_000_000, 2_000_030):
        episode = generate_episode(seed, BASE, blocked)
        room, footprints = episode.room, episode.room.footprints()

        def clearance(points, room=room, footprints=footprints):
            return np.minimum(footprints.distance(points), room.drop_distance(points))

        start, goal = episode.start[:2], episode.goal[:2]
        assert 2.0 <= np.hypot(*(goal - start)) <= 3.8
        assert clearance(np.stack([start, goal])).min() >= 0.4
        narrowest = clearance(start + np.linspace(0, 1, 1000)[:, None] * (goal - start)).min()
        assert narrowest < RADIUS + CORRIDOR if blocked else narrowest >= RADIUS + CORRIDOR + FREE_MARGIN - 0.005
        assert clearance(episode.path).min() >= 0.25
        assert np.hypot(*np.diff(episode.path, axis=0).T).sum() >= np.hypot(*(goal - start)) - 1e-6
        assert 4.5 <= min(room.size) and max(room.size) <= 6.0


def test_about_a_third_of_the_rooms_have_a_ledge():
    ledges = sum(generate_episode(seed, BASE).room.ledge is not None for seed in range(300, 400))
    assert 20 <= ledges <= 50


def test_odom_lies_at_the_start(world):
    world.reset(30)
    assert world.truth().pose == pytest.approx(np.zeros(3), abs=1e-6)
    assert world.odometry().pose.tolist() == [0, 0, 0] == world.start.tolist()
    bearing = math.atan2(world.goal[1], world.goal[0])
    assert abs(bearing) <= math.pi / 2
    points = np.random.default_rng(0).normal(size=(5, 3))
    assert world.from_room(world.to_room(points)) == pytest.approx(points)
    assert world.path[0] == pytest.approx(np.zeros(2)) and world.path[-1] == pytest.approx(world.goal[:2])


def test_top_view_shows_the_base_where_its_pixels_are(world):
    world.reset(31)
    at = world.top_view_pixels(world.start, 256)
    here = world.top_view(256)[int(at[1]) - 4 : int(at[1]) + 4, int(at[0]) - 4 : int(at[0]) + 4].astype(float)
    world.set_pose(*world.goal)
    gone = world.top_view(256)[int(at[1]) - 4 : int(at[1]) + 4, int(at[0]) - 4 : int(at[0]) + 4].astype(float)
    assert np.abs(here - gone).mean() > 10


def test_no_way_through_a_closed_wall():
    def clearance(points):
        return np.where(np.abs(points[:, 0]) < 0.2, -1.0, 1.0)

    assert shortest_path(np.array([-1.0, 0]), np.array([1.0, 0]), clearance, (4, 4), 0.3) is None
    path = shortest_path(np.array([-1.0, 0]), np.array([-1.0, 1]), clearance, (4, 4), 0.3)
    assert np.hypot(*np.diff(path, axis=0).T).sum() == pytest.approx(1.0, abs=0.1)


def test_an_obstacle_is_put_elsewhere_or_away_against_all_physics(world):
    for seed in range(20):
        world.reset(seed)
        for index, obstacle in enumerate(world.room.obstacles):
            before = world.obstacle_positions()
            there = world.from_room(np.array([obstacle.x, obstacle.y]))
            assert before[index] == pytest.approx(there, abs=1e-3)
            assert world.clearance(there[None])[0] < 0
            world.place_obstacle(index, np.nan, np.nan)
            assert world.clearance(there[None])[0] > 0
            world.place_obstacle(index, 0.5, -0.2)
            assert world.obstacle_positions()[index] == pytest.approx([0.5, -0.2], abs=1e-3)
            assert world.clearance(np.array([[0.5, -0.2]]))[0] < 0
            world.place_obstacle(index, *there)
    world.reset(3)
    x, y, yaw = world.truth().pose
    empty = world.frame()
    world.place_obstacle(0, x + np.cos(yaw), y + np.sin(yaw))
    full = world.frame()
    assert full.depth[32, 32] < 1.0 and not np.array_equal(empty.rgb, full.rgb)
    world.reset(3)
    assert np.array_equal(world.frame().rgb, empty.rgb)


def test_another_light_changes_colours_and_nothing_else(world):
    world.reset(3)
    before, pose = world.frame(), world.truth().pose
    world.relight(1)
    lit = world.frame()
    assert np.abs(lit.rgb.astype(int) - before.rgb).mean() > 2
    assert np.array_equal(lit.depth, before.depth) and np.array_equal(world.truth().pose, pose)
    world.relight(1)
    assert np.array_equal(world.frame().rgb, lit.rgb)
    world.reset(3)
    assert np.array_equal(world.frame().rgb, before.rgb)
