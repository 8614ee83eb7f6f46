"""Lens models: pixels to directions and points to pixels, for every distortion model that ``CameraInfo`` names.

plumb_bob, rational_polynomial and thin_prism are OpenCV's model of ``calib3d`` with 4 or 5, 8 and 12 coefficients (k1
k2 p1 p2 k3 k4 k5 k6 s1 s2 s3 s4); equidistant is ``cv2.fisheye`` (Kannala and Brandt, 2006). Directions and points are
in the camera's body frame (x forward, y left, z up). The middle of pixel i is at i, as in CameraInfo.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from latentworld.robot import Intrinsics
from latentworld.types import LatentworldError

NEAREST = 0.05  # metres ahead of a camera from which on points are projected
WIDEST = np.radians(85.0)  # from the optical axis: beyond it depth along the axis says next to nothing
ITERATIONS, CLOSE = 20, 0.05  # of Newton's method; pixels within which it must arrive


class Lens:
    """The projection of one camera. intrinsics: of the picture as it comes."""

    def __init__(self, intrinsics: Intrinsics):
        self.intrinsics = intrinsics
        given = intrinsics.distortion
        self._fisheye = intrinsics.distortion_model == "equidistant"
        self._bent = any(given)
        self._k = np.zeros(4 if self._fisheye else 12)
        self._k[: len(given)] = given
        # A polynomial turns back somewhere; what lies farther out than its first extreme has no pixel.
        out = np.linspace(0, np.pi, 4001) if self._fisheye else np.tan(np.linspace(0, WIDEST, 4001))
        bent = out * self._radial(out * out)
        turned = np.flatnonzero((np.diff(bent) <= 0) | ~np.isfinite(bent[1:])) if self._bent else ()
        end = turned[0] + 1 if len(turned) else len(out)
        self._out, self._in = out[:end], bent[:end]
        self.limit = float(out[end - 1])  # radians from the axis (equidistant), or their tangent

    def _radial(self, r2: np.ndarray) -> np.ndarray:
        k = self._k
        if self._fisheye:
            return 1 + r2 * (k[0] + r2 * (k[1] + r2 * (k[2] + r2 * k[3])))
        above = 1 + r2 * (k[0] + r2 * (k[1] + r2 * k[4]))
        below = 1 + r2 * (k[5] + r2 * (k[6] + r2 * k[7]))
        return above / np.where(below > 1e-6, below, np.nan)

    def _distorted(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """OpenCV's distortion of normalised coordinates, x right, y down."""
        if not self._bent:
            return x, y
        p1, p2, s1, s2, s3, s4 = self._k[[2, 3, 8, 9, 10, 11]]
        r2 = x * x + y * y
        radial, xy = self._radial(r2), 2 * x * y
        return (
            x * radial + p1 * xy + p2 * (r2 + 2 * x * x) + r2 * (s1 + s2 * r2),
            y * radial + p2 * xy + p1 * (r2 + 2 * y * y) + r2 * (s3 + s4 * r2),
        )

    def project(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points in the body frame (m) -> pixels across and down; NaN where this lens shows none."""
        c = self.intrinsics
        with np.errstate(all="ignore"):
            if self._fisheye:
                aside = np.hypot(y, z)
                angle = np.arctan2(aside, x)
                scale = np.where(angle <= self.limit, angle * self._radial(angle * angle), np.nan)
                scale = scale / np.maximum(aside, 1e-9)
                across, down = -y * scale, -z * scale
            else:
                inverse = np.where(x > NEAREST, 1 / x, np.nan)
                across, down = -y * inverse, -z * inverse
                if self._bent:
                    inside = across * across + down * down <= self.limit**2
                    across, down = self._distorted(np.where(inside, across, np.nan), down)
            return c.cx + c.fx * across, c.cy + c.fy * down

    def directions(self, across: np.ndarray, down: np.ndarray) -> np.ndarray:
        """Pixels -> (..., 3) float64 directions in the body frame, x = 1; NaN where the lens model has none."""
        c = self.intrinsics
        x, y = (across - c.cx) / c.fx, (down - c.cy) / c.fy
        if self._fisheye:
            bent = np.hypot(x, y)
            angle = np.interp(bent, self._in, self._out, right=np.nan)
            tangent = np.tan(np.where(angle < WIDEST, angle, np.nan))
            scale = np.where(bent > 1e-9, tangent / np.maximum(bent, 1e-9), 1.0)
            x, y = x * scale, y * scale
        elif self._bent:
            x, y = self._undistorted(x, y)
        return np.stack([np.ones_like(x), -x, -y], -1)

    def _undistorted(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Newton's method, begun at the inverse of the radial part alone."""
        c, step = self.intrinsics, 1e-6
        bent = np.hypot(x, y)
        scale = np.interp(bent, self._in, self._out) / np.maximum(bent, 1e-9)
        u, v = np.where(bent > 1e-9, x * scale, x), np.where(bent > 1e-9, y * scale, y)
        with np.errstate(all="ignore"):
            for _ in range(ITERATIONS):
                (a, b), (au, bu), (av, bv) = (
                    self._distorted(u + du, v + dv) for du, dv in ((0.0, 0.0), (step, 0.0), (0.0, step))
                )
                au, bu, av, bv = (au - a) / step, (bu - b) / step, (av - a) / step, (bv - b) / step
                determinant = au * bv - av * bu
                u = u - ((a - x) * bv - (b - y) * av) / determinant
                v = v - ((b - y) * au - (a - x) * bu) / determinant
            a, b = self._distorted(u, v)
            arrived = np.maximum(np.abs(a - x) * c.fx, np.abs(b - y) * c.fy) < CLOSE
            arrived &= u * u + v * v <= self.limit**2
        return np.where(arrived, u, np.nan), np.where(arrived, v, np.nan)


def fitted(intrinsics: Intrinsics, shape: tuple[int, ...], name: str) -> Intrinsics:
    """``intrinsics`` for a picture of this shape (height, width), which is the same one, binned or scaled.

    Raises LatentworldError, which names the camera, where the aspect ratio is another one.
    """
    height, width = shape[:2]
    if (height, width) == (intrinsics.height, intrinsics.width):
        return intrinsics
    scaled = intrinsics.scaled(width / intrinsics.width)
    if abs(scaled.height - height) > 1:
        raise LatentworldError(
            f"camera {name}: expected a picture of {intrinsics.width} x {intrinsics.height} pixels, or that scaled, "
            f"got {width} x {height}"
        )
    if scaled.height != height:  # rounded otherwise
        by = height / scaled.height
        scaled = replace(scaled, height=height, fy=scaled.fy * by, cy=(scaled.cy + 0.5) * by - 0.5)
    return scaled


class Grid:
    """The pixels of a picture that are looked at: one of each block of ``step`` x ``step``, whole blocks only.

    shape: (rows, columns) of blocks. left, top: the first pixel of the first block.
    """

    def __init__(self, intrinsics: Intrinsics, most: int):
        """most: blocks at most."""
        width, height = intrinsics.width, intrinsics.height
        self.step = max(1, int(np.ceil(np.sqrt(width * height / most) - 0.05)))
        self.shape = max(height // self.step, 1), max(width // self.step, 1)
        self.top, self.left = (n - m * self.step for n, m in zip((height, width), self.shape, strict=True))
        self.top, self.left = self.top // 2, self.left // 2
        self.picture = height, width

    def pixels(self, inside: int) -> tuple[np.ndarray, np.ndarray]:
        """Across and down, (rows, columns) each: the pixel ``inside`` columns and rows into each block."""
        rows, columns = (np.arange(n, dtype=float) * self.step for n in self.shape)
        across, down = np.meshgrid(columns + self.left + inside, rows + self.top + inside)
        return across, down

    def coordinates(self, across: np.ndarray, down: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels -> columns and rows of blocks; the middle of block i is at i."""
        return (across + 0.5 - self.left) / self.step - 0.5, (down + 0.5 - self.top) / self.step - 0.5

    def blocks(self, image: np.ndarray) -> np.ndarray:
        """The part of an image that whole blocks cover (a view, no copy). A picture of another size: as much of it."""
        height, width = image.shape[:2]
        y, x = height / self.picture[0], width / self.picture[1]
        top, left = round(self.top * y), round(self.left * x)
        bottom, right = top + round(self.shape[0] * self.step * y), left + round(self.shape[1] * self.step * x)
        return image[top:bottom, left:right]

    def shrunk(self, image: np.ndarray) -> np.ndarray:
        """(rows, columns, ...): the mean of each block."""
        image = self.blocks(image)
        if image.shape[:2] == self.shape:
            return image
        return cv2.resize(image, self.shape[::-1], interpolation=cv2.INTER_AREA)
