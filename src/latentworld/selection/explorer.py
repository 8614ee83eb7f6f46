"""Where to look next: the place from which most of what is not known would come into view."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from latentworld.selection.parameters import SelectionParameters
from latentworld.selection.way import WayToGoal
from latentworld.types import FreeSpace, WorldState, seconds, turn

HEADINGS = 8  # tried at every place
BEARINGS = np.radians([-36, -18, 0, 18, 36])  # of a look, about the heading
REACH = np.arange(1, 12) * 0.22  # metres along each
STRIDE = 2  # cells from one place tried to the next
KNOWN, UNKNOWN = 0.22, 0.36  # metres of doubt about clearance: all is known, nothing is
AROUND, ENOUGH = 0.9, 0.8  # metres about the robot; share of that which has been seen once it has looked around
SIDE = 160  # cells a side of the ground of which it is remembered how well it was known
ROOM = 0.05  # metres beside the base that a place to look from must have
PATIENCE = 6.0  # seconds after which another place is chosen
REACHABLE = 8.0  # metres, narrow ground counting for more: what is farther is behind something
TURNING = 0.35  # metres of driving that half a turn counts for


class Prospect(NamedTuple):
    """pose: (3,) in odom to look from. gain: square metres of what is not known that would come into view."""

    pose: np.ndarray
    gain: float


class Explorer:
    """Keeps to one place until it is reached, has nothing left to show, or takes too long (next best view, Connolly
    1985; frontiers, Yamauchi 1997; here what is not known is what the world model says that it does not know).
    """

    def __init__(self, parameters: SelectionParameters):
        self.parameters = parameters
        self.reset()

    def reset(self) -> None:
        self._prospect: Prospect | None = None
        self._since = 0
        self._known = KnownGround()

    def look(self, state: WorldState, space: FreeSpace) -> Prospect:
        """Where to look from next; its gain is 0 where nothing more is to be learned within reach."""
        space = self._known.note(space)
        if (
            self._prospect is None
            or self._done(state)
            or _gains(space, self._prospect.pose[None])[0] < 0.5 * (self._prospect.gain)
        ):
            self._prospect, self._since = self._best(state, space), state.stamp
        return self._prospect

    def _done(self, state: WorldState) -> bool:
        aim = self._prospect.pose
        close = np.hypot(*(aim[:2] - state.pose[:2])) < 0.3 and abs(turn(aim[2] - state.pose[2])) < 0.5
        return bool(close) or not 0 <= seconds(state.stamp - self._since) < PATIENCE

    def _best(self, state: WorldState, space: FreeSpace) -> Prospect:
        rows, columns = space.clearance.shape
        y, x = np.mgrid[0:rows:STRIDE, 0:columns:STRIDE]
        places = space.origin + space.cell * np.stack([x.ravel(), y.ravel()], -1)
        places = np.concatenate([state.pose[None, :2], places[space.clearance[y, x].ravel() > ROOM]])
        heading = np.arange(HEADINGS) * 2 * np.pi / HEADINGS - np.pi
        poses = np.column_stack([places.repeat(HEADINGS, 0), np.tile(heading, len(places))])
        gains = _gains(space, poses)
        far = WayToGoal(space, state.pose, self.parameters.way_margin)(poses[:, :2])
        far = far + TURNING * np.abs(turn(poses[:, 2] - state.pose[2])) / np.pi
        best = int((gains * (far < REACHABLE) / (1.0 + far)).argmax())
        return Prospect(poses[best], float(gains[best] * (far[best] < REACHABLE)))


class KnownGround:
    """How well the ground was known at best. A map that moves along with the robot leaves behind what it knew: without
    this, the robot would go back and forth between two ends of a hall for ever.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self._least = np.full((SIDE, SIDE), np.inf, np.float32)
        self._first: np.ndarray | None = None  # (2,) odom of the first cell

    def note(self, space: FreeSpace) -> FreeSpace:
        """The same ground, with the least uncertainty that each of its cells has had."""
        rows, columns = space.uncertainty.shape
        if self._first is None:
            self._first = space.origin - space.cell * ((SIDE - np.array([columns, rows])) // 2)
        column, row = np.round((space.origin - self._first) / space.cell).astype(int)
        if not (0 <= column <= SIDE - columns and 0 <= row <= SIDE - rows):
            self.forget()  # far from all that it remembers
            return self.note(space)
        there = self._least[row : row + rows, column : column + columns]
        np.minimum(there, space.uncertainty, out=there)
        return replace(space, uncertainty=there.copy())


def looked_around(state: WorldState, space: FreeSpace) -> bool:
    """Whether what lies about the robot has been seen, or can't be."""
    rows, columns = space.clearance.shape
    y, x = np.mgrid[0:rows, 0:columns]
    off = np.stack([x, y], -1) * space.cell + space.origin - state.pose[:2]
    near = np.hypot(off[..., 0], off[..., 1]) < AROUND
    return bool((space.uncertainty[near] < (KNOWN + UNKNOWN) / 2).mean() >= ENOUGH)


def _gains(space: FreeSpace, poses: np.ndarray) -> np.ndarray:
    """(N, 3) -> (N,) square metres not known in view, as far as what is believed to stand there lets see."""
    rows, columns = space.clearance.shape
    bearing = poses[:, 2, None] + BEARINGS
    along = np.stack([np.cos(bearing), np.sin(bearing)], -1)  # (N, B, 2)
    points = poses[:, None, None, :2] + along[:, :, None] * REACH[:, None]
    cell = np.round((points - space.origin) / space.cell).astype(int)
    inside = ((cell >= 0) & (cell < [columns, rows])).all(-1)
    c, r = np.clip(cell, 0, [columns - 1, rows - 1]).reshape(-1, 2).T
    solid = (space.clearance[r, c] < -0.12).reshape(inside.shape)  # metres under a base that stood there
    seen = inside & (np.cumsum(solid, -1) == 0)
    ignorance = np.clip((space.uncertainty[r, c] - KNOWN) / (UNKNOWN - KNOWN), 0, 1).reshape(inside.shape)
    width = REACH * (BEARINGS[1] - BEARINGS[0]) * (REACH[1] - REACH[0])  # square metres that a sample stands for
    return (seen * ignorance * width).sum((1, 2))
