"""A description from what a robot says: frames, camera_info, and which pictures belong together. No ROS."""

from __future__ import annotations

import numpy as np
import pytest
from urdf_parts import REAR, joint, link, urdf

from latentworld.description.assembly import describe
from latentworld.description.cameras import cameras, info_for, intrinsics_of
from latentworld.description.heard import Heard, Info, Picture, Scan, Timing, Travel
from latentworld.description.place import Notes, Place
from latentworld.geometry import rotation
from latentworld.robot_file import from_dict
from latentworld.robot_urdf import Frames, transform

# -- frames


def test_transforms_take_the_place_of_the_urdfs():
    text = urdf(link("eye"), joint("eye_joint", "revolute", "base_link", "eye", "0.1 0 0.3"))
    tilted = transform(np.array([0.1, 0.0, 0.3]), rotation(0, 0.4, 0))
    picture = Picture("/eye/image", "eye", "rgb8", 64, 48)
    heard = Heard(urdf=text, transforms={"eye": ("base_link", tilted)}, pictures={picture.topic: picture})
    assert describe(heard).robot.camera.mount.pitch == pytest.approx(0.4, abs=1e-3)


@pytest.mark.parametrize("name", ["eye", "/eye", "probe/eye/rgbd_camera", "eye/rgbd_camera"])
def test_names_of_frames_as_drivers_write_them(name):
    frames = Frames()
    frames.put("base_link", "eye", np.eye(4))
    frames.put("robot1/base_link", "robot1/scan", np.eye(4))
    assert frames.find(name) == "eye" and frames.find("scan") == "robot1/scan" and frames.find("nose") is None


def test_frames_that_go_in_a_circle_end():
    frames = Frames()
    frames.put("a", "b", np.eye(4))
    frames.put("b", "a", np.eye(4))
    assert frames.matrix("a", "base_link") is None


# -- cameras

K = (100.0, 0, 49.5, 0, 110.0, 39.5, 0, 0, 1)
P = (90.0, 0, 50.5, 0, 0, 91.0, 40.5, 0, 0, 0, 1, 0)


def info(**changes):
    values = dict(frame="eye", width=100, height=80, model="plumb_bob", d=(0.1, 0, 0, 0, 0), k=K, p=P)
    return Info(**(values | changes))


def lens_of(heard, width=100, height=80, topic="/eye/image_raw"):
    notes = Notes()
    return intrinsics_of(Picture(topic, "eye", "rgb8", width, height), heard, "eye", notes), notes


def test_camera_info_as_it_stands():
    lens, notes = lens_of(info())
    assert (lens.fx, lens.fy, lens.cx, lens.cy, lens.distortion) == (100, 110, 49.5, 39.5, (0.1, 0, 0, 0, 0))
    assert not notes.assumed and not notes.missing


def test_rectified_pictures_have_p_and_no_distortion():
    lens, _ = lens_of(info(), topic="/eye/image_rect")
    assert (lens.fx, lens.fy, lens.cx, lens.cy, lens.distortion) == (90, 91, 50.5, 40.5, ())


def test_region_of_interest_and_binning():
    lens, notes = lens_of(info(binning=(2, 2), roi=(20, 10, 60, 40)), 30, 20)
    assert (lens.width, lens.height, lens.fx, lens.fy) == (30, 20, 50, 55)
    assert (lens.cx, lens.cy) == pytest.approx(((49.5 - 20 + 0.5) / 2 - 0.5, (39.5 - 10 + 0.5) / 2 - 0.5))
    assert not notes.assumed


@pytest.mark.parametrize(("size", "word"), [((50, 40), "scaled"), ((50, 20), "stretched")])
def test_pictures_of_another_size_than_camera_info_says(size, word):
    lens, notes = lens_of(info(), *size)
    assert (lens.width, lens.height) == size and lens.fx == 50 and word in notes.assumed[0]


@pytest.mark.parametrize("nothing", [None, info(k=(0.0,) * 9), info(width=0)])
def test_a_camera_that_is_not_calibrated(nothing):
    lens, notes = lens_of(nothing)
    assert lens.field_of_view[0] == pytest.approx(np.radians(60)) and "60 degrees across" in notes.assumed[0]


@pytest.mark.parametrize(
    ("model", "d", "expected"),
    [
        ("plumb_bob", (0.1, 0.2, 0, 0), "plumb_bob"),
        ("rational_polynomial", (0.1,) * 8, "rational_polynomial"),
        ("rational_polynomial", (0.1,) * 12 + (0, 0), "thin_prism"),
        ("equidistant", (0.1,) * 4, "equidistant"),
        ("fisheye", (0,) * 4, "equidistant"),
        ("", (), "plumb_bob"),
    ],
)
def test_models_of_distortion(model, d, expected):
    lens, notes = lens_of(info(model=model, d=d))
    assert lens.distortion_model == expected and not notes.missing


def test_an_unknown_distortion_is_named():
    lens, notes = lens_of(info(model="ftheta", d=(0.1, 0.2)))
    assert lens.distortion == () and "ftheta" in notes.missing[0] and "2 coefficients" in notes.missing[0]


def picture(topic, frame="eye", encoding="rgb8", size=(100, 80)):
    stamps = [50_000_000 * i for i in range(10)]
    return Picture(topic, frame, encoding, *size, Timing(stamps, [0.05] * 10))


def made_from(*pictures, infos=None):
    frames = Frames()
    for name in ("eye", "left", "right", "depth"):
        frames.put("base_link", name, transform(np.zeros(3), rotation(-np.pi / 2, 0, -np.pi / 2)))
    back = rotation(0, 0, np.pi) @ rotation(-np.pi / 2, 0, -np.pi / 2)
    frames.put("base_link", "back", transform(np.zeros(3), back))
    notes = Notes()
    return cameras(list(pictures), infos or {}, Place(frames, "base_link", 0.0), notes), notes


def test_rate_and_latency_are_measured():
    (camera,), _ = made_from(picture("/eye/image_raw"))
    assert (camera.name, camera.rate, camera.latency) == ("eye", 20.0, 0.05)
    lost = picture("/eye/image_raw")
    lost.timing.stamps = lost.timing.stamps[:3] + lost.timing.stamps[5:]
    assert made_from(lost)[0][0].rate == 20.0


def test_registered_depth_is_preferred_to_a_nearer_name():
    pictures = (
        picture("/cam/color/image_raw"), picture("/cam/depth/image_rect_raw", "depth", "16UC1"),
        picture("/cam/aligned/image_raw", "eye", "16UC1"),
    )  # fmt: skip
    (camera,), notes = made_from(*pictures)
    assert camera.depth.registered and any("/cam/depth" in line for line in notes.missing)


def test_depth_of_the_same_frame_but_another_lens_is_not_registered():
    own = info(k=(120.0, *K[1:]))
    infos = {"/cam/color/camera_info": info(), "/cam/depth/camera_info": own}
    (camera,), _ = made_from(
        picture("/cam/color/image_raw"), picture("/cam/depth/image_raw", encoding="32FC1"), infos=infos
    )
    assert camera.depth.intrinsics.fx == 120.0 and camera.depth.mount == camera.mount


def test_two_cameras_each_with_its_depth_and_the_one_ahead_first():
    (front, back), _ = made_from(
        picture("/a/rear/color/image_raw", "back"), picture("/a/rear/depth/image_raw", "back", "16UC1"),
        picture("/a/front/color/image_raw"), picture("/a/front/depth/image_raw", "depth", "16UC1"),
    )  # fmt: skip
    assert (front.name, back.name) == ("a_front_color", "a_rear_color")
    assert back.depth.registered and not front.depth.registered


def test_one_camera_on_two_topics_is_one_camera():
    found, notes = made_from(picture("/cam/preview/image_raw"), picture("/cam/image_raw", size=(200, 160)))
    assert [camera.name for camera in found] == ["cam_preview"] and "same camera" in notes.missing[0]


def test_grey_pictures_count_where_there_is_no_colour():
    assert len(made_from(picture("/left/image", "left", "mono8"), picture("/right/image", "right", "mono8"))[0]) == 2
    found, notes = made_from(picture("/cam/image"), picture("/left/image", "left", "mono8"))
    assert len(found) == 1 and "grey" in notes.missing[0]


def test_an_encoding_that_is_not_read_is_named():
    found, notes = made_from(picture("/cam/image", encoding="yuv422"))
    assert not found and "yuv422" in notes.missing[0]


def test_two_pictures_in_one_folder_have_two_names():
    found, _ = made_from(picture("/stereo/left", "left"), picture("/stereo/right", "right"))
    assert len({camera.name for camera in found}) == 2


def test_the_camera_info_beside_a_picture():
    assert info_for("/cam/image_raw", {"/cam/camera_info": 1, "/camera_info": 2}) == 1
    assert info_for("/cam/image_raw", {"/camera_info": 2}) is None


# -- all of it


def test_next_to_nothing_makes_a_description_that_can_be_loaded():
    made = describe(Heard(odometry={"/odom": Travel("base_link")}))
    assert from_dict(made.robot.to_dict()) == made.robot
    said = " ".join((*made.missing, *made.robot.assumed))
    for part in ("robot_description", "cameras", "cmd_vel", "base: differential", "max_linear 0.3 m/s"):
        assert part in said
    assert Heard().nothing and not Heard(urdf="x").nothing


def test_a_root_of_another_name_is_taken_as_the_base():
    text = urdf(REAR).replace("base_link", "chassis")
    made = describe(Heard(urdf=text))
    assert made.robot.base.height == pytest.approx(0.25) and any("chassis is taken" in line for line in made.missing)


def test_compressed_pictures_alone_are_named():
    made = describe(Heard(packed={"/cam/image_raw/compressed"}, odometry={"/odom": Travel("base_link")}))
    assert any("/cam/image_raw/compressed" in line for line in made.missing)


def test_a_lidar_upside_down():
    text = urdf(link("laser"), joint("laser_joint", "fixed", "base_link", "laser", "0 0 0.3", "3.1415927 0 0"))
    made = describe(Heard(urdf=text, scans={"/front/scan": Scan("laser", -1.0, 1.0, 201, 0.1, 8.0)}))
    (lidar,) = made.robot.lidars
    assert abs(lidar.mount.roll) == pytest.approx(np.pi, abs=1e-3) and lidar.name == "front_scan"
    assert any("rate 10 Hz" in line for line in made.robot.assumed)
