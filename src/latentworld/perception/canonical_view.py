"""What the model's camera would have seen, from whatever cameras, point clouds and laser scans a robot has.

The models see through one camera, ``robot.VIEW``. Depth becomes points, drawn from where that camera would sit; colour
without depth goes through the plane of the floor. The tables of a camera are made at its first frame of a size.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from latentworld.model.encoder import COLOUR_ALONE
from latentworld.perception.camera_tables import SEES, ColourTable, DepthTable, check, is_measured, is_view, square
from latentworld.perception.rectification import fitted
from latentworld.perception.view_drawing import GREY, Drawing, Drawn, Points
from latentworld.robot import VIEW, Camera, Lidar, Robot, View
from latentworld.types import Frame, LatentworldError

BLIND = 0.25  # metres at which something is taken to stand where a depth camera measures nothing at all
SPACING = 1.5  # view pixels that a point of a cloud covers
DENSE = 4.0  # points a view pixel from which on a cloud's points need not be drawn larger
BINS = 720  # of bearing, about the view
BETWEEN = 8  # points from one beam of a scan to the next
AGREE, CLOSE = 0.2, 0.1  # share and metres by which ranges of neighbouring beams may differ and be of one wall
WALL = 0.5  # metres above the floor to which a scan's beams are taken for measured


@dataclass(frozen=True, slots=True)
class Seen:
    """What the model's camera would have seen.

    rgb: (S, S, 3) uint8. depth: (S, S) float32 metres along the optical axis, filled; None where the robot has no depth
    at all. known: (S, S) bool, measured there, not filled.
    """

    rgb: np.ndarray
    depth: np.ndarray | None
    known: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        """(S, S) float32, as the encoder reads it: 1 where depth was measured, less where colour alone was seen."""
        return self.known.astype(np.float32) * (1.0 if self.depth is not None else COLOUR_ALONE)


class CanonicalView:
    """Turns what one robot's sensors say into the view of its model. Holds tables only: safe to share among threads."""

    def __init__(self, robot: Robot, view: View = VIEW):
        self.robot, self.view = robot, view
        self._drawing = Drawing(view)
        self._tables: dict[tuple, DepthTable | ColourTable] = {}
        body = view.mount
        self._to_view, self._place = body.rotation.astype(np.float32), body.position.astype(np.float32)
        rays = self._drawing.rays @ body.rotation.T
        self._along = np.hypot(rays[..., 0], rays[..., 1]).astype(np.float32)  # metres over the floor a metre of depth
        self._climb = rays[..., 2].astype(np.float32)
        self._bin = _bins(np.arctan2(rays[..., 1], rays[..., 0]))

    def of(self, robot: Robot) -> CanonicalView:
        """The same view through the cameras of another robot. What depends on the view alone is shared."""
        other = copy.copy(self)
        other.robot, other._tables = robot, {}
        return other

    def look(self, frames: Frame | Sequence[Frame]) -> Seen:
        """The view from one exposure of each of one or more cameras. A frame belongs to the camera that its
        ``frame_id`` names, else to the robot's first.

        Raises LatentworldError for arrays that are not what Frame promises, and for pictures that are not the described
        camera's.
        """
        frames = [frames] if isinstance(frames, Frame) else list(frames)
        if not frames:
            raise LatentworldError("frames: expected one or more, got none")
        pairs = [(self.camera_of(frame), frame) for frame in frames]
        for camera, frame in pairs:
            check(camera, frame)
        deep = [(camera, frame) for camera, frame in pairs if self.measures(frame)]
        if len(deep) == len(pairs) == 1 and deep[0][0].depth.registered and is_view(deep[0][0], self.view):
            return self._direct(*deep[0])
        if not deep:
            rgb, known = self._colour(pairs)
            return Seen(rgb, None, known)
        parts = [points for camera, frame in deep if (points := self._depth_table(camera, frame).points(frame))]
        flat = [(camera, frame) for camera, frame in pairs if not self.measures(frame)]
        if not parts:  # nothing was measured anywhere: as behind a lid, or closer to a wall than depth is measured
            depth = np.minimum(self._drawing.floor, np.float32(BLIND))
            return Seen(self._colour(pairs)[0], depth, np.zeros(depth.shape, bool))
        points = parts[0] if len(parts) == 1 else Points(*map(np.concatenate, zip(*parts, strict=True)))
        drawn = self._drawing.draw(points)
        depth, rgb = self._drawing.fill(drawn)
        if flat:
            colour, seen = self._colour(flat)
            rgb = np.where((seen & (drawn.disparity <= 0))[..., None], colour, rgb)
        return Seen(rgb, depth, drawn.known)

    def _direct(self, camera: Camera, frame: Frame) -> Seen:
        """A camera that is the view: nothing moves, unknown depth alone is filled."""
        view = self.view
        fitted(camera.intrinsics, frame.rgb.shape, camera.name)
        fitted(camera.intrinsics, frame.depth.shape, camera.name)
        rgb = square(frame.rgb, view.side, cv2.INTER_AREA)
        depth = square(frame.depth, view.side, cv2.INTER_NEAREST)
        known = is_measured(depth, camera.depth)
        if known.all():
            return Seen(rgb, depth if camera.depth.most <= view.far else np.minimum(depth, np.float32(view.far)), known)
        endless = np.isposinf(depth)
        if known.mean() < SEES and not endless.any():
            return Seen(rgb, np.minimum(self._drawing.floor, np.float32(BLIND)), known)
        guess = np.where(endless, 1 / self._drawing.floor, np.where(np.isneginf(depth), np.float32(1 / BLIND), 0))
        with np.errstate(divide="ignore", invalid="ignore"):
            disparity = np.where(known, 1 / depth, guess)
        filled, _ = self._drawing.fill(Drawn(disparity, rgb, known))
        return Seen(rgb, np.where(known, np.minimum(depth, np.float32(view.far)), filled), known)

    def _colour(self, pairs: list[tuple[Camera, Frame]]) -> tuple[np.ndarray, np.ndarray]:
        """Colour alone, (S, S, 3) and which pixels are seen, (S, S): each from the first camera that shows it."""
        rgb = seen = None
        for camera, frame in pairs:
            key = camera.name, frame.rgb.shape
            if key not in self._tables:
                fitted(camera.intrinsics, frame.rgb.shape, camera.name)
                self._tables[key] = ColourTable(camera, self.view, frame.rgb.shape)
            table = self._tables[key]
            if rgb is None:
                rgb, seen = table.look(frame.rgb), table.seen
            elif (new := table.seen & ~seen).any():
                rgb, seen = np.where(new[..., None], table.look(frame.rgb), rgb), seen | new
        return rgb, seen

    def _depth_table(self, camera: Camera, frame: Frame) -> DepthTable:
        key = camera.name, frame.rgb.shape, frame.depth.shape
        if key not in self._tables:
            self._tables[key] = DepthTable(self.robot, camera, self.view, *key[1:])
        return self._tables[key]

    def measures(self, frame: Frame) -> bool:
        """Whether a frame has depth, of a camera that is described with it."""
        return frame.depth is not None and self.camera_of(frame).depth is not None

    def camera_of(self, frame: Frame) -> Camera:
        """The camera that its ``frame_id`` names, else the first."""
        return next((c for c in self.robot.cameras if c.name == frame.frame_id), self.robot.camera)

    def look_cloud(self, points: np.ndarray, rgb: np.ndarray | None = None) -> Seen:
        """The view of a point cloud. points: (N, 3) metres in ``base_link``; rows that are not finite are left out.
        rgb: (N, 3) uint8, None: grey.
        """
        if points.ndim != 2 or points.shape[1] != 3:
            raise LatentworldError(f"point cloud: expected points (N, 3) in metres, got {points.shape}")
        if rgb is not None and (rgb.shape != points.shape or rgb.dtype != np.uint8):
            raise LatentworldError(f"point cloud: expected rgb {points.shape} uint8, got {rgb.shape} {rgb.dtype}")
        with np.errstate(invalid="ignore"):
            x, y, z = ((points.astype(np.float32, copy=False) - self._place) @ self._to_view).T
            ahead = np.flatnonzero((x > 0) & (np.maximum(np.abs(y), np.abs(z)) * self.view.focal < x * self.view.side))
        x, y, z = x[ahead], y[ahead], z[ahead]
        colour = np.full((len(x), 3), GREY, np.uint8) if rgb is None else rgb[ahead]
        spacing = SPACING / self.view.focal if len(x) < DENSE * self.view.side**2 else 0.0
        drawn = self._drawing.draw(Points(x, y, z, x * np.float32(spacing), colour, np.ones_like(x)))
        depth, filled = self._drawing.fill(drawn)
        return Seen(filled, depth, drawn.known)

    def look_scan(self, ranges: np.ndarray, lidar: Lidar) -> Seen:
        """The view of a planar scan: every beam ends at an upright wall. ranges: (N,) metres, evenly from
        ``lidar.first`` to ``lidar.last``; infinite or beyond ``lidar.most``: nothing there (REP 117); anything else out
        of range: unknown.

        Walls are ``known`` up to 0.5 m; the floor before them never is. There is no colour: grey.
        """
        if ranges.ndim != 1 or len(ranges) < 2:
            raise LatentworldError(f"scan {lidar.name}: expected ranges (N,) of 2 or more beams, got {ranges.shape}")
        reach, measured = self._profile(ranges.astype(np.float64), lidar)
        reach = reach[self._bin]
        with np.errstate(invalid="ignore"):
            depth = reach / self._along
            height = self.view.height + depth * self._climb
            known = measured[self._bin] & (depth < self._drawing.floor) & (height >= 0) & (height <= WALL)
        depth = np.minimum(depth, self._drawing.floor).astype(np.float32)
        return Seen(np.full((*depth.shape, 3), GREY, np.uint8), depth, known & (depth < self.view.far))

    def _profile(self, ranges: np.ndarray, lidar: Lidar) -> tuple[np.ndarray, np.ndarray]:
        """(BINS,) metres over the floor from the view's place to the nearest wall at each bearing, infinite for none,
        and whether a beam measured it.
        """
        bearing = np.linspace(lidar.first, lidar.last, len(ranges))
        open_ahead = ranges > lidar.most
        hit = (ranges >= max(lidar.least, 1e-3)) & (ranges <= lidar.most)
        if not (hit | open_ahead).any():
            return np.full(BINS, BLIND), np.zeros(BINS, bool)
        reach = np.where(hit, ranges, lidar.most)
        # From half a beam before each to half a beam after it; where neighbours agree the wall between is straight.
        apart = np.abs(np.diff(reach))
        one = hit[1:] & hit[:-1] & (apart <= np.maximum(CLOSE, AGREE * np.minimum(reach[1:], reach[:-1])))
        share = np.linspace(-0.5, 0.5, BETWEEN + 1)[:, None]
        after, before = (np.diff(reach, append=reach[-1:]), np.diff(reach, prepend=reach[:1]))
        after, before = np.where([*one, False], after, 0), np.where([False, *one], before, 0)
        r = reach + share * np.where(share > 0, after, before)
        a = bearing + share * (bearing[1] - bearing[0])
        across = np.stack([r * np.cos(a), r * np.sin(a), np.zeros_like(r)], -1) @ lidar.mount.rotation.T
        x, y = (across + lidar.mount.position - self.view.mount.position)[..., :2].transpose(2, 0, 1)
        far = np.full(BINS, np.nan)
        bins, distance = _bins(np.arctan2(y, x)), np.hypot(x, y)
        opened, walls = np.broadcast_to(open_ahead, r.shape), np.broadcast_to(hit, r.shape)
        far[bins[opened]] = np.inf
        nearest = np.full(BINS, np.inf)
        np.minimum.at(nearest, bins[walls], distance[walls])
        measured = np.isfinite(nearest)
        far = np.where(measured, nearest, far)
        told = np.flatnonzero(~np.isnan(far))
        around = np.concatenate([told - BINS, told, told + BINS])
        nearest_told = around[np.searchsorted((around[1:] + around[:-1]) / 2, np.arange(BINS))] % BINS
        reach, beside = far[nearest_told], [np.roll(far[nearest_told], n) for n in (-1, 1)]
        return np.minimum(reach, np.minimum(*beside)), measured  # a pixel of the view is some bins wide


def _bins(bearing: np.ndarray) -> np.ndarray:
    """Bearings in radians -> bins, of BINS around."""
    return np.floor(bearing * (BINS / (2 * np.pi))).astype(int) % BINS
