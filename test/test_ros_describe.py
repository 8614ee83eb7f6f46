"""``latentworld robot describe`` over DDS: what a robot says of itself becomes a description; silence is named."""

from __future__ import annotations

import math

import numpy as np
import pytest
from geometry_msgs.msg import Twist
from robot_drivers import PERIOD, Drivers, enough
from ros_graph import Graph
from typer.testing import CliRunner

from latentworld.cli import app
from latentworld.description.assembly import describe
from latentworld.robot import BaseKind
from latentworld.robot_file import load
from latentworld.ros.describe import listen
from latentworld.ros.domain import unused_domain


def test_a_robot_becomes_a_description():
    parts = ("urdf", "colour", "registered_depth", "lidar", "odometry", "bumper", "wheels")
    with Drivers(*parts, delay=0.06):
        heard = listen(20, enough(urdf=1, pictures=2, infos=1, scans=1, odometry=1, commands=1, bumpers=1))
    made = describe(heard)
    robot, base, camera = made.robot, made.robot.base, made.robot.camera
    assert (robot.name, base.kind, base.mass, robot.bumper) == ("probe", BaseKind.DIFFERENTIAL, 7.5, True)
    assert base.height == pytest.approx(0.25) and np.abs(base.polygon).max(0).tolist() == [0.25, 0.19]
    lens = camera.intrinsics
    assert (lens.width, lens.height, lens.fx, lens.fy) == (80, 60, 100, 105)
    assert (lens.cx, lens.cy) == (39.5, 29.5) and lens.distortion == (0.1, -0.05, 0.001, 0.0, 0.0)
    mount = camera.mount
    assert (mount.x, mount.y, mount.z) == pytest.approx((0.2, 0.03, 0.45), abs=1e-3)
    assert (mount.roll, mount.pitch, mount.yaw) == pytest.approx((0, 0.35, 0), abs=1e-3)
    assert camera.depth.registered and camera.depth.least == 0.2 and camera.depth.holes == pytest.approx(0.25, abs=0.01)
    assert camera.rate == pytest.approx(1 / PERIOD, rel=0.2) and 0.06 <= camera.latency < 0.2
    (lidar,) = robot.lidars
    assert (lidar.beams, lidar.mount.z) == (301, 0.3) and lidar.last == pytest.approx(1.5, abs=1e-3)
    assert abs(lidar.mount.yaw) == pytest.approx(math.pi, abs=1e-3)
    assert any("enable_stamped_cmd_vel: true" in line for line in made.found)
    assert any("mast" in line for line in made.missing) and any("max_linear" in line for line in robot.assumed)


def test_depth_of_another_lens_in_a_frame_with_x_forward():
    with Drivers("urdf", "colour", "own_depth"):
        heard = listen(20, enough(urdf=1, pictures=2, infos=2))
    depth = describe(heard).robot.camera.depth
    assert not depth.registered and depth.intrinsics.fx == 100.0
    assert depth.mount.pitch == pytest.approx(0.35, abs=1e-3)


def test_a_camera_alone_is_described_by_what_is_assumed(tmp_path):
    with Drivers("colour"):
        made = describe(listen(20, enough(pictures=1, infos=1)))
    said = "\n".join((*made.missing, *made.robot.assumed))
    for part in ("robot_description", "eye_optical", "odometry", "cmd_vel", "radius"):
        assert part in said
    assert made.robot.camera.intrinsics.fx == 100


def test_the_command_writes_a_description_that_can_be_loaded(tmp_path):
    path = tmp_path / "mine.yaml"
    with Drivers("urdf", "colour", "registered_depth", "lidar", "odometry", "wheels", "packed"):
        result = CliRunner().invoke(app, ["robot", "describe", "--output", str(path), "--seconds", "4"])
    assert result.exit_code == 0, result.output
    for title in ("Found", "Missing or assumed", "Will"):
        assert title in result.output
    robot = load(path)
    assert robot.camera.mount.pitch == pytest.approx(0.35, abs=1e-3) and robot.assumed and len(robot.lidars) == 1


def test_a_silent_graph_is_named(tmp_path, monkeypatch):
    domain = str(unused_domain())
    monkeypatch.setenv("ROS_DOMAIN_ID", domain)
    result = CliRunner().invoke(app, ["robot", "describe", "--output", str(tmp_path / "x.yaml"), "--seconds", "0.5"])
    assert result.exit_code == 1 and not (tmp_path / "x.yaml").exists()
    assert f"ROS_DOMAIN_ID {domain}" in result.output and "LOCALHOST" in result.output


def test_two_types_of_commands_are_named():
    with Drivers("odometry", "wheels"), Graph("other") as other:
        other.node.create_subscription(Twist, "cmd_vel", lambda m: None, 1)
        made = describe(listen(20, lambda heard: len(heard.commands.get("/cmd_vel", ())) == 2))
    assert any(line.startswith("/cmd_vel: expected one type") for line in made.missing)


def test_simulated_time_and_stamps_of_another_clock():
    with Drivers("colour", "clock"):
        heard = listen(20, lambda heard: any(len(p.timing.delays) > 8 for p in heard.pictures.values()))
    camera = describe(heard).robot.camera
    assert camera.latency <= 0.1 and camera.rate == pytest.approx(1 / PERIOD, rel=0.2)
    with Drivers("colour", delay=1e6):
        made = describe(listen(20, enough(pictures=1)))
    assert any("latency" in line for line in made.robot.assumed)
