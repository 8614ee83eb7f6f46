"""Points drawn from where the model's camera sits, and what stands where nothing was measured.

Everything is computed with disparity (1 / depth along the view's axis). Over a plane it is linear in the picture: the
mean over a pixel's points is the value at its middle, and a wall goes on beyond the edge of what is known as a straight
line.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from latentworld.robot import View

NEAREST = 0.05  # metres ahead of the view from which on points are drawn
SAME = 0.1  # share by which points of one pixel may be farther than its nearest and be of the same surface
WIDE, WIDEST = 0.7, 6.0  # view pixels that a point covers: from which on it is drawn to its neighbours, and at most
STEEP = 3.0  # times as near as where it was last seen, at most, a wall is taken to come beside the known part
RUN, STRAIGHT = 6, 0.03  # pixels over which a wall's slope is measured; share by which it may bend
ON_FLOOR = 0.15  # share of its depth by which a pixel may differ from the floor and show it
DROP, MORE = 0.05, 0.03  # metres below the floor, and more a metre away, from which on the floor has dropped away
NEIGHBOURS = 4  # view pixels from a drop that is seen to unknown ones that are taken for part of it
GREY = 128


class Points(NamedTuple):
    """N points in the view's body frame (x forward, y left, z up; m); NaN or x <= 0: none.

    size: (N,) metres across what each stands for. rgb: (N, 3) uint8. measured: (N,) float32, 1 for measured points, 0
    for guessed ones.
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    size: np.ndarray
    rgb: np.ndarray
    measured: np.ndarray


class Drawn(NamedTuple):
    """disparity: (S, S) float32 1 / m, 0 where there is no point. rgb: (S, S, 3) uint8. known: (S, S) bool."""

    disparity: np.ndarray
    rgb: np.ndarray
    known: np.ndarray


class Drawing:
    """Draws points into pictures of one view. rays: (S, S, 3) directions of its pixels in its body frame, x = 1.
    floor: (S, S) float32 depth of a level and empty floor; ``view.far`` above the horizon.
    """

    def __init__(self, view: View):
        self.view = view
        self.side = s = view.side
        self.rays = pixel_rays(view)
        down = -(self.rays @ view.mount.rotation.T)[..., 2]
        floor = np.where(down > 1e-3, view.height / np.maximum(down, 1e-3), view.far)
        self.floor = np.minimum(floor, view.far).astype(np.float32)
        self._plane = np.where(down > 1e-3, floor, np.inf).astype(np.float32)
        # The disparity of the floor varies by so much within one pixel; that of other planes as near does likewise.
        self._slope = np.float32(1.1 / (view.focal * view.height))
        self._column, self._row = np.arange(s), np.arange(s)[:, None]

    def draw(self, points: Points) -> Drawn:
        """The nearest surface in each pixel: the mean of its points. Where points lie so far apart in the picture that
        pixels stay empty between them, or show what is behind, each is drawn as a square of its size.
        """
        s, focal = self.side, np.float32(self.view.focal)
        with np.errstate(all="ignore"):
            inverse = 1 / points.x
            u, v = s / 2 - focal * points.y * inverse, s / 2 - focal * points.z * inverse
            aside = np.maximum(np.abs(u - s / 2), np.abs(v - s / 2))
            shown = (points.x > NEAREST) & (aside < s / 2 + WIDEST / 2)
            covers = np.where(shown, points.size * inverse * focal, 0)
        inverse = np.where(shown, inverse, 0)
        u, v = (np.where(shown, w, -1) for w in (u, v))
        pixel = self._pixel(np.floor(u).astype(np.int32), np.floor(v).astype(np.int32))
        nearest = np.zeros(s * s + 1, np.float32)
        np.maximum.at(nearest, pixel, inverse)
        disparity, rgb, known = self._mean(pixel, inverse, points.rgb, points.measured, nearest)
        if (covers > WIDE).any():
            index, pixel = self._squares(u, v, covers)
            inverse, nearer = inverse[index], nearest.copy()
            np.maximum.at(nearer, pixel, inverse)
            over = (nearer > nearest * (1 + SAME) + self._slope) | ((nearest == 0) & (nearer > 0))
            pixel = np.where(over[pixel], pixel, s * s)
            squares = self._mean(pixel, inverse, points.rgb[index], points.measured[index], nearer)
            for below, above in zip((disparity, rgb, known), squares, strict=True):
                below[over[:-1]] = above[over[:-1]]
        return Drawn(disparity.reshape(s, s), rgb.reshape(s, s, 3), known.reshape(s, s))

    def _squares(self, u: np.ndarray, v: np.ndarray, covers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which point is drawn into which pixel, over and over, where all are squares of so many pixels."""
        wide = np.flatnonzero(covers > WIDE)
        # Samples across: at most one pixel apart, or 1.3 where there is a second point between them anyway.
        count = np.ceil(np.minimum(covers[wide], WIDEST) - 0.3).astype(int) + 1
        indices, pixels = [], []
        for n in np.unique(count):
            i = wide[count == n]
            apart = np.linspace(-0.5, 0.5, n, dtype=np.float32)[:, None] * np.minimum(covers[i], WIDEST)
            column, row = (np.floor(w[i] + apart).astype(np.int32) for w in (u, v))
            pixels.append(self._pixel(column, row[:, None]).ravel())
            indices.append(np.tile(i, n * n))
        return np.concatenate(indices), np.concatenate(pixels)

    def _pixel(self, column: np.ndarray, row: np.ndarray) -> np.ndarray:
        """Index into the flat picture; one past its end for what lies outside."""
        s = self.side
        inside = (column.view(np.uint32) < s) & (row.view(np.uint32) < s)
        return np.where(inside, row * s + column, s * s)

    def _mean(self, pixel, inverse, rgb, measured, nearest) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Disparity (S * S,), colour (S * S, 3), known (S * S,): the mean of what is hardly farther than nearest."""
        last = len(nearest) - 1
        same = inverse >= nearest[pixel] * (1 - SAME) - self._slope
        pixel = np.where(same, pixel, last)
        share = 1 / np.maximum(np.bincount(pixel, minlength=last + 1)[:last], 1)
        disparity, known, *colour = (
            np.bincount(pixel, weight, last + 1)[:last] * share for weight in (inverse, measured, *rgb.T)
        )
        return disparity.astype(np.float32), (np.stack(colour, -1) + 0.5).astype(np.uint8), known >= 0.5

    def fill(self, drawn: Drawn) -> tuple[np.ndarray, np.ndarray]:
        """(S, S) float32 depth without unknown pixels, at most ``view.far``, and (S, S, 3) colour to go with it.

        An unknown pixel takes the nearest known one's values. A gap between two known pixels of a row takes the farther
        one's: it is mostly the shadow that a nearer thing casts. Straight walls go on beside the known part. Nothing is
        farther than the floor (but next to a drop), which gets the mean colour of what is seen of it.
        """
        s, disparity, far = self.side, drawn.disparity, np.float32(self.view.far)
        unknown = disparity <= 0
        if not unknown.any():
            return np.minimum(1 / disparity, far), drawn.rgb
        if unknown.all():
            return self.floor.copy(), np.full((s, s, 3), GREY, np.uint8)
        left = np.maximum.accumulate(np.where(unknown, -1, self._column), 1)
        right = np.minimum.accumulate(np.where(unknown, s, self._column)[:, ::-1], 1)[:, ::-1]
        at_left, at_right = np.maximum(left, 0) + self._row * s, np.minimum(right, s - 1) + self._row * s
        flat = disparity.ravel()
        between = unknown & (left >= 0) & (right < s) & (right - left <= s // 4)
        nearest, distance = nearest_known(unknown)
        source = np.where(between, np.where(flat[at_left] < flat[at_right], at_left, at_right), nearest)
        edge, wall = self._walls(disparity, unknown)
        # A wall goes on where its edge is about the nearest pixel that is known.
        beside = np.abs(edge - self._column) <= 2 * np.abs(nearest % s - self._column) + 2
        with np.errstate(divide="ignore"):
            depth = 1 / disparity
            guess = np.minimum(
                guessed(depth, self._plane, self.view.height, source, distance, NEIGHBOURS), 1 / (wall * beside)
            )
        depth = np.minimum(np.where(unknown, guess, depth), far)
        rgb = drawn.rgb.reshape(-1, 3)[source]
        below_horizon = self.floor < far
        on_floor = ~unknown & below_horizon & (np.abs(flat[source] * self.floor - 1) < ON_FLOOR)
        filled_floor = unknown & below_horizon & (flat[source] * self.floor < 0.9)
        if filled_floor.any() and on_floor.any():
            rgb[filled_floor] = drawn.rgb[on_floor].mean(0) + 0.5
        return depth, rgb

    def _walls(self, disparity: np.ndarray, unknown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Walls that go on, straight and ever nearer, beside the known part of each row.

        Returns (S, S) the column at which the known part ends on that side, and disparity, 0 where there is no wall.
        """
        s, rows = self.side, np.arange(self.side)
        first, last = unknown.argmin(1), s - 1 - unknown[:, ::-1].argmin(1)
        ends = np.stack([first, last])
        at = [ends + np.array([[n], [-n]]) for n in (0, RUN // 2, RUN)]
        here, middle, there = (disparity[rows, np.clip(column, 0, s - 1)] for column in at)
        slope = (here - there) / RUN
        straight = (there > 0) & (slope > 0) & (np.abs((here + there) / 2 - middle) < STRAIGHT * middle)
        slope *= straight & (last - first >= RUN)
        before = self._column < first[:, None]
        edge, at_edge, slope = (np.where(before, *side[..., None]) for side in (ends, here, slope))
        beyond = np.where(before, edge - self._column, self._column - edge)
        wall = np.where((slope > 0) & (beyond > 0), np.minimum(at_edge + slope * beyond, at_edge * STEEP), 0)
        return edge, wall.astype(np.float32)


def guessed(
    depth: np.ndarray, floor: np.ndarray, height: float, source: np.ndarray, distance: np.ndarray, reach: float
) -> np.ndarray:
    """(H, W) depth of each pixel from that of the pixel ``source`` (flat index), ``distance`` pixels away: the same,
    but no farther than the floor. Less than ``reach`` pixels from a drop the floor lies as low as there.

    floor: (H, W) depth of the floor, infinite above the horizon, as a camera ``height`` metres above it sees it.
    """
    guess, below = depth.ravel()[source], floor.ravel()[source]
    with np.errstate(invalid="ignore"):
        drop = (height * (guess / below - 1) > DROP + MORE * guess) & (distance < reach)
        lower = np.where(drop, guess / below, 1)
    return np.minimum(guess * lower, floor * lower)


def nearest_known(unknown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) flat index of the nearest pixel that is not unknown (there is one), and its distance in pixels."""
    distance, label = cv2.distanceTransformWithLabels(
        unknown.view(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
    )
    known = np.flatnonzero(~unknown)
    source = np.zeros(len(known) + 1, np.int64)
    source[label.ravel()[known]] = known
    return source[label], distance


def pixel_rays(view: View, finer: int = 1) -> np.ndarray:
    """(S * finer, S * finer, 3) directions of the view's pixels in its body frame, x = 1."""
    side = view.side * finer
    v, u = (np.mgrid[:side, :side] + 0.5 - side / 2) / (view.focal * finer)
    return np.stack([np.ones_like(u), -u, -v], -1)
