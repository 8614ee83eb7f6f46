"""Pictures of a MuJoCo scene: colour and depth from one rendering pass, and one rendering context for all rooms."""

from __future__ import annotations

import numpy as np

from ..robot import Intrinsics
from ..types import LatentworldError
from .engine import HEADLESS, mujoco
from .scene import BASE, CEILING, HULLS

NEAR, FAR = 0.02, 15.0  # clipping planes (m)
OFF = ("SHADOW", "REFLECTION", "SKYBOX", "HAZE", "FOG")


class Renderer:
    """Draws one scene at a time. Create and use it in one thread: an OpenGL context belongs to its thread."""

    def __init__(self) -> None:
        self._gl = self._context = None
        self._side = 0

    def close(self) -> None:
        if self._gl is not None:
            self._gl.make_current()
            self._context.free()
            self._gl.free()
            self._gl = self._context = None

    def load(self, model: mujoco.MjModel) -> None:
        """Draw this model from now on. Only textures and meshes are sent again: all models of a renderer have as many,
        and textures of the same sizes.
        """
        self._model = model
        self._objects = mujoco.MjvScene(model, model.ngeom + 8)
        for flag in OFF:
            self._objects.flags[getattr(mujoco.mjtRndFlag, f"mjRND_{flag}")] = 0
        self._uploaded = False

    def draw(
        self, data: mujoco.MjData, picture: Intrinsics, position: np.ndarray, rotation: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """A camera without distortion at ``position`` (3,), ``rotation`` (3, 3): columns forward, left, up.

        Returns rgb (height, width, 3) uint8 and depth (height, width) float32 metres along the optical axis.
        """
        self._aim(data, picture, position, rotation)
        rgb, depth = self._read(picture.width, picture.height, with_depth=True)
        return rgb, NEAR * FAR / (FAR - depth * (FAR - NEAR))

    def draw_geoms(
        self, data: mujoco.MjData, picture: Intrinsics, position: np.ndarray, rotation: np.ndarray
    ) -> np.ndarray:
        """Which geom each pixel shows, (height, width), -1 for none; the camera as in ``draw``."""
        self._aim(data, picture, position, rotation)
        flags = [int(getattr(mujoco.mjtRndFlag, f"mjRND_{name}")) for name in ("SEGMENT", "IDCOLOR")]
        self._objects.flags[flags] = 1
        rgb, _ = self._read(picture.width, picture.height, with_depth=False)
        self._objects.flags[flags] = 0
        drawn = rgb.astype(np.int64) @ (1, 1 << 8, 1 << 16) - 1
        geoms = np.full(self._objects.ngeom + 1, -1)  # and one for where nothing is drawn
        for geom in self._objects.geoms[: self._objects.ngeom]:
            if geom.objtype == mujoco.mjtObj.mjOBJ_GEOM and geom.segid >= 0:
                geoms[geom.segid] = geom.objid
        return geoms[drawn]

    def _aim(self, data: mujoco.MjData, picture: Intrinsics, position, rotation) -> None:
        """The next picture is taken from here; the base is not in it."""
        self._begin(data, picture.width, picture.height, hidden=BASE)
        for eye in self._objects.camera:
            eye.pos, eye.forward, eye.up = position, rotation[:, 0], rotation[:, 2]
            eye.frustum_near, eye.frustum_far = NEAR, FAR
            eye.frustum_top = NEAR * (picture.cy + 0.5) / picture.fy
            eye.frustum_bottom = -NEAR * (picture.height - picture.cy - 0.5) / picture.fy
            eye.frustum_center = NEAR * (picture.width / 2 - picture.cx - 0.5) / picture.fx
            eye.frustum_width = NEAR * picture.width / 2 / picture.fx
            eye.orthographic = 0

    def draw_from_above(self, data: mujoco.MjData, side: int, extent: float) -> np.ndarray:
        """Straight down without perspective: ``extent`` metres across; room x points right, y up."""
        self._begin(data, 2 * side, 2 * side, hidden=CEILING)
        for eye in self._objects.camera:
            eye.pos, eye.forward, eye.up = (0, 0, 8), (0, 0, -1), (0, 1, 0)
            eye.frustum_near, eye.frustum_far = 0.1, 12
            eye.frustum_top, eye.frustum_bottom = extent / 2, -extent / 2
            eye.frustum_center = eye.frustum_width = 0
            eye.orthographic = 1
        rgb, _ = self._read(2 * side, 2 * side, with_depth=False)
        return rgb.reshape(side, 2, side, 2, 3).mean((1, 3)).astype(np.uint8)

    def _begin(self, data: mujoco.MjData, width: int, height: int, hidden: int) -> None:
        side = max(width, height)
        if self._gl is None:
            self._open(side)
        self._gl.make_current()
        if side > self._side:
            mujoco.mjr_resizeOffscreen(side, side, self._context)
            self._side = side
        if not self._uploaded:
            for texture in range(self._model.ntex):
                mujoco.mjr_uploadTexture(self._model, self._context, texture)
            for mesh in range(self._model.nmesh):
                mujoco.mjr_uploadMesh(self._model, self._context, mesh)
            self._uploaded = True
        option = mujoco.MjvOption()
        option.geomgroup[:] = 1
        option.geomgroup[[hidden, HULLS]] = 0
        mujoco.mjv_updateScene(
            self._model, data, option, None, mujoco.MjvCamera(), mujoco.mjtCatBit.mjCAT_ALL, self._objects
        )

    def _open(self, side: int) -> None:
        try:
            self._gl = mujoco.GLContext(side, side)
            self._gl.make_current()
            self._context = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_50)
        except Exception as error:  # each OpenGL back end raises its own
            self._gl = None
            raise LatentworldError(f"camera: {HEADLESS}, got {error}") from error
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._uploaded = True
        self._side = 0

    def _read(self, width: int, height: int, with_depth: bool) -> tuple[np.ndarray, np.ndarray | None]:
        area = mujoco.MjrRect(0, 0, width, height)
        rgb = np.empty((height, width, 3), np.uint8)
        depth = np.empty((height, width), np.float32) if with_depth else None
        mujoco.mjr_render(area, self._objects, self._context)
        mujoco.mjr_readPixels(rgb, depth, area, self._context)
        return np.ascontiguousarray(rgb[::-1]), depth[::-1] if with_depth else None
