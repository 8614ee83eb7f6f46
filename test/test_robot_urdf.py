"""What a URDF says of a body: its kind, footprint, height and floor. No ROS."""

from __future__ import annotations

import numpy as np
import pytest
from urdf_parts import BOX, REAR, WHEEL, joint, link, urdf, wheel

from latentworld.description.assembly import describe
from latentworld.description.body import convex_hull, outline
from latentworld.description.heard import Heard
from latentworld.robot import BaseKind
from latentworld.robot_file import problems
from latentworld.robot_urdf import parse
from latentworld.types import LatentworldError


def steered(side, y, limit='<limit lower="-0.5" upper="0.5" effort="1" velocity="1"/>'):
    """A front wheel behind a knuckle that turns about the vertical, modelled lying, as the MIT racecar's is."""
    knuckle = link(f"{side}_knuckle") + joint(
        f"{side}_hinge", "revolute", "base_link", f"{side}_knuckle", f"0.3 {y} 0.05", "0 1.5707963 0", "-1 0 0", limit
    )
    return knuckle + link(f"front_{side}_wheel", WHEEL) + joint(
        f"front_{side}_wheel_joint", "continuous", f"{side}_knuckle", f"front_{side}_wheel", rpy="1.5707963 0 0",
        axis="0 0 1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "kind", "known"),
    [
        ((REAR,), BaseKind.DIFFERENTIAL, True),
        ((REAR, wheel("front_left", 0.2, 0.15), wheel("front_right", 0.2, -0.15)), BaseKind.DIFFERENTIAL, True),
        ((REAR, steered("left", 0.15), steered("right", -0.15)), BaseKind.ACKERMANN, True),
        ((wheel("mecanum_1", 0.1, 0.1), wheel("mecanum_2", 0.1, -0.1)), BaseKind.OMNIDIRECTIONAL, True),
        ((REAR, '<gazebo><plugin filename="libgazebo_ros_planar_move.so"/></gazebo>'), BaseKind.OMNIDIRECTIONAL, True),
        ((), BaseKind.DIFFERENTIAL, False),
    ],
)
def test_the_kind_of_a_base(parts, kind, known):
    made = describe(Heard(urdf=urdf(*parts)))
    assert made.robot.base.kind == kind and not problems(made.robot)
    assert any(kind.value in line for line in (made.found if known else made.robot.assumed))


def test_three_wheels_askew_are_omnidirectional():
    parts = [link(f"w{i}", WHEEL) + joint(f"w{i}_wheel", "continuous", "base_link", f"w{i}", axis=axis)
             for i, axis in enumerate(("0 1 0", "0.866 -0.5 0", "-0.866 -0.5 0"))]  # fmt: skip
    assert describe(Heard(urdf=urdf(*parts))).robot.base.kind == BaseKind.OMNIDIRECTIONAL


def test_a_casters_swivel_steers_nothing():
    caster = link("caster_swivel") + joint(
        "caster_swivel_joint", "continuous", "base_link", "caster_swivel", axis="0 0 1"
    )
    roller = link("caster_wheel", WHEEL) + joint("caster_wheel_joint", "continuous", "caster_swivel", "caster_wheel")
    assert describe(Heard(urdf=urdf(REAR, caster, roller))).robot.base.kind == BaseKind.DIFFERENTIAL


def test_wheelbase_and_turning_radius():
    base = describe(Heard(urdf=urdf(REAR, steered("left", 0.15), steered("right", -0.15)))).robot.base
    assert base.wheelbase == pytest.approx(0.3) and base.turning_radius == pytest.approx(0.3 / np.tan(0.5), abs=1e-3)
    made = describe(Heard(urdf=urdf(REAR, steered("left", 0.15, ""), steered("right", -0.15, ""))))
    assert any("steering limit" in line for line in made.robot.assumed)


def test_wheels_behind_base_link_are_named():
    parts = wheel("left", -0.2, 0.1), wheel("right", -0.2, -0.1)
    assert any("-0.200 m" in line for line in describe(Heard(urdf=urdf(*parts))).missing)


def test_footprint_height_and_floor_from_shapes():
    made = describe(Heard(urdf=urdf(REAR)))
    base = made.robot.base
    assert np.abs(base.polygon).max(0).tolist() == [0.2, 0.16] and base.height == pytest.approx(0.25)
    lifted = urdf(wheel("left", 0, 0.15), wheel("right", 0, -0.15)).replace('0.05" rpy', '-0.02" rpy')
    assert describe(Heard(urdf=lifted)).robot.base.height == pytest.approx(0.32)


def test_a_round_body_is_a_radius():
    round_body = '<geometry><cylinder radius="0.17" length="0.1"/></geometry>'
    base = describe(Heard(urdf=urdf(body=link("base_link", round_body, xyz="0 0 0.05")))).robot.base
    assert base.radius == pytest.approx(0.17) and not base.footprint


def test_shapes_that_are_turned_and_spheres():
    sphere = '<geometry><sphere radius="0.1"/></geometry>'
    text = urdf(link("ball", sphere), joint("j", "fixed", "base_link", "ball", "0.3 0 0.1", "1 0.5 0.2"))
    base = describe(Heard(urdf=text)).robot.base
    assert base.polygon[:, 0].max() == pytest.approx(0.4, abs=3e-3)
    turned = urdf(link("bar", BOX), joint("j", "fixed", "base_link", "bar", "0 0 0.1", "0 0 1.5707963"))
    assert describe(Heard(urdf=turned)).robot.base.polygon[:, 1].max() == pytest.approx(0.2)


MESH = '<geometry><mesh filename="package://probe/body.stl"/></geometry>'


def test_meshes_are_said_not_to_be_read():
    made = describe(Heard(urdf=urdf(REAR, body=link("base_link", MESH))))
    assert any("base_link" in line and "mesh" in line for line in made.missing)
    assert made.robot.base.half_width == pytest.approx(0.16)  # its wheels alone
    only = describe(Heard(urdf=urdf(body=link("base_link", MESH))))
    assert any("no shapes but meshes" in line for line in only.robot.assumed) and not problems(only.robot)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<robot>", ["URDF", "parse"]),
        ("<sdf/>", ["<robot>", "<sdf>"]),
        (urdf(link("x", '<geometry><box size="1 2"/></geometry>')), ["numbers", "1 2"]),
        (urdf(joint("j", "fixed", "base_link", "x", "0 zero 0")), ["numbers", "zero"]),
    ],
)
def test_what_is_no_urdf_is_one_line(text, words):
    with pytest.raises(LatentworldError) as error:
        parse(text)
    assert "\n" not in str(error.value) and all(word in str(error.value) for word in ["robot_description", *words])
    assert str(error.value) in describe(Heard(urdf=text)).missing


def test_a_hull_by_hand():
    points = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.5], [0.5, 0.0]])
    assert convex_hull(points).tolist() == [[0, 0], [1, 0], [1, 1], [0, 1]]
    assert outline(points - 0.5) == (None, ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)))
