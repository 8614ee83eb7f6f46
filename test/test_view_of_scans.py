"""Point clouds and planar scans, turned into the view of the model."""

from __future__ import annotations

import math

import numpy as np
import pytest
from cast_scenes import CAMERAS, STANDS, agrees, cast, edges, grown, opencv_rays, robot, shown, truth

from latentworld.perception.canonical_view import CanonicalView
from latentworld.robot import VIEW, Lidar, Mount
from latentworld.types import LatentworldError


def test_cloud():
    source = CAMERAS["640x480, level"]
    rays = opencv_rays(source.intrinsics)
    rgb, depth = cast(rays, source.mount)
    points = (rays * depth[..., None]) @ source.mount.rotation.T + source.mount.position
    points, rgb = points.reshape(-1, 3).astype(np.float32), rgb.reshape(-1, 3)
    points[::50] = np.nan
    for step in (4, 37):
        seen = CanonicalView(robot()).look_cloud(points[::step], rgb[::step])
        agrees(seen, shown(source), share=0.9)
    grey = CanonicalView(robot()).look_cloud(points[::4])
    assert (grey.rgb == 128).all() and grey.known.any()
    nothing = CanonicalView(robot()).look_cloud(np.zeros((0, 3)))
    assert not nothing.known.any() and nothing.depth.max() == np.float32(VIEW.far)
    with pytest.raises(LatentworldError, match=r"point cloud: expected points \(N, 3\)"):
        CanonicalView(robot()).look_cloud(np.zeros((5, 2)))


def ranges(lidar: Lidar) -> np.ndarray:
    """What a scanner measures of the scene."""
    bearing = np.linspace(lidar.first, lidar.last, lidar.beams)
    directions = np.stack([np.cos(bearing), np.sin(bearing), np.zeros_like(bearing)], -1)
    forward = directions @ Mount(roll=lidar.mount.roll, pitch=lidar.mount.pitch, yaw=lidar.mount.yaw).rotation.T
    _, depth = cast(forward, Mount(lidar.mount.x, lidar.mount.y, lidar.mount.z))
    return depth


@pytest.mark.parametrize("mount", [Mount(x=-0.06, z=0.13), Mount(x=0.1, z=0.2, yaw=2.0), Mount(z=0.2, roll=math.pi)])
def test_scan(mount):
    lidar = Lidar(mount, beams=720)
    seen = CanonicalView(robot()).look_scan(ranges(lidar), lidar)
    _, depth = truth(np.array([STANDS[0], [*STANDS[1][:2], 5.0]]))  # beams do not tell how high things are
    inner = ~grown(edges(depth)) & (depth < VIEW.far)
    assert (np.abs(seen.depth / depth - 1)[inner] < 0.05).mean() > 0.97
    rays = opencv_rays(VIEW.intrinsics) @ VIEW.mount.rotation.T
    height = VIEW.height + depth * rays[..., 2]
    upright = (depth < CanonicalView(robot())._drawing.floor - 0.02) & inner
    assert seen.known[upright & (height < 0.45)].mean() > 0.95
    upright = depth < CanonicalView(robot())._drawing.floor - 0.02
    assert not seen.known[~grown(upright, 2) | (inner & (height > 0.6))].any() and (seen.rgb == 128).all()


def test_scan_without_returns():
    lidar = Lidar(Mount(z=0.2), first=-math.pi / 2, last=math.pi / 2, beams=181, most=5.0)
    view = CanonicalView(robot())
    empty = view.look_scan(np.full(181, np.inf), lidar)
    assert not empty.known.any() and empty.depth.max() == np.float32(VIEW.far)
    half = np.full(181, np.inf)
    half[:90] = 1.0  # to the right
    seen = view.look_scan(half, lidar)
    assert seen.depth[10, 50] < 1.5 and seen.depth[10, 10] == np.float32(VIEW.far)
    assert view.look_scan(np.full(181, np.nan), lidar).depth.max() <= 0.5
    with pytest.raises(LatentworldError, match="scan scan: expected ranges"):
        view.look_scan(np.zeros((2, 5)), lidar)
