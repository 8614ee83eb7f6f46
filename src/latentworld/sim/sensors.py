"""What the robot's cameras measure: a rendered picture through the lens, and depth with the faults of real depth
cameras.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from ..lens import project, rays
from ..robot import Camera, Depth, Intrinsics, Mount
from .camera import Renderer
from .engine import mujoco

HEIGHT, PITCH = 0.02, np.radians(2.0)  # m, rad: by as much a camera may sit otherwise than it is described
WIDEST = np.radians(75.0)  # off the axis: the simulator draws no farther
BLOB = 8  # pixels of the coarsest spots that give no depth
EDGE = 0.15  # share of a depth by which neighbours differ where an edge gives none


class SimulatedCamera:
    """A camera on the base: how it sits in this room (a little off its description), and how noisy its depth is."""

    def __init__(self, camera: Camera, rng: np.random.Generator, width: int | None = None) -> None:
        """width: pixels of the picture, where not those of the description."""
        depth = camera.depth or Depth()
        self.described = camera
        self.mount = replace(
            camera.mount,
            z=camera.mount.z + rng.uniform(-HEIGHT, HEIGHT),
            pitch=camera.mount.pitch + rng.uniform(-PITCH, PITCH),
        )
        self.depth, self.noise = depth, depth.noise * rng.uniform(2 / 3, 4 / 3)
        self.resize(width or camera.intrinsics.width)

    def resize(self, width: int) -> None:
        """Another number of pixels across, the same view."""
        self.intrinsics = self.described.intrinsics.scaled(width / self.described.intrinsics.width)
        self.drawn, self._table = _undistorted(self.intrinsics)

    @property
    def height(self) -> float:
        """Metres above the floor."""
        return self.mount.z

    @property
    def pitch(self) -> float:
        """Radians that it looks down."""
        return self.mount.pitch

    def pose(
        self, position: np.ndarray, rotation: np.ndarray, mount: Mount | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Position (3,) and rotation (3, 3) of the camera for those of the base."""
        mount = mount or self.mount
        return position + rotation @ mount.position, rotation @ mount.rotation

    def expose(
        self,
        renderer: Renderer,
        data: mujoco.MjData,
        position: np.ndarray,
        rotation: np.ndarray,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """rgb (height, width, 3) uint8, depth (height, width) float32 metres, 0 where it measures none; from a base
        there.
        """
        rgb, depth = renderer.draw(data, self.drawn, *self.pose(position, rotation))
        if self._table is not None:
            rgb = cv2.remap(rgb, *self._table, cv2.INTER_LINEAR)
            depth = cv2.remap(depth, *self._table, cv2.INTER_NEAREST)
        if self.described.depth is None:
            return rgb, None
        return rgb, self._measured(depth, rng)

    def _measured(self, depth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Noise, the far limit, and where it gives no value: too near, at edges, and in spots (glass, gloss)."""
        true, limit = depth, np.float32(self.depth.most)
        depth = np.minimum(true, limit) * (1 + self.noise * rng.standard_normal(true.shape, dtype=np.float32))
        depth = np.minimum(depth.astype(np.float32), limit)
        if self.depth.least > 0:
            depth[true < self.depth.least] = 0
        if self.depth.holes > 0:
            depth[_holes(true, self.depth.holes, rng)] = 0
        return depth

    def geoms(self, renderer: Renderer, data: mujoco.MjData, position: np.ndarray, rotation: np.ndarray) -> np.ndarray:
        """Which geom each pixel shows (height, width), -1 for none."""
        geoms = renderer.draw_geoms(data, self.drawn, *self.pose(position, rotation))
        return (
            geoms
            if self._table is None
            else cv2.remap(geoms.astype(np.float32), *self._table, cv2.INTER_NEAREST).astype(np.int64)
        )


def _holes(depth: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """(H, W) bool: edges, then spots of all sizes, so that ``share`` of the picture gives no value."""
    height, width = depth.shape
    grown = cv2.dilate(depth, np.ones((3, 3), np.uint8))
    edge = grown - depth > EDGE * depth
    left = share - edge.mean()
    if left <= 0:
        return edge & (rng.random(depth.shape, dtype=np.float32) < share / max(float(edge.mean()), 1e-6))
    noise = rng.random(depth.shape, dtype=np.float32)
    for size in (BLOB, BLOB // 3):
        coarse = rng.random((-(-height // size), -(-width // size)), dtype=np.float32)
        noise += 1.5 * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return edge | (noise > np.quantile(noise, 1 - left))


def _undistorted(picture: Intrinsics) -> tuple[Intrinsics, tuple[np.ndarray, np.ndarray] | None]:
    """What to draw without distortion, and where in it each pixel of the lens looks; None: nothing is distorted."""
    if picture.distortion_model != "equidistant" and not any(picture.distortion):
        return picture, None
    seen = rays(picture)
    flat = np.nan_to_num(seen[..., 1:] / seen[..., :1], nan=np.inf)
    most = np.tan(WIDEST)
    across, down = (min(float(np.abs(part[np.isfinite(part)]).max()), most) for part in (flat[..., 0], flat[..., 1]))
    side = max(picture.width, picture.height)
    focal = 1.3 * side / 2 / max(across, down)  # finer in the middle than the lens has it at the rim
    width, height = (2 * max(int(np.ceil(focal * half)), 4) for half in (across, down))
    drawn = Intrinsics(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)
    seen = np.nan_to_num(np.clip(seen, -most, most), nan=most)
    pixels = project(seen, drawn).astype(np.float32)
    return drawn, (np.ascontiguousarray(pixels[..., 0]), np.ascontiguousarray(pixels[..., 1]))
