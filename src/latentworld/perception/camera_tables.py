"""What is computed once per camera and size of picture: directions of its pixels for depth, a map for colour alone."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from latentworld.perception.rectification import Grid, Lens, fitted
from latentworld.perception.view_drawing import NEIGHBOURS, Points, guessed, nearest_known, pixel_rays
from latentworld.robot import Camera, Depth, Intrinsics, Mount, Robot, View
from latentworld.types import Frame, LatentworldError

PIXELS = 160 * 120  # of a picture that are looked at, about
ALIKE = 1e-3  # metres, radians and shares by which a camera may differ from the view and still be it
SEES = 0.02  # share of pixels with depth below which a depth camera sees nothing
LOW, RISE = 0.08, 0.05  # metres above the floor, and more a metre away, from which on a point is not the floor's
HEADROOM = 0.1  # metres above the robot below which things are in its way
LEVELS = 16  # points drawn below one at the lower edge of a picture
FINER = 2  # samples across one pixel of the view for colour alone


class DepthTable:
    """Makes points, in the view's body frame, of one camera's depth and colour."""

    def __init__(self, robot: Robot, camera: Camera, view: View, rgb_shape: tuple, depth_shape: tuple):
        depth = self.depth = camera.depth
        colour = fitted(camera.intrinsics, rgb_shape, camera.name)
        name = camera.name if depth.registered else f"{camera.name}.depth"
        intrinsics = fitted(depth.intrinsics or camera.intrinsics, depth_shape, name)
        mount = camera.mount if depth.registered else depth.mount or camera.mount
        self._mount = mount
        grid, rays, edges = _directions(intrinsics)
        self.grid, inside = grid, grid.step // 2
        turned, self._offset = _between(mount, view.mount)
        self._rays = turned @ rays
        self._share = np.float32(grid.step / intrinsics.fx)  # metres across one block, a metre away
        up = mount.rotation[2]
        down = -(up.astype(np.float32) @ rays).reshape(grid.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            self._floor = np.where(down > 1e-3, np.float32(mount.z) / down, np.float32(np.inf))
        self._finer = view.focal * self._share  # view pixels that a block covers, straight ahead
        self._endless = np.float32(max(depth.most, 2 * view.far))
        last = grid.step - 1
        others = [(0, 0), (last, last), (0, last), (last, 0)] if grid.step > 1 else []
        self._samples = [(inside, inside), *others]
        self._edge = min(edges, key=lambda edge: float(edge[1] @ up))[0]
        self._up = view.mount.rotation[2].astype(np.float32)
        self._height = np.float32(view.height)
        self._tall = max(robot.base.height, mount.z) + HEADROOM
        if not depth.registered:
            self._colour_grid, self._colour_lens = Grid(colour, PIXELS), Lens(colour)
            turned, self._colour_offset = _between(mount, camera.mount)
            self._colour_rays = turned @ rays

    def points(self, frame: Frame) -> Points | None:
        """None where the camera measures next to nothing."""
        metres, measured = self._metres(frame.depth)
        if metres is None:
            return None
        x, y, z = (ray * metres + offset for ray, offset in zip(self._rays, self._offset, strict=True))
        points = Points(x, y, z, metres * self._share, self._colour(frame.rgb, metres), measured)
        below = self._below(points, metres)
        return points if below is None else Points(*map(np.concatenate, zip(points, below, strict=True)))

    def _metres(self, depth: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Depth of each block: of one pixel, of another where that has none, else a guess; and 1 where measured."""
        step, blocks = self.grid.step, self.grid.blocks(depth)
        row, column = self._samples[0]
        first = metres = np.ascontiguousarray(blocks[row::step, column::step])
        known = is_measured(metres, self.depth)
        for row, column in self._samples[1:]:
            if known.all():
                break
            metres = np.where(known, metres, blocks[row::step, column::step])
            known = is_measured(metres, self.depth)
        if not known.all():
            endless = np.isposinf(first) & ~known
            if known.mean() < SEES and not endless.any():
                return None, None
            guess = self._floor
            if known.any():
                guess = guessed(metres, self._floor, self._mount.z, *nearest_known(~known), NEIGHBOURS / self._finer)
            guess = np.where(np.isneginf(first), np.float32(self.depth.least), guess)
            guess = np.where(endless, np.minimum(self._endless, self._floor), guess)
            metres = np.where(known, metres, guess)
        return metres.ravel(), known.ravel().astype(np.float32)

    def _colour(self, rgb: np.ndarray, metres: np.ndarray) -> np.ndarray:
        """(N, 3) colour of each block, whose depths are ``metres``."""
        if self.depth.registered:
            return self.grid.shrunk(rgb).reshape(-1, 3)
        grid = self._colour_grid
        x, y, z = (ray * metres + o for ray, o in zip(self._colour_rays, self._colour_offset, strict=True))
        rows, columns = grid.shape
        column, row = grid.coordinates(*self._colour_lens.project(x, y, z))
        column, row = (np.nan_to_num(w, nan=0.0, posinf=0.0, neginf=0.0) for w in (column, row))
        row, column = np.clip(row, 0, rows - 1), np.clip(column, 0, columns - 1)
        return grid.shrunk(rgb)[(row + 0.5).astype(np.int32), (column + 0.5).astype(np.int32)]

    def _below(self, points: Points, metres: np.ndarray) -> Points | None:
        """Guesses for what hangs below the lower edge of the picture: things that the edge cuts stand on the floor."""
        edge, up = self._edge, self._up
        height = sum(w[edge] * u for w, u in zip(points[:3], up, strict=True)) + self._height
        with np.errstate(invalid="ignore"):
            cut = (height > LOW + RISE * metres[edge]) & (height < self._tall)
        if not cut.any():
            return None
        edge, height = edge[cut], height[cut]
        wider = np.median(height / LEVELS / points.size[edge])  # squares as wide as high: not each column needs its own
        edge, height = (w[:: int(np.clip(wider, 1, len(edge)))] for w in (edge, height))
        drop = height * np.linspace(1 / LEVELS, 1, LEVELS, dtype=np.float32)[:, None]
        x, y, z = ((w[edge] - u * drop).ravel() for w, u in zip(points[:3], up, strict=True))
        size = np.tile(np.maximum(points.size[edge], height / LEVELS), LEVELS)
        return Points(x, y, z, size, np.tile(points.rgb[edge], (LEVELS, 1)), np.zeros_like(x))


class ColourTable:
    """Colour alone: what lies below the horizon lies on the floor, what lies above it is far away.

    seen: (S, S) bool, pixels of the view that the camera's picture shows.
    """

    def __init__(self, camera: Camera, view: View, shape: tuple):
        self.view = view
        if is_view(camera, view):
            self._map, self.seen = None, np.ones((view.side, view.side), bool)
            return
        intrinsics = fitted(camera.intrinsics, shape, camera.name)
        self.grid = grid = Grid(intrinsics, PIXELS)
        rays = pixel_rays(view, FINER) @ view.mount.rotation.T
        far = view.far / np.maximum(np.hypot(rays[..., 0], rays[..., 1]), 1e-6)
        down = -rays[..., 2]
        reach = np.where(down > 1e-3, np.minimum(view.height / np.maximum(down, 1e-3), far), far)
        places = rays * reach[..., None] + view.mount.position - camera.mount.position
        across, down = Lens(intrinsics).project(*np.moveaxis(places @ camera.mount.rotation, -1, 0))
        with np.errstate(invalid="ignore"):
            inside = (across >= -0.5) & (across < intrinsics.width - 0.5)
            inside &= (down >= -0.5) & (down < intrinsics.height - 0.5)
        self.seen = inside.reshape(view.side, FINER, view.side, FINER).all((1, 3))
        finite = np.isfinite(across) & np.isfinite(down)
        if finite.any() and not finite.all():
            source, _ = nearest_known(~finite)
            across, down = across.ravel()[source], down.ravel()[source]
        blocks = grid.coordinates(across, down)
        self._map = [np.clip(np.nan_to_num(b), -2, 2 * max(grid.shape)).astype(np.float32) for b in blocks]

    def look(self, rgb: np.ndarray) -> np.ndarray:
        """(S, S, 3) uint8; pixels that are not ``seen`` take the nearest of the picture's edge."""
        side = self.view.side
        if self._map is None:
            return square(rgb, side, cv2.INTER_AREA)
        fine = cv2.remap(self.grid.shrunk(rgb), *self._map, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return cv2.resize(fine, (side, side), interpolation=cv2.INTER_AREA)


def is_measured(metres: np.ndarray, depth: Depth) -> np.ndarray:
    """Where depth lies in the range of its camera; 0 and what is not finite does not."""
    with np.errstate(invalid="ignore"):
        return (metres > 0) & (metres >= depth.least) & (metres <= min(depth.most, 1e6))


def is_view(camera: Camera, view: View) -> bool:
    """Whether nothing but the size of its picture sets a camera apart from the view."""
    picture, wanted = camera.intrinsics, view.intrinsics
    if picture.width != picture.height or any(picture.distortion) or picture.distortion_model == "equidistant":
        return False
    shares = [(picture.fx, wanted.fx), (picture.fy, wanted.fy)]
    shares += [(picture.cx + 0.5, wanted.cx + 0.5), (picture.cy + 0.5, wanted.cy + 0.5)]
    shares = [(a / picture.width, b / wanted.width) for a, b in shares]
    places = [(getattr(camera.mount, k), getattr(view.mount, k)) for k in ("x", "y", "z", "roll", "pitch", "yaw")]
    return all(abs(a - b) <= ALIKE for a, b in (*shares, *places))


def square(image: np.ndarray, side: int, interpolation: int) -> np.ndarray:
    """A square image, ``side`` pixels a side; the image itself where it already is that."""
    if image.shape[0] != side:
        image = cv2.resize(image, (side, side), interpolation=interpolation)
    return np.ascontiguousarray(image)


def check(camera: Camera, frame: Frame) -> None:
    """Raises LatentworldError for arrays that are not what Frame promises."""
    rgb, depth = frame.rgb, frame.depth
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or min(rgb.shape[:2]) < 8:
        raise LatentworldError(
            f"camera {camera.name}: expected rgb (height, width, 3) uint8 of 8 pixels or more, "
            f"got {rgb.shape} {rgb.dtype}"
        )
    if depth is not None and (depth.ndim != 2 or depth.dtype != np.float32 or min(depth.shape) < 8):
        raise LatentworldError(
            f"camera {camera.name}: expected depth (height, width) float32 metres, got {depth.shape} {depth.dtype}"
        )


def _between(mount: Mount, other: Mount) -> tuple[np.ndarray, np.ndarray]:
    """(3, 3) and (3,) float32: from the body frame of one sensor to that of another."""
    back = other.rotation.T
    return (back @ mount.rotation).astype(np.float32), (back @ (mount.position - other.position)).astype(np.float32)


@lru_cache(maxsize=16)
def _directions(intrinsics: Intrinsics) -> tuple[Grid, np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """What is the same however a camera is mounted, so that one on a head need not make it anew at every turn.

    The blocks of a picture; (3, N) float32 directions of their middle pixels in the camera's body frame; for each edge
    of the picture the flat indices of its blocks, and (3,) by how much the unit directions there differ from those one
    block farther in, on average: that part of it which points up is least at the lower edge.
    """
    grid = Grid(intrinsics, PIXELS)
    rays = Lens(intrinsics).directions(*grid.pixels(grid.step // 2)).reshape(-1, 3)
    unit = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    index = np.arange(len(rays)).reshape(grid.shape)
    sides = [(index[-1], index[-2]), (index[0], index[1]), (index[:, 0], index[:, 1]), (index[:, -1], index[:, -2])]
    edges = [(outer, np.nan_to_num(unit[outer] - unit[inner]).mean(0)) for outer, inner in sides]
    return grid, np.ascontiguousarray(rays.T.astype(np.float32)), edges
