"""Pictures of a MuJoCo scene: colour and depth from one rendering pass, and one rendering context for all rooms."""

from __future__ import annotations

import numpy as np

from ..types import LatentworldError
from .engine import HEADLESS, mujoco
from .scene import BASE, CEILING, HULLS

MAX_DEPTH = 6.0  # metres; farther things are reported here
NEAR, FAR = 0.02, 15.0  # clipping planes (m)
FORWARD, HEIGHT, PITCH = 0.12, 0.28, np.radians(12.0)  # where the camera sits on the base
FIELD_OF_VIEW = np.pi / 2  # vertical and horizontal: the picture is square
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
        self,
        data: mujoco.MjData,
        side: int,
        position: np.ndarray,
        rotation: np.ndarray,
        field_of_view: float = FIELD_OF_VIEW,
    ) -> tuple[np.ndarray, np.ndarray]:
        """A square camera at ``position`` (3,), ``rotation`` (3, 3): columns forward, left, up.

        Returns rgb (side, side, 3) uint8 and depth (side, side) float32 metres along the optical axis.
        """
        self._aim(data, side, position, rotation, field_of_view)
        rgb, depth = self._read(side, with_depth=True)
        depth = NEAR * FAR / (FAR - depth * (FAR - NEAR))
        return rgb, np.minimum(depth, MAX_DEPTH)

    def draw_geoms(self, data: mujoco.MjData, side: int, position: np.ndarray, rotation: np.ndarray) -> np.ndarray:
        """Which geom each pixel shows, (side, side), -1 for none; the camera as in ``draw``."""
        self._aim(data, side, position, rotation, FIELD_OF_VIEW)
        flags = [int(getattr(mujoco.mjtRndFlag, f"mjRND_{name}")) for name in ("SEGMENT", "IDCOLOR")]
        self._objects.flags[flags] = 1
        rgb, _ = self._read(side, with_depth=False)
        self._objects.flags[flags] = 0
        drawn = rgb.astype(np.int64) @ (1, 1 << 8, 1 << 16) - 1
        geoms = np.full(self._objects.ngeom + 1, -1)  # and one for where nothing is drawn
        for geom in self._objects.geoms[: self._objects.ngeom]:
            if geom.objtype == mujoco.mjtObj.mjOBJ_GEOM and geom.segid >= 0:
                geoms[geom.segid] = geom.objid
        return geoms[drawn]

    def _aim(self, data: mujoco.MjData, side: int, position, rotation, field_of_view: float) -> None:
        """The next picture is taken from here; the base is not in it."""
        self._begin(data, side, hidden=BASE)
        for eye in self._objects.camera:
            eye.pos, eye.forward, eye.up = position, rotation[:, 0], rotation[:, 2]
            eye.frustum_near, eye.frustum_far = NEAR, FAR
            eye.frustum_top = NEAR * np.tan(field_of_view / 2)
            eye.frustum_bottom = -eye.frustum_top
            eye.frustum_center = eye.frustum_width = 0
            eye.orthographic = 0

    def draw_from_above(self, data: mujoco.MjData, side: int, extent: float) -> np.ndarray:
        """Straight down without perspective: ``extent`` metres across; room x points right, y up."""
        self._begin(data, 2 * side, hidden=CEILING)
        for eye in self._objects.camera:
            eye.pos, eye.forward, eye.up = (0, 0, 8), (0, 0, -1), (0, 1, 0)
            eye.frustum_near, eye.frustum_far = 0.1, 12
            eye.frustum_top, eye.frustum_bottom = extent / 2, -extent / 2
            eye.frustum_center = eye.frustum_width = 0
            eye.orthographic = 1
        rgb, _ = self._read(2 * side, with_depth=False)
        return rgb.reshape(side, 2, side, 2, 3).mean((1, 3)).astype(np.uint8)

    def _begin(self, data: mujoco.MjData, side: int, hidden: int) -> None:
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

    def _read(self, side: int, with_depth: bool) -> tuple[np.ndarray, np.ndarray | None]:
        area = mujoco.MjrRect(0, 0, side, side)
        rgb = np.empty((side, side, 3), np.uint8)
        depth = np.empty((side, side), np.float32) if with_depth else None
        mujoco.mjr_render(area, self._objects, self._context)
        mujoco.mjr_readPixels(rgb, depth, area, self._context)
        return np.ascontiguousarray(rgb[::-1]), depth[::-1] if with_depth else None


class CameraMount:
    """How a room's camera sits on the base (a little differently in each room) and how noisy its depth is."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.height = HEIGHT + rng.uniform(-0.02, 0.02)
        self.pitch = PITCH + np.radians(rng.uniform(-2, 2))
        self.depth_noise = rng.uniform(0.005, 0.01)  # relative standard deviation
        c, s = np.cos(self.pitch), np.sin(self.pitch)
        self._offset = np.array([FORWARD, 0.0, self.height])
        self._tilt = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])

    def pose(self, position: np.ndarray, rotation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Position (3,) and rotation (3, 3) of the camera for those of the base."""
        return position + rotation @ self._offset, rotation @ self._tilt
