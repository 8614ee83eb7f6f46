"""Depth from colour: the level view of every lens, what is made of an estimate, and the shipped estimator."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cast_scenes import CAMERAS, FLOOR, cast, grown, robot, shot

from latentworld import robot_file
from latentworld.model.checkpoint import depth_estimator, load
from latentworld.model.depth_estimator import BELOW
from latentworld.perception.canonical_view import CanonicalView
from latentworld.perception.encoder import PerceptionEncoder
from latentworld.perception.estimated_depth import Cells, EstimatedDepth, depth_picture, ground_scan
from latentworld.perception.level_view import CELL, COLUMNS, ROWS, LevelView, directions
from latentworld.perception.range_scan import range_scan
from latentworld.robot import Mount
from latentworld.sim import World
from latentworld.training.depth.collect import EXACT
from latentworld.training.driving.drivers import free_distance, random_point
from latentworld.types import Frame, LatentworldError

ROOM = 1_680_100  # a seed that no training has seen


def level_of(camera):
    return LevelView(camera, (camera.intrinsics.height, camera.intrinsics.width))


def exact_cells(level, camera):
    """What an estimator without fault would say of the scene."""
    ahead = directions(CELL)
    place = Mount(camera.mount.x, camera.mount.y, camera.mount.z, yaw=camera.mount.yaw)
    rgb, metres = cast(ahead / ahead[..., :1], place)
    points = ahead / ahead[..., :1] * metres[..., None]
    kind = np.stack([(rgb == FLOOR).all(-1), (rgb != FLOOR).any(-1), np.zeros(rgb.shape[:2], bool)]).astype(np.float32)
    seen = level.seen.reshape(ROWS // CELL, CELL, COLUMNS // CELL, CELL).all((1, 3))
    return Cells(kind, np.hypot(points[..., 0], points[..., 1]), np.zeros_like(metres), seen)


@pytest.mark.parametrize("name", CAMERAS)
def test_level_view_of_every_lens(name):
    camera = CAMERAS[name]
    level, ahead = level_of(camera), directions()
    shown = level.look(shot(camera).rgb)
    place = Mount(camera.mount.x, camera.mount.y, camera.mount.z, yaw=camera.mount.yaw)
    expected, _ = cast(ahead / ahead[..., :1], place)
    assert shown.shape == (ROWS, COLUMNS, 3) and level.seen.mean() > 0.1 and not shown[~level.seen].any()
    edges = grown((np.abs(np.diff(expected.astype(int), axis=0, prepend=0)).max(-1) > 0), 2)
    edges |= grown((np.abs(np.diff(expected.astype(int), axis=1, prepend=0)).max(-1) > 0), 2)
    inner = level.seen & ~edges
    assert (np.abs(shown.astype(int) - expected).max(-1)[inner] < 40).mean() > 0.98


@pytest.mark.parametrize("name", CAMERAS)
def test_depth_picture_of_every_lens(name):
    """Cells without fault give the depth that was measured."""
    camera = CAMERAS[name]
    level = level_of(camera)
    depth = depth_picture(exact_cells(level, camera), level)
    step, grid = level.grid.step, level.grid
    measured = grid.blocks(shot(camera).depth)[step // 2 :: step, step // 2 :: step]
    assert depth.shape == grid.shape and depth.dtype == np.float32
    both = np.isfinite(depth) & (measured > 0)
    assert both.mean() > 0.3  # of these pictures, some show much that is above the level view, or beyond FAR
    assert np.median(np.abs(depth / measured - 1)[both]) < 0.03
    assert (np.abs(depth / measured - 1)[both] < 0.15).mean() > 0.9


@pytest.mark.parametrize("name", ["640x480, level", "250x250", "high, looking down", "fisheye", "plumb_bob"])
def test_scan_agrees_with_measured_depth(name):
    camera = CAMERAS[name]
    level = level_of(camera)
    scan = ground_scan(exact_cells(level, camera), level, robot(camera), camera)
    measured = range_scan(shot(camera), robot(camera))
    both = np.isfinite(scan.nearest) & np.isfinite(measured.nearest)
    assert scan.estimated and not measured.estimated and both.sum() > 5
    assert np.median(np.abs(scan.nearest[both] - measured.nearest[both])) < 0.08
    # It calls no ground free that lies past a thing; at the edge of one, a sector may show both.
    assert (scan.far > measured.nearest + 0.15).mean() < 0.02


def test_a_drop_ends_the_ground_without_a_thing():
    camera = CAMERAS["250x250"]
    level = level_of(camera)
    cells = exact_cells(level, camera)
    lower = np.zeros_like(cells.kind)
    lower[0], lower[BELOW] = cells.kind[0], cells.kind[1]  # what stood there is a hole
    scan, before = (ground_scan(cells._replace(kind=k), level, robot(camera), camera) for k in (lower, cells.kind))
    assert not np.isfinite(scan.nearest).any() and np.isfinite(before.nearest).any()
    assert np.allclose(scan.far, before.far) and (scan.far > 0).any()


def pose_in(world, rng):
    """x, y, yaw at which a base could stand."""
    points = np.array([random_point(world, rng) for _ in range(60)])
    return np.append(points[np.argmax(free_distance(world, points) > 0.3)], rng.uniform(-np.pi, np.pi))


@pytest.mark.parametrize("name", ["turtlebot4", "trials/service", "trials/fisheye", "latentworld"])
def test_shipped_estimator_in_rooms_never_seen(name):
    """Against exact depth of the same pictures, through the cameras of robots that ship."""
    described = robot_file.load(name)
    camera = replace(described.camera, depth=EXACT)
    exact = replace(described, cameras=(camera,))
    colour = replace(described, cameras=(replace(camera, depth=None),))
    apart, missed, columns, rng = [], 0, 0, np.random.default_rng(0)
    world = World(ROOM, image_size=min(320, camera.intrinsics.width), robot=exact)
    estimate = EstimatedDepth(depth_estimator(), CanonicalView(colour))
    for seed in np.repeat(range(ROOM, ROOM + 16), 5):
        world.reset(int(seed))
        frame = world.view(pose_in(world, rng))
        measured = range_scan(frame, exact)
        _, frames, (scan,) = estimate.look([replace(frame, depth=None)])
        assert np.isfinite(frames[0].depth).any()
        there = measured.nearest < 1.2
        both = there & np.isfinite(scan.nearest)
        apart += list(np.abs(scan.nearest[both] - measured.nearest[both]))
        missed += int((scan.far > measured.nearest + 0.3)[there].sum())
        columns += int(there.sum())
    world.close()
    assert columns > 100 and len(apart) > 0.7 * columns
    assert np.median(apart) < 0.1 and missed < 0.12 * columns


def test_encoder_estimates_only_where_nothing_is_measured():
    model, described = load(), robot_file.load("turtlebot4")
    world = World(ROOM, robot=described)
    frame = world.frame()
    world.close()
    deep = PerceptionEncoder(model, described).encode(frame)
    flat = PerceptionEncoder(model, described).encode(replace(frame, depth=None))
    alone = PerceptionEncoder(model, described, estimate_depth=False).encode(replace(frame, depth=None))
    assert [s.estimated for s in deep.scans] == [False] and [s.estimated for s in flat.scans] == [True]
    assert alone.scans == ()
    apart = [np.linalg.norm(deep.vector - other.vector) for other in (flat, alone)]
    assert apart[0] < apart[1]  # what is estimated comes nearer to what is measured than colour alone


def test_picture_of_another_shape_is_refused():
    described = robot_file.load("turtlebot4")
    view = CanonicalView(replace(described, cameras=(replace(described.camera, depth=None),)))
    with pytest.raises(LatentworldError, match="oakd.*250 x 250.*got 64 x 32"):
        EstimatedDepth(depth_estimator(), view).look([Frame(0, np.zeros((32, 64, 3), np.uint8))])
