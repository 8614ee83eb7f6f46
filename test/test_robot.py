"""Descriptions of robots: YAML read strictly and written again, footprints and the discs that cover them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from latentworld.cli import app
from latentworld.geometry import OPTICAL, compose, euler, polygon_distance, relative, rotation
from latentworld.robot import Base, BaseKind, Camera, Depth, Intrinsics, Mount, Robot
from latentworld.robot_file import from_dict, load, problems, save, shipped
from latentworld.types import LatentworldError

LENS = {"width": 64, "height": 48, "fx": 40.0, "fy": 40.0, "cx": 31.5, "cy": 23.5}
PLAIN = {"name": "plain", "base": {"radius": 0.2}, "cameras": [{"intrinsics": LENS, "mount": {"z": 0.3}}]}


@pytest.mark.parametrize("name", shipped())
def test_what_ships_is_read_and_written_again_unchanged(name, tmp_path):
    robot = load(name)
    assert not problems(robot) and robot.cameras and robot.base.reach < 0.8
    save(robot, tmp_path / "again.yaml")
    assert load(tmp_path / "again.yaml") == robot
    assert from_dict(robot.to_dict()) == robot


def test_a_field_of_view_stands_for_focal_lengths():
    lens = {"width": 640, "height": 480, "field_of_view": 1.2}
    camera = from_dict(PLAIN | {"cameras": [{"intrinsics": lens, "mount": {}}]}).camera
    assert camera.intrinsics.field_of_view[0] == pytest.approx(1.2)
    assert camera.intrinsics.scaled(0.1).field_of_view == pytest.approx(camera.intrinsics.field_of_view)


def write(folder, file, /, **values):
    (folder / f"{file}.yaml").write_text(yaml.safe_dump(values))
    return folder / f"{file}.yaml"


def test_like_another_with_changes(tmp_path):
    write(tmp_path, "first", **PLAIN)
    square = [[0.3, 0.2], [-0.3, 0.2], [-0.3, -0.2], [0.3, -0.2]]
    second = write(tmp_path, "second", like="first", base={"footprint": square}, cameras=[{"rate": 5.0}])
    robot = load(second)
    assert robot.base.radius is None and robot.base.half_width == pytest.approx(0.2)
    assert robot.camera.rate == 5.0 and robot.camera.mount.z == 0.3
    assert load(write(tmp_path, "third", like="turtlebot4", name="mine")).bumper


def test_descriptions_that_are_like_each_other_are_named(tmp_path):
    write(tmp_path, "one", like="two")
    with pytest.raises(LatentworldError, match="like: another description"):
        load(write(tmp_path, "two", like="one"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"wheels": 4}, ["wheels"]),
        ({"base": {"radius": "wide"}}, ["base.radius", "'wide'"]),
        ({"base": {"radius": float("nan")}}, ["base.radius", "nan"]),
        ({"base": {"radius": -0.1}}, ["base.radius", "more than 0", "-0.1"]),
        ({"base": {"radius": 0.2, "kind": "tracked"}}, ["base.kind", "differential", "'tracked'"]),
        ({"base": {"radius": 0.2, "footprint": [[0, 1], [1, 0], [-1, -1]]}}, ["radius or footprint"]),
        ({"base": {}}, ["radius or footprint"]),
        ({"base": {"footprint": [[0.1, 0.1], [0.2, 0.1], [0.2, 0.2]]}}, ["footprint", "around base_link"]),
        ({"base": {"radius": 0.2, "max_linear": 0.0}}, ["max_linear", "more than 0"]),
        ({"base": {"radius": 0.2, "kind": "ackermann"}}, ["turning_radius", "ackermann"]),
        ({"base": {"radius": 0.2, "kind": "omnidirectional"}}, ["max_lateral", "omnidirectional"]),
        ({"cameras": [{"mount": {}}]}, ["cameras[0]", "intrinsics"]),
        ({"cameras": [{"intrinsics": LENS | {"distortion": [0.1]}, "mount": {}}]}, ["distortion", "coefficients", "1"]),
        ({"cameras": [{"intrinsics": LENS | {"distortion_model": "odd"}, "mount": {}}]}, ["plumb_bob", "odd"]),
        ({"cameras": PLAIN["cameras"] * 2}, ["names of sensors", "each once"]),
        ({"cameras": [PLAIN["cameras"][0] | {"depth": {"least": 7.0}}]}, ["depth", "least", "7.0"]),
        ({"name": None}, ["name"]),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_file_and_key(changes, words, tmp_path):
    path = write(tmp_path, "wrong", **(PLAIN | changes))
    with pytest.raises(LatentworldError) as error:
        load(path)
    said = str(error.value)
    assert "\n" not in said and "wrong.yaml" in said
    assert all(word in said for word in words), said


@pytest.mark.parametrize("text", ["a: [", "just words", "- a list", "!!python/object:os.system {}"])
def test_what_is_no_description_is_named(text, tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(LatentworldError, match="broken.yaml") as error:
        load(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["nobody", "/nowhere/robot.yaml"])
def test_what_is_not_there_is_named(name):
    with pytest.raises(LatentworldError, match=name):
        load(name)


FOOTPRINTS = {
    "square": [[0.3, 0.3], [-0.3, 0.3], [-0.3, -0.3], [0.3, -0.3]],
    "long": [[0.6, 0.15], [-0.2, 0.15], [-0.2, -0.15], [0.6, -0.15]],
    "wide": [[0.1, 0.4], [-0.1, 0.4], [-0.1, -0.4], [0.1, -0.4]],
    "wedge": [[0.4, 0.0], [-0.2, 0.3], [-0.2, -0.3]],
    "notched": [[0.3, 0.3], [-0.3, 0.3], [-0.3, -0.3], [0.3, -0.3], [0.05, 0.0]],
}


@pytest.mark.parametrize("corners", FOOTPRINTS.values(), ids=FOOTPRINTS)
def test_discs_cover_the_footprint(corners):
    base = Base(footprint=tuple(map(tuple, corners)))
    points = np.random.default_rng(0).uniform(-1, 1, (20_000, 2))
    inside = polygon_distance(base.polygon, points) <= 0
    gap = np.hypot(*(points[:, None] - base.discs[:, :2]).transpose(2, 0, 1)) - base.discs[:, 2]
    assert (gap[inside].min(1) <= 0.01).all()
    assert polygon_distance(base.polygon, points[gap.min(1) <= 0]).max() < base.discs[:, 2].max()
    assert (base.discs[:, 2] <= base.reach + 1e-9).all()
    assert (np.hypot(*points[inside].T) <= base.reach + 1e-9).all()
    assert (np.abs(points[inside, 1]) <= base.half_width + 1e-9).all()


def test_a_round_footprint_is_one_disc():
    base = Base(radius=0.25)
    assert base.discs.tolist() == [[0.0, 0.0, 0.25]] and (base.reach, base.half_width) == (0.25, 0.25)
    assert np.hypot(*base.polygon.T) == pytest.approx(np.full(24, 0.25))


def test_signed_distance_to_a_polygon():
    square = np.array([[1.0, 1.0], [-1, 1], [-1, -1], [1, -1]])
    points = np.array([[0.0, 0.0], [0.5, 0.0], [2.0, 0.0], [2.0, 2.0], [1.0, 0.0]])
    assert polygon_distance(square, points) == pytest.approx([-1, -0.5, 1, np.sqrt(2), 0], abs=1e-9)
    assert polygon_distance(square[::-1], points) == pytest.approx([-1, -0.5, 1, np.sqrt(2), 0], abs=1e-9)


@pytest.mark.parametrize("angles", [(0.1, -0.2, 0.3), (np.pi / 2, 0.5, -3.0), (0.0, np.pi / 2, 0.7), (0.0, 0.0, 0.0)])
def test_angles_of_a_rotation(angles):
    assert euler(rotation(*angles)) == pytest.approx(angles, abs=1e-6)


def test_a_mount_looks_where_it_says():
    down = Mount(pitch=0.3).rotation
    assert down[:, 0] == pytest.approx([np.cos(0.3), 0, -np.sin(0.3)])
    assert (OPTICAL @ [0, 0, 1]).tolist() == [1, 0, 0] and (OPTICAL @ [1, 0, 0]).tolist() == [0, -1, 0]


def test_cameras_by_name():
    camera = Camera(Intrinsics.from_field_of_view(64, 48, 1.0), Mount(), Depth())
    robot = Robot("two", Base(radius=0.2), (replace(camera, name="left"), replace(camera, name="right")))
    assert robot.camera_named("right").name == "right" and robot.camera.name == "left"
    with pytest.raises(LatentworldError, match="left, right, got top"):
        robot.camera_named("top")
    with pytest.raises(LatentworldError, match="expected a camera, got none"):
        _ = replace(robot, cameras=()).camera


def test_the_command_shows_and_lists(tmp_path):
    shown = CliRunner().invoke(app, ["robot", "show", "turtlebot4"]).output
    assert all(word in shown for word in ("TurtleBot 4", "radius 0.171 m", "camera oakd", "lidar scan", "bumper"))
    listed = CliRunner().invoke(app, ["robot", "list"]).output
    assert all(name in listed for name in shipped())
    mine = write(tmp_path, "mine", **PLAIN, assumed=["base.mass 4 kg"])
    shown = CliRunner().invoke(app, ["robot", "show", str(mine)]).output
    assert "base.mass 4 kg" in shown and BaseKind.DIFFERENTIAL.value in shown


def test_planar_poses_compose_and_come_apart():
    rng = np.random.default_rng(0)
    for pose, other in rng.uniform(-3, 3, (20, 2, 3)):
        assert np.allclose(compose(pose, relative(pose, other)), other)
        assert np.allclose(relative(pose, compose(pose, other)), other)
    assert np.allclose(compose(np.array([1.0, 2.0, np.pi / 2]), np.array([1.0, 0.0, 0.0])), [1.0, 3.0, np.pi / 2])
