"""Which robots fit the model, which are refused, and what is warned of: each by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from latentworld.robot import VIEW, Base, Camera, Depth, Intrinsics, Lidar, Mount, Robot
from latentworld.robot_file import load, shipped
from latentworld.robot_fit import (
    blind_zone,
    coverage,
    highest,
    horizontal_view,
    nearest_floor,
    refusals,
    seen,
    stopping_distance,
    warnings,
)

LENS = Intrinsics.from_field_of_view(64, 64, np.pi / 2)
CAMERA = Camera(LENS, Mount(x=0.12, z=0.28, pitch=0.21), Depth())
ROBOT = Robot("probe", Base(radius=0.2), (CAMERA,))
LIDAR = Lidar(Mount(z=0.2))


def with_camera(**changes):
    return replace(ROBOT, cameras=(replace(CAMERA, **changes),))


def with_base(**changes):
    return replace(ROBOT, base=replace(ROBOT.base, **changes))


@pytest.mark.parametrize("name", shipped())
def test_what_ships_is_not_refused(name):
    assert refusals(load(name)) == []


def test_a_robot_with_the_models_own_view_fits_without_a_word():
    assert refusals(ROBOT) == warnings(ROBOT) == []
    assert coverage(ROBOT) > 0.97


@pytest.mark.parametrize(
    ("robot", "words"),
    [
        (replace(ROBOT, cameras=()), ["probe", "a camera or a lidar", "none"]),
        (with_camera(mount=Mount(z=0.3, yaw=np.pi)), ["camera camera", "looks ahead", "180"]),
        (with_camera(mount=Mount(z=0.3, pitch=-1.0), depth=None), ["camera camera", "floor within 3 m", "neither"]),
        (with_camera(rate=1.0), ["camera camera.rate", "2 Hz", "1 Hz"]),
        (with_base(radius=0.9), ["base.radius", "0.8 m", "0.90"]),
        (
            with_base(radius=None, footprint=((1, 0.2), (-0.2, 0.2), (-0.2, -0.2), (1, -0.2))),
            ["base.footprint", "1.02"],
        ),
        (with_base(max_linear=3.0, acceleration=1.0), ["base.max_linear", "stop within", "3 m/s"]),
        (with_base(max_linear=2.0, latency=1.5), ["base.max_linear", "until it brakes"]),
    ],
)
def test_what_does_not_fit_is_refused_by_name(robot, words):
    said = refusals(robot)
    assert len(said) == 1 and all(word in said[0] for word in words), said


def test_a_lidar_is_enough_and_is_warned_of():
    robot = replace(ROBOT, cameras=(), lidars=(LIDAR,))
    assert refusals(robot) == [] and "lidar only" in warnings(robot)[0]


def test_a_second_camera_that_looks_back_is_no_reason_to_refuse():
    back = replace(CAMERA, name="back", mount=Mount(z=0.3, yaw=np.pi))
    robot = replace(ROBOT, cameras=(CAMERA, back))
    assert refusals(robot) == [] and any("camera back" in line for line in warnings(robot))


@pytest.mark.parametrize(
    ("robot", "words"),
    [
        (with_camera(intrinsics=Intrinsics.from_field_of_view(64, 64, 0.7)), ["camera camera", "across", "40"]),
        (with_camera(mount=Mount(z=1.3, pitch=0.5)), ["camera camera.mount", "0.8 m", "1.30"]),
        (with_camera(rate=5.0), ["camera camera.rate", "8 Hz", "5 Hz"]),
        (with_camera(latency=0.5), ["camera camera.latency", "0.3 s", "0.5"]),
        (with_camera(depth=None), ["depth", "colour only"]),
        (with_camera(depth=Depth(0.1, 1.5)), ["depth.most", "2.5 m", "1.5"]),
        (with_camera(depth=Depth(1.0, 6.0)), ["blind zone", "could still stop"]),
        (with_camera(mount=Mount(z=0.28, pitch=-0.5)), ["floor from 0.5 m before the body"]),
        (with_camera(mount=Mount(z=0.28, yaw=0.8)), ["model's view", "60%"]),
        (with_base(height=1.8), ["base.height", "upper edge", "1.8"]),
        (with_base(latency=0.5), ["base.latency", "0.3 s", "0.5"]),
    ],
)
def test_what_fits_badly_is_warned_of_by_name(robot, words):
    assert refusals(robot) == []
    said = warnings(robot)
    assert any(all(word in line for word in words) for line in said), said


def test_geometry_that_is_only_assumed_is_warned_of():
    robot = replace(ROBOT, assumed=("camera eye: mount 0.25 m above the floor, level", "base: max_linear 0.3 m/s"))
    (said,) = warnings(robot)
    assert said.startswith("camera eye: expected to be measured, got assumed: mount 0.25 m")


def test_what_a_camera_sees_by_hand():
    level = replace(CAMERA, mount=Mount(x=0.1, z=0.3), depth=None)
    assert nearest_floor(level) == pytest.approx(0.4, abs=0.02)  # 45 degrees down from 0.3 m
    assert highest(level, 1.1) == pytest.approx(1.3, abs=0.05)
    assert blind_zone(replace(level, depth=Depth(0.5)), 0.3) == pytest.approx(0.6, abs=0.02)
    assert seen(level, np.array([[1.0, 0.0, 0.3], [-1.0, 0.0, 0.3], [1.0, 1.5, 0.3]])).tolist() == [True, False, False]
    on_its_side = replace(CAMERA, intrinsics=Intrinsics.from_field_of_view(80, 40, 1.4), mount=Mount(roll=np.pi / 2))
    assert horizontal_view(on_its_side) == pytest.approx(on_its_side.intrinsics.field_of_view[1], abs=0.03)
    assert coverage(with_camera(mount=VIEW.mount, intrinsics=VIEW.intrinsics)) == 1.0


def test_a_strongly_distorted_lens_does_not_see_what_its_polynomial_leads_back_in():
    lens = replace(LENS, distortion=(-0.4, 0.1, 0.0, 0.0))
    camera = replace(CAMERA, intrinsics=lens, mount=Mount(z=0.3))
    aside = np.array([[0.05, y, 0.3] for y in np.linspace(0.5, 20, 50)])
    assert not seen(camera, aside).any()


def test_stopping_counts_the_way_to_the_first_braking():
    robot = replace(with_base(max_linear=1.0, acceleration=1.0, latency=0.1), cameras=(replace(CAMERA, latency=0.2),))
    assert stopping_distance(robot) == pytest.approx(0.1 + 0.2 + 0.1 + 0.5)
