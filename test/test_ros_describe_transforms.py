"""Transforms as tf2 publishes them tell where a camera sits. From PyPI there is no tf2_msgs: it is built here."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

from latentworld.ros.describe import listen

INSTALLED = importlib.util.find_spec("tf2_msgs") is not None

PACKAGE_XML = """<?xml version="1.0"?><package format="3"><name>tf2_msgs</name><version>0.0.1</version>
<description>TFMessage alone</description><maintainer email="latentworld@example.org">latentworld</maintainer>
<license>Apache-2.0</license><buildtool_depend>ament_cmake</buildtool_depend>
<buildtool_depend>rosidl_default_generators</buildtool_depend><depend>geometry_msgs</depend>
<exec_depend>rosidl_default_runtime</exec_depend><member_of_group>rosidl_interface_packages</member_of_group>
<export><build_type>ament_cmake</build_type></export></package>"""
CMAKE = """cmake_minimum_required(VERSION 3.8)
project(tf2_msgs)
find_package(ament_cmake REQUIRED)
find_package(geometry_msgs REQUIRED)
find_package(rosidl_default_generators REQUIRED)
rosidl_generate_interfaces(tf2_msgs "msg/TFMessage.msg" DEPENDENCIES geometry_msgs)
ament_package()"""
WITH_TRANSFORMS = """
import sys
import numpy as np
from geometry_msgs.msg import TransformStamped
from latentworld.description.assembly import describe
from latentworld.ros.describe import Listener, listen
from rclpy.qos import DurabilityPolicy, QoSProfile
from robot_drivers import Drivers, enough
from tf2_msgs.msg import TFMessage

def edge(parent, child, xyz, quaternion):
    one = TransformStamped()
    one.header.frame_id, one.child_frame_id = parent, child
    one.transform.translation.x, one.transform.translation.y, one.transform.translation.z = xyz
    r = one.transform.rotation
    r.x, r.y, r.z, r.w = quaternion
    return one

with Drivers("colour") as drivers:
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    optical = (-0.5, 0.5, -0.5, 0.5)
    edges = [edge("base_footprint", "base_link", (0.0, 0.0, 0.1), (0.0, 0.0, 0.0, 1.0)),
             edge("base_link", "pole", (0.3, 0.0, 0.5), (0.0, 0.0998334, 0.0, 0.9950042)),
             edge("pole", "eye_optical", (0.0, 0.0, 0.0), optical)]
    drivers.graph.node.create_publisher(TFMessage, "/tf_static", latched).publish(TFMessage(transforms=edges))
    heard = listen(20, lambda heard: len(heard.transforms) == 3 and enough(pictures=1, infos=1)(heard))
    m = describe(heard).robot.camera.mount
    np.testing.assert_allclose((m.x, m.y, m.z, m.roll, m.pitch, m.yaw), (0.3, 0, 0.6, 0, 0.2, 0), atol=1e-3)
    print("right", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def with_tf2_msgs(tmp_path_factory):
    """An environment in which tf2_msgs can be imported."""
    environment = dict(os.environ)
    if INSTALLED:
        return environment
    path = tmp_path_factory.mktemp("tf2_msgs")
    (path / "msg").mkdir()
    (path / "msg" / "TFMessage.msg").write_text("geometry_msgs/TransformStamped[] transforms\n")
    (path / "package.xml").write_text(PACKAGE_XML)
    (path / "CMakeLists.txt").write_text(CMAKE)
    command = ["colcon", "build", "--merge-install", "--cmake-args", "-DBUILD_TESTING=OFF"]
    jobs = {"MAKEFLAGS": f"-j{os.cpu_count()}"}
    built = subprocess.run(command, cwd=path, env=environment | jobs, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout[-4000:] + built.stderr[-4000:]
    (packages,) = (path / "install").glob("lib/python*/*-packages")
    for name, folder in {
        "PYTHONPATH": packages, "LD_LIBRARY_PATH": path / "install/lib", "AMENT_PREFIX_PATH": path / "install",
    }.items():  # fmt: skip
        environment[name] = f"{folder}{os.pathsep}{environment.get(name, '')}"
    return environment


@pytest.mark.slow
def test_transforms_are_read_where_they_can_be_and_named_where_not(with_tf2_msgs):
    command, here = [sys.executable, "-c", WITH_TRANSFORMS], os.path.dirname(__file__)
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with subprocess.Popen(command, env=with_tf2_msgs, cwd=here, **pipes) as process:
        right = process.stdout.readline()
        heard = listen(20, lambda heard: heard.said or INSTALLED)
        _, said = process.communicate("\n", timeout=60)
    assert right == "right\n", said[-3000:]
    assert INSTALLED or any("tf2_msgs/msg/TFMessage: expected to be installed" in line for line in heard.said)
