"""A floor, a wall and a box, ray-cast for any camera: what views turned into another camera's must agree with."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from latentworld.perception.canonical_view import Seen
from latentworld.perception.rectification import Lens
from latentworld.robot import VIEW, Base, Camera, Depth, Intrinsics, Mount, Robot
from latentworld.types import Frame

FLOOR, WALL, BOX, NONE = (40, 160, 60), (200, 60, 50), (50, 70, 210), (0, 0, 0)
COLOURS = np.array([FLOOR, WALL, BOX, NONE], np.uint8)
AHEAD = 3.0  # metres to the wall
STANDS = np.array([[1.2, -0.5, 0.0], [1.7, 0.1, 0.35]])  # corners of the box
DEPTH = Depth(0.0, 10.0)
OPENCV = {
    "plumb_bob": (-0.28, 0.07, 0.001, -0.0008, 0.0),
    "rational_polynomial": (0.5, -2.6, 0.0008, 0.0003, 1.5, 0.4, -2.4, 1.4),
    "thin_prism": (-0.2, 0.05, 0.001, 0.001, 0.0, 0.05, 0.02, 0.0, 0.002, -0.001, 0.001, 0.002),
    "equidistant": (0.03, -0.01, 0.002, -0.0005),
}


def picture(width: int, height: int, degrees: float, model: str = "plumb_bob", k: tuple = ()) -> Intrinsics:
    if model == "equidistant":
        focal = width / math.radians(degrees)
        return Intrinsics(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2, model, k)
    return replace(
        Intrinsics.from_field_of_view(width, height, math.radians(degrees)), distortion_model=model, distortion=k
    )


def opencv_rays(c: Intrinsics) -> np.ndarray:
    """(H, W, 3) directions in the body frame by OpenCV's own undistortion, x = 1."""
    pixels = np.stack(np.meshgrid(np.arange(c.width), np.arange(c.height)), -1).reshape(-1, 1, 2).astype(float)
    matrix = np.array([[c.fx, 0, c.cx], [0, c.fy, c.cy], [0, 0, 1]])
    k = np.array(c.distortion or (0.0,) * 4)
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-10)
    if c.distortion_model == "equidistant":
        xy = cv2.fisheye.undistortPoints(pixels, matrix, k)
    else:
        xy = cv2.undistortPoints(pixels, matrix, k, criteria=stop)
    xy = xy.reshape(c.height, c.width, 2)
    return np.stack([np.ones_like(xy[..., 0]), -xy[..., 0], -xy[..., 1]], -1)


def cast(rays: np.ndarray, mount: Mount, box: np.ndarray | None = STANDS) -> tuple[np.ndarray, np.ndarray]:
    """rgb and depth (inf: nothing) of the scene along rays of a body frame with x = 1."""
    d, origin = rays @ mount.rotation.T, mount.position
    with np.errstate(divide="ignore", invalid="ignore"):
        floor = np.where(d[..., 2] < 0, -origin[2] / d[..., 2], np.inf)
        wall = np.where(d[..., 0] > 0, (AHEAD - origin[0]) / d[..., 0], np.inf)
        surfaces = [floor, wall]
        if box is not None:
            near, far = (box[0] - origin) / d, (box[1] - origin) / d
            enters, leaves = np.minimum(near, far).max(-1), np.maximum(near, far).min(-1)
            surfaces.append(np.where((enters < leaves) & (enters > 0), enters, np.inf))
    depth = np.min(surfaces, 0)
    which = np.where(np.isfinite(depth), np.argmin(surfaces, 0), 3)
    return COLOURS[which], depth.astype(np.float32)


def shot(camera: Camera, box: np.ndarray | None = STANDS) -> Frame:
    """A frame of the scene, depth registered; nothing measured: 0."""
    rgb, depth = cast(opencv_rays(camera.intrinsics), camera.mount, box)
    return Frame(0, rgb, np.where(np.isfinite(depth), depth, 0), camera.name)


def truth(box: np.ndarray | None = STANDS) -> tuple[np.ndarray, np.ndarray]:
    rgb, depth = cast(opencv_rays(VIEW.intrinsics), VIEW.mount, box)
    return rgb, np.minimum(depth, VIEW.far)


def robot(*cameras: Camera) -> Robot:
    return Robot("test", Base(radius=0.2), cameras)


def shown(camera: Camera, box: np.ndarray | None = STANDS) -> np.ndarray:
    """(S, S) whether this camera sees what the view sees at each pixel."""
    rays = opencv_rays(VIEW.intrinsics)
    _, depth = cast(rays, VIEW.mount, box)
    points = (rays * depth[..., None]) @ VIEW.mount.rotation.T + VIEW.mount.position
    local = (points - camera.mount.position) @ camera.mount.rotation
    across, down = Lens(camera.intrinsics).project(*np.moveaxis(local, -1, 0))
    _, measured = cast(opencv_rays(camera.intrinsics), camera.mount, box)
    height, width = measured.shape
    inside = (across >= -0.5) & (across < width - 0.5) & (down >= -0.5) & (down < height - 0.5)
    row, column = (np.where(inside, w + 0.5, 0).astype(int) for w in (down, across))
    return inside & (np.abs(measured[row, column] - local[..., 0]) < 0.02 * local[..., 0] + 0.02)


def grown(mask: np.ndarray, by: int = 1) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * by + 1, 2 * by + 1))) > 0


def agrees(seen: Seen, expected: np.ndarray, box: np.ndarray | None = STANDS, share: float = 0.95) -> None:
    """The view shows the scene where it says that it knows, and knows what is expected."""
    rgb, depth = truth(box)
    error = np.abs(seen.depth / depth - 1)
    assert seen.rgb.shape == (64, 64, 3) and seen.rgb.dtype == np.uint8
    assert seen.depth.dtype == np.float32 and seen.known.dtype == bool
    assert np.isfinite(seen.depth).all() and (seen.depth > 0).all() and (seen.depth <= VIEW.far).all()
    assert np.median(error[seen.known]) < 0.02
    inner = ~grown(edges(depth))  # pixels that show two surfaces may show either
    assert (error[seen.known & inner] < 0.06).mean() > share
    assert (seen.known & expected).sum() > share * expected.sum()
    assert (seen.known & grown(expected)).sum() > share * seen.known.sum()
    off = np.abs(seen.rgb.astype(int) - rgb).max(-1)
    assert (off[seen.known & inner] < 40).mean() > share


def edges(depth: np.ndarray) -> np.ndarray:
    disparity = 1 / depth
    return np.maximum(*(np.abs(g) for g in np.gradient(disparity))) > 0.09


CAMERAS = {
    "640x480, level": Camera(picture(640, 480, 72), Mount(z=0.244), DEPTH),
    "1280x720": Camera(picture(1280, 720, 69), Mount(x=0.12, z=0.5), DEPTH),
    "250x250": Camera(picture(250, 250, 80), Mount(x=0.2, z=0.3, pitch=0.2), DEPTH),
    "64x64": Camera(picture(64, 64, 90), Mount(x=0.1, z=0.4, pitch=0.1), DEPTH),
    "portrait": Camera(picture(480, 640, 45), Mount(z=0.6, pitch=0.2), DEPTH),
    "high, looking down": Camera(picture(640, 480, 70), Mount(x=0.1, z=1.2, pitch=0.5), DEPTH),
    "rolled and turned": Camera(picture(640, 480, 72), Mount(0.1, 0.05, 0.35, 0.4, 0.15, -0.3), DEPTH),
    "on its side": Camera(picture(640, 480, 72), Mount(0.1, 0.0, 0.35, math.pi / 2, 0.15, 0.0), DEPTH),
    "plumb_bob": Camera(picture(640, 480, 75, "plumb_bob", OPENCV["plumb_bob"]), Mount(z=0.4, pitch=0.1), DEPTH),
    "rational": Camera(
        picture(640, 480, 70, "rational_polynomial", OPENCV["rational_polynomial"]), Mount(z=0.4, pitch=0.1), DEPTH
    ),
    "thin prism": Camera(picture(640, 480, 70, "thin_prism", OPENCV["thin_prism"]), Mount(z=0.4, pitch=0.1), DEPTH),
    "fisheye": Camera(picture(640, 640, 120, "equidistant", OPENCV["equidistant"]), Mount(z=0.35, pitch=0.1), DEPTH),
    "fisheye, small": Camera(picture(160, 120, 120, "equidistant"), Mount(z=0.35, pitch=0.1), DEPTH),
}
