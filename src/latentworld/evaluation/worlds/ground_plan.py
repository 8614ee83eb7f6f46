"""Where a base cannot go, seen from above: outlines drawn on a fine grid, and the distance to them anywhere."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

CELL = 0.02  # metres
SHIFT = 8  # bits of a cell that corners are drawn to


class GroundPlan:
    """low, high: (2,) metres, the corners of what is drawn. Until something is drawn, nothing stands anywhere.

    Outside of these corners everything counts as solid. Distances are good to about half a cell.
    """

    def __init__(self, low: np.ndarray, high: np.ndarray, solid: bool = False) -> None:
        self.low = np.asarray(low, float) - 2 * CELL
        columns, rows = np.ceil((np.asarray(high, float) + 2 * CELL - self.low) / CELL).astype(int) + 1
        self.solid = np.full((rows, columns), np.uint8(solid))
        self._distance: np.ndarray | None = None

    def fill(self, polygon: np.ndarray, solid: bool = True) -> None:
        """polygon: (N, 2) corners in metres of a simple polygon."""
        cv2.fillPoly(self.solid, [self._drawn(polygon)], int(solid), shift=SHIFT)
        self._distance = None

    def fill_convex(self, polygons: Iterable[np.ndarray]) -> None:
        """Many convex polygons, each (N, 2) corners in metres; one and two corners are drawn too."""
        for polygon in polygons:
            cv2.fillConvexPoly(self.solid, self._drawn(polygon), 1, shift=SHIFT)
        self._distance = None

    def line(self, start: np.ndarray, end: np.ndarray) -> None:
        """A wall as thin as a cell."""
        one, other = self._drawn(np.stack([start, end]))
        cv2.line(self.solid, one.tolist(), other.tolist(), 1, 1, shift=SHIFT)
        self._distance = None

    def distance(self, points: np.ndarray) -> np.ndarray:
        """(N, 2) -> (N,) metres to the nearest thing, negative inside."""
        if self._distance is None:
            outside, inside = (
                cv2.distanceTransform(np.pad(part, 1, constant_values=edge), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
                for part, edge in ((1 - self.solid, 0), (self.solid, 1))
            )
            # A cell that an outline only crosses is solid: things end, on average, at the middle of their last cells.
            apart = np.where(outside > 0, outside, 1 - inside)
            self._distance = (CELL * apart[1:-1, 1:-1]).astype(np.float32)
        at = ((np.asarray(points, float).reshape(-1, 2) - self.low) / CELL).astype(np.float32)
        # OpenCV's remap takes no more than 32,767 rows at once: points are laid out in two dimensions.
        width = 1024
        padded = np.zeros((-(-len(at) // width) * width, 2), np.float32)
        padded[: len(at)] = at
        padded = padded.reshape(-1, width, 2)
        if not len(at):
            return np.zeros(0)
        found = cv2.remap(
            self._distance, padded, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=-1.0
        )
        return found.ravel()[: len(at)].astype(float)

    def _drawn(self, points: np.ndarray) -> np.ndarray:
        return np.rint((np.asarray(points, float) - self.low) / CELL * 2**SHIFT).astype(np.int32)


def below(triangles: np.ndarray, height: float) -> list[np.ndarray]:
    """Triangles (N, 3, 3) of x, y, z: what of each is not above ``height``, seen from above; polygons (3 or 4, 2)."""
    low = triangles[..., 2] <= height
    whole = list(triangles[low.all(1)][..., :2])
    parts = []
    for corners, under in zip(triangles[low.any(1) & ~low.all(1)], low[low.any(1) & ~low.all(1)], strict=True):
        cut = []
        for i in range(3):
            a, b = corners[i], corners[(i + 1) % 3]
            if under[i]:
                cut.append(a[:2])
            if under[i] != under[(i + 1) % 3]:
                cut.append((a + (height - a[2]) / (b[2] - a[2]) * (b - a))[:2])
        parts.append(np.array(cut))
    return whole + parts
