"""What looks have said of poses: a grid of evidence that grows where the robot has been."""

from __future__ import annotations

import numpy as np

from latentworld.types import turn

NEAREST = 0.3  # share below which a look says nothing of a pose: a few looks from beside it must not speak against it
FADING = 0.997  # of an earlier look's standing, a call: what was looked at may change
LOOKS = 20  # looks from a pose after which what they say on average counts for as many as it ever will


class Looks:
    """Of every pose of a grid, what looks from nearby said on average, in nats, and how often it was looked from.

    alike: metres and radians by which poses may differ and still be spoken of. steady: for how many looks ``LOOKS`` of
    them count, as from one place all err alike. caution: nats off what they say, as places that the map takes for the
    goal look more like it than others do.
    """

    def __init__(self, headings: np.ndarray, side: int, cell: float, alike: tuple[float, float], steady: float,
                 caution: float):  # fmt: skip
        """headings: (A,) rad. side: cells of ``cell`` metres a side."""
        self.headings, self.cell, self.alike, self.steady, self.caution = headings, cell, alike, steady, caution
        self.looked = np.zeros((len(headings), side, side), np.float32)
        self.evidence = np.zeros_like(self.looked)

    def add(self, first: np.ndarray, pose: np.ndarray, says: float) -> None:
        """A look from ``pose`` (3,) on a grid whose first cell lies at ``first`` (2,)."""
        side, reach = self.looked.shape[-1], int(2 * self.alike[0] / self.cell)
        middle = np.round((np.asarray(pose[:2]) - first) / self.cell).astype(int)
        columns, rows = (np.arange(max(0, m - reach), min(side, m + reach + 1)) for m in middle)
        x, y = first[0] + columns * self.cell - pose[0], first[1] + rows * self.cell - pose[1]
        far = (np.square(x) + np.square(y)[:, None]) / self.alike[0] ** 2
        share = np.exp(-far - np.square(turn(self.headings - pose[2]) / self.alike[1])[:, None, None])
        share[share < NEAREST] = 0
        window = np.s_[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        self.looked *= FADING
        looked, evidence = self.looked[window], self.evidence[window]  # views: what follows changes the grid
        evidence += share / np.maximum(looked + share, 1e-6) * (says - evidence)
        looked += share

    def weighed(self, window: tuple) -> np.ndarray:
        """Nats for and against the poses of a window."""
        looked = self.looked[window]
        counts = np.minimum(looked, 1) + (self.steady - 1) * np.minimum(looked / LOOKS, 1)
        return counts * (self.evidence[window] - self.caution)
