"""Scenes of a floor, a wall and a box, ray-cast for the camera of a robot and for the view, must agree."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from cast_scenes import (
    AHEAD,
    CAMERAS,
    DEPTH,
    FLOOR,
    OPENCV,
    WALL,
    agrees,
    cast,
    edges,
    grown,
    opencv_rays,
    picture,
    robot,
    shot,
    shown,
    truth,
)

from latentworld import robot_file
from latentworld.perception.canonical_view import BLIND, CanonicalView
from latentworld.robot import VIEW, Camera, Depth, Mount
from latentworld.sim import World
from latentworld.types import Frame, LatentworldError


@pytest.mark.parametrize("name", CAMERAS)
def test_view_from_another_camera(name):
    camera = CAMERAS[name]
    agrees(CanonicalView(robot(camera)).look(shot(camera)), shown(camera))


# -- the camera that is the view


@pytest.mark.parametrize("side", [64, 128, 250])
def test_the_view_itself_is_only_resized(side):
    rng = np.random.default_rng(0)
    camera = Camera(picture(side, side, 90), VIEW.mount, Depth(0.0, 6.0))
    rgb = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    depth = rng.uniform(0.1, 6, (side, side)).astype(np.float32)
    seen = CanonicalView(robot(camera)).look(Frame(0, rgb, depth))
    wanted = rgb, depth
    if side != 64:
        wanted = (
            cv2.resize(rgb, (64, 64), interpolation=cv2.INTER_AREA),
            cv2.resize(depth, (64, 64), interpolation=cv2.INTER_NEAREST),
        )
    assert np.array_equal(seen.rgb, wanted[0]) and np.array_equal(seen.depth, wanted[1]) and seen.known.all()
    alone = CanonicalView(robot(camera)).look(Frame(0, rgb))
    assert np.array_equal(alone.rgb, wanted[0]) and alone.depth is None and alone.known.all()


def test_the_view_itself_with_holes_is_filled():
    camera = Camera(VIEW.intrinsics, VIEW.mount, Depth(0.3, 6.0))
    rgb, depth = truth()
    broken = depth.copy()
    broken[np.random.default_rng(0).random(depth.shape) < 0.2] = np.nan
    broken[depth < 0.5] = 0.2
    seen = CanonicalView(robot(camera)).look(Frame(0, rgb, broken))
    assert np.array_equal(seen.known, np.isfinite(broken) & (broken >= 0.3))
    assert np.array_equal(seen.depth[seen.known], depth[seen.known]) and np.array_equal(seen.rgb, rgb)
    assert np.median(np.abs(seen.depth / depth - 1)[~seen.known]) < 0.05


# -- what is not measured


def test_holes_are_filled_and_not_known():
    camera = CAMERAS["640x480, level"]
    frame, rng = shot(camera), np.random.default_rng(0)
    depth = frame.depth.copy()
    depth[rng.random(depth.shape) < 0.2] = 0
    depth[200:280, 250:330] = np.nan
    seen = CanonicalView(robot(camera)).look(replace(frame, depth=depth))
    whole = CanonicalView(robot(camera)).look(frame)
    patch = whole.known & ~seen.known
    assert (seen.known & whole.known).sum() > 0.9 * whole.known.sum() and 20 < patch.sum() < 200
    rgb, right = truth()
    assert np.median(np.abs(seen.depth / right - 1)[patch]) < 0.05
    assert np.median(np.abs(seen.rgb.astype(int) - rgb).max(-1)[patch]) < 10  # colour has no holes


def test_blind_zone_takes_the_floor():
    camera = Camera(picture(640, 480, 90), Mount(x=0.12, z=0.28, pitch=0.4), Depth(0.6, 10.0))
    frame = shot(camera, None)
    seen = CanonicalView(robot(camera)).look(frame)
    rgb, depth = truth(None)
    near = depth < 0.45
    assert near.sum() > 300 and not seen.known[near].any()
    assert np.abs(seen.depth / depth - 1)[near].max() < 0.05
    assert (np.abs(seen.rgb.astype(int) - FLOOR).max(-1)[near] < 10).all()


def test_holes_in_a_drop_are_no_bridge():
    camera = Camera(picture(64, 64, 90), Mount(x=0.1, z=0.4, pitch=0.2), DEPTH)
    edge, drop = 0.9, 0.3  # metres ahead, and down from there on

    def fallen(rays, mount):
        d, origin = rays @ mount.rotation.T, mount.position
        with np.errstate(divide="ignore"):
            floor, lower, wall = (
                -origin[2] / d[..., 2],
                -(origin[2] + drop) / d[..., 2],
                (AHEAD - origin[0]) / d[..., 0],
            )
        floor = np.where((d[..., 2] < 0) & (origin[0] + floor * d[..., 0] < edge), floor, np.inf)
        lower = np.where((d[..., 2] < 0) & (origin[0] + lower * d[..., 0] > edge), lower, np.inf)
        return np.minimum(np.minimum(floor, lower), np.where(wall > 0, wall, np.inf)).astype(np.float32)

    depth = fallen(opencv_rays(camera.intrinsics), camera.mount)
    depth[np.random.default_rng(0).random(depth.shape) < 0.2] = 0
    seen = CanonicalView(robot(camera)).look(Frame(0, np.zeros((64, 64, 3), np.uint8), depth))
    right = fallen(opencv_rays(VIEW.intrinsics), VIEW.mount)
    floor = CanonicalView(robot())._drawing.floor
    low = (right > 1.3 * floor) & (floor < 3) & ~grown(right < 1.05 * floor, 2)
    assert low.sum() > 100
    assert (seen.depth[low] > 1.2 * floor[low]).mean() > 0.97


def test_nothing_measured_is_something_near():
    for camera in (CAMERAS["640x480, level"], Camera(VIEW.intrinsics, VIEW.mount, DEPTH)):
        frame = shot(camera)
        seen = CanonicalView(robot(camera)).look(replace(frame, depth=np.zeros_like(frame.depth)))
        assert not seen.known.any() and seen.depth.max() <= BLIND


def test_infinite_depth_is_far():
    for camera in (CAMERAS["640x480, level"], Camera(VIEW.intrinsics, VIEW.mount, DEPTH)):
        frame = shot(camera)
        depth = np.where(frame.depth > 2.0, np.inf, frame.depth).astype(np.float32)
        seen = CanonicalView(robot(camera)).look(replace(frame, depth=depth))
        wall = (truth()[0] == WALL).all(-1)
        wall &= ~grown(~wall, 2) & shown(camera)
        assert not seen.known[wall].any() and np.median(seen.depth[wall]) > 5.5


def test_the_shadow_beside_a_thing_takes_what_is_behind():
    camera = Camera(picture(640, 480, 100), Mount(x=0.12, y=0.25, z=0.28, pitch=math.radians(12)), DEPTH)
    seen = CanonicalView(robot(camera)).look(shot(camera))
    rgb, depth = truth()
    shadow = ~seen.known & (depth > 2.5) & ~grown(edges(depth), 1) & grown(depth < 1.5, 12)
    shadow[:, -8:] = False  # beyond the picture
    assert shadow.sum() > 10
    assert np.median(np.abs(seen.depth / depth - 1)[shadow]) < 0.05


def test_what_the_lower_edge_cuts_stands_on_the_floor():
    camera = Camera(picture(640, 480, 69), Mount(z=0.5, pitch=-0.2), DEPTH)
    low = np.array([[0.9, -0.6, 0.0], [1.4, 0.6, 0.8]])
    seen = CanonicalView(robot(camera)).look(shot(camera, low))
    _, depth = truth(low)
    front = np.abs(depth * np.cos(VIEW.pitch) - 0.8) < 0.25
    middle = front & (np.abs(np.arange(64) - 31.5) < 16) & (np.arange(64)[:, None] > 34)
    assert middle.sum() > 150 and not seen.known[middle].all()
    assert (np.abs(seen.depth / depth - 1)[middle] < 0.1).mean() > 0.9


# -- more than one camera, and others


def test_unregistered_depth():
    beside = Mount(x=0.12, y=-0.05, z=0.45, pitch=0.12)
    deep = Camera(picture(424, 240, 85), beside, DEPTH)
    colour = Camera(
        picture(640, 480, 80, "plumb_bob", OPENCV["plumb_bob"]),
        Mount(x=0.12, z=0.45, pitch=0.1),
        replace(DEPTH, intrinsics=deep.intrinsics, mount=beside),
    )
    frame = Frame(0, shot(colour).rgb, shot(deep).depth, colour.name)
    agrees(CanonicalView(robot(colour)).look(frame), shown(deep) & shown(colour), share=0.93)


def test_two_cameras_are_one_wider_view():
    left = Camera(picture(320, 240, 50), Mount(y=0.08, z=0.3, pitch=0.15, yaw=0.4), DEPTH, "left")
    right = Camera(picture(320, 240, 50), Mount(y=-0.08, z=0.3, pitch=0.15, yaw=-0.4), DEPTH, "right")
    both = CanonicalView(robot(left, right))
    seen = both.look([shot(left), shot(right)])
    agrees(seen, shown(left) | shown(right))
    one, other = both.look(shot(left)), both.look(shot(right))
    assert one.known[:, :16].any() and not one.known[:, 48:].any() and not other.known[:, :16].any()
    assert seen.known.sum() > 1.5 * max(one.known.sum(), other.known.sum())


def test_a_frame_of_no_named_camera_is_the_firsts():
    camera = replace(CAMERAS["640x480, level"], name="front")
    rear = Camera(picture(64, 64, 60), Mount(z=0.3, yaw=math.pi), DEPTH, "rear")
    view, frame = CanonicalView(robot(camera, rear)), shot(camera)
    assert np.array_equal(view.look(frame).depth, view.look(replace(frame, frame_id="other")).depth)
    behind = view.look(replace(shot(rear), depth=np.full((64, 64), 2.0, np.float32)))
    assert not behind.known.any() and np.isfinite(behind.depth).all()


# -- colour alone


@pytest.mark.parametrize("name", ["640x480, level", "1280x720", "high, looking down", "rolled and turned", "fisheye"])
def test_colour_alone_goes_through_the_floor(name):
    camera = CAMERAS[name]
    frame = replace(shot(camera, None), depth=None)
    seen = CanonicalView(robot(camera)).look(frame)
    rgb, _ = truth(None)
    right = np.abs(seen.rgb.astype(int) - rgb).max(-1) < 60
    floor = (rgb == FLOOR).all(-1) & ~grown((rgb == WALL).all(-1), 2)
    assert seen.depth is None
    assert right[floor & seen.known].mean() > 0.97
    sees = shown(camera, None) & floor
    assert (seen.known & sees).sum() > 0.9 * sees.sum() and (seen.known[floor] & ~grown(sees)[floor]).sum() < 20


def test_colour_of_each_pixel_is_the_firsts_that_sees_it():
    left = Camera(picture(320, 240, 50), Mount(z=0.3, pitch=0.15, yaw=0.3), None, "left")
    right = Camera(picture(320, 240, 50), Mount(z=0.3, pitch=0.15, yaw=-0.3), None, "right")
    plain = [Frame(0, np.full((240, 320, 3), grey, np.uint8), None, n) for grey, n in ((50, "left"), (200, "right"))]
    seen = CanonicalView(robot(left, right)).look(plain)
    assert (seen.rgb[40, 20:34] == 50).all() and (seen.rgb[40, 46:54] == 200).all() and seen.known[40, 14:50].all()
    assert seen.depth is None


def test_colour_camera_beside_a_depth_camera():
    deep = Camera(picture(320, 240, 50), Mount(z=0.3, pitch=0.15), DEPTH, "deep")
    wide = Camera(picture(320, 240, 110), Mount(z=0.3, pitch=0.15), None, "wide")
    view = CanonicalView(robot(deep, wide))
    plain = Frame(0, np.full((240, 320, 3), 77, np.uint8), None, "wide")
    seen, alone = view.look([shot(deep), plain]), view.look(shot(deep))
    assert np.array_equal(seen.depth, alone.depth) and np.array_equal(seen.known, alone.known)
    assert np.array_equal(seen.rgb[seen.known], alone.rgb[seen.known]) and (seen.rgb[30, :6] == 77).all()


# -- sizes


def test_binned_and_scaled_pictures_fit():
    camera = CAMERAS["1280x720"]
    frame = shot(camera)
    smaller = Frame(
        0, cv2.resize(frame.rgb, (427, 240), interpolation=cv2.INTER_AREA),
        cv2.resize(frame.depth, (640, 360), interpolation=cv2.INTER_NEAREST),
    )  # fmt: skip
    agrees(CanonicalView(robot(camera)).look(smaller), shown(camera))


def test_pictures_of_another_camera_are_refused():
    camera = replace(CAMERAS["640x480, level"], name="front")
    view, frame = CanonicalView(robot(camera)), shot(camera)
    told = "camera front: expected a picture of 640 x 480 pixels, or that scaled, got 640 x 400"
    with pytest.raises(LatentworldError, match=told):
        view.look(replace(frame, rgb=frame.rgb[:400], depth=None))
    with pytest.raises(LatentworldError, match=told):
        view.look(replace(frame, depth=frame.depth[:400]))
    with pytest.raises(LatentworldError, match="camera front: expected rgb"):
        view.look(replace(frame, rgb=frame.rgb.astype(float)))
    with pytest.raises(LatentworldError, match="camera front: expected depth"):
        view.look(replace(frame, depth=frame.depth.astype(float)))
    with pytest.raises(LatentworldError, match="frames: expected one or more"):
        view.look([])
    with pytest.raises(LatentworldError, match="expected a camera, got none"):
        CanonicalView(robot()).look(frame)


# -- real parts


def test_the_shipped_robot_sees_what_it_saw():
    world = World(3)
    try:
        frame = world.frame()
    finally:
        world.close()
    seen = CanonicalView(robot_file.load()).look(frame)
    assert np.array_equal(seen.rgb, frame.rgb) and np.array_equal(seen.depth, frame.depth) and seen.known.all()


@pytest.mark.parametrize("name", robot_file.shipped())
def test_every_shipped_robot_has_a_view(name):
    described = robot_file.load(name)
    frames = []
    for camera in described.cameras:
        rgb, depth = cast(opencv_rays(camera.intrinsics), camera.mount)
        depth = np.where((depth >= 0.3) & (depth < 6), depth, 0) if camera.depth is not None else None
        frames.append(Frame(0, rgb, depth, camera.name))
    seen = CanonicalView(described).look(frames)
    assert seen.known.mean() > 0.1 and (seen.depth is None or np.isfinite(seen.depth).all())
