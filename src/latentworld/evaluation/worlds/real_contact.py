"""Is something in the body's way? Truth from measured depth around each frame of a real walk; scores from the belief.

The body is a base that drives straight ahead, on the floor below the head. In the way is what its footprint would touch
within ``REACH`` metres, between the floor and the top of the base. Depth of frames shortly before and after, brought
together by their poses, says so: only where enough of it agrees, or enough floor was seen, is there a truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from latentworld.consequence.simulator import ConsequenceSimulator
from latentworld.evaluation.worlds.real_views import Eye
from latentworld.evaluation.worlds.real_walk import PERIOD, Walk
from latentworld.model.world_model import WorldModel
from latentworld.robot import Base
from latentworld.tracking.tracker import WorldStateTracker
from latentworld.types import Odometry, WorldState

REACH = 1.5  # metres that the base would drive
NEIGHBOURS = 40  # indices before and after whose depth counts
FLOOR = 0.08  # metres about the floor's height that are floor
CELL = 0.1  # metres
POINTS, FRAMES = 10, 2  # in one cell, by which something is there
COVERED = 0.7  # share of the cells of the way that must show floor for it to be free
INSIDE = 20  # points within the footprint where it starts, from which on nothing is said: the head leans over something
SPEED, DT = 0.5, 0.2  # m/s, s a step of the drive that is imagined


@dataclass(frozen=True, slots=True)
class Way:
    """What depth says about a way. free: metres to the first thing that is certain, inf: none. covered: share of its
    cells that show floor. inside: points where the base would start.
    """

    free: float
    covered: float
    inside: int

    @property
    def truth(self) -> bool | None:
        """Whether something is in the way; None: depth does not tell."""
        if self.inside > INSIDE:
            return None
        if np.isfinite(self.free):
            return True
        return False if self.covered >= COVERED else None


def look_along(clouds: Sequence[np.ndarray], pose: np.ndarray, base: Base) -> Way:
    """clouds: of each frame, (N, 3) metres, z above the floor. pose: (3,) x, y, yaw of the base in their frame."""
    half, nose = base.half_width, float(base.polygon[:, 0].max())
    rows, columns = round((REACH + nose) / CELL), max(round(2 * half / CELL), 1)
    floor, things, frames = (np.zeros((rows, columns), int) for _ in range(3))
    nearest = np.full((rows, columns), np.inf)
    inside = 0
    c, s = np.cos(pose[2]), np.sin(pose[2])
    for cloud in clouds:
        offset = cloud[:, :2] - pose[:2]
        ahead, left, up = c * offset[:, 0] + s * offset[:, 1], c * offset[:, 1] - s * offset[:, 0], cloud[:, 2]
        way = (np.abs(left) < half) & (ahead < REACH + nose) & (ahead > -base.reach) & (up < base.height)
        ahead, left, up = ahead[way], left[way], up[way]
        drive = ahead - _front(base, left)  # metres that it drives until the point is touched
        solid = up >= FLOOR
        inside += int((solid & (drive < 0) & (np.hypot(ahead, left) < base.reach)).sum())
        solid &= (drive >= 0) & (drive < REACH)
        cells = _cells(ahead[solid], left[solid], half, rows, columns)
        here = np.zeros_like(things)
        np.add.at(here, cells, 1)
        np.minimum.at(nearest, cells, drive[solid])
        things, frames = things + here, frames + (here > 0)
        flat = (np.abs(up) < FLOOR) & (ahead >= 0)
        np.add.at(floor, _cells(ahead[flat], left[flat], half, rows, columns), 1)
    certain = (things >= POINTS) & (frames >= FRAMES)
    first = round(nose / CELL)
    return Way(float(nearest[certain].min(initial=np.inf)), float((floor[first:] > 0).mean()), inside)


def _front(base: Base, left: np.ndarray) -> np.ndarray:
    """(N,) metres from the base's middle to its front edge, so far to the left of its axis."""
    if base.radius is not None:
        return np.sqrt(np.maximum(base.radius**2 - left**2, 0))
    # The footprint's corners from right to left along its front: the farthest edge at each.
    start, end = base.polygon, np.roll(base.polygon, -1, 0)
    out = np.full(len(left), -np.inf)
    for a, b in zip(start, end, strict=True):
        if a[1] != b[1]:
            share = (left - a[1]) / (b[1] - a[1])
            on = (share >= 0) & (share <= 1)
            out[on] = np.maximum(out[on], (a[0] + share * (b[0] - a[0]))[on])
    return out


def _cells(ahead: np.ndarray, left: np.ndarray, half: float, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    row = np.clip((ahead / CELL).astype(int), 0, rows - 1)
    return row, np.clip(((left + half) / (2 * half) * columns).astype(int), 0, columns - 1)


def ways(walk: Walk, base: Base) -> list[Way]:
    """What depth says about the way ahead of each frame."""
    clouds = [cloud[cloud[:, 2] < base.height] for cloud in map(walk.points, range(len(walk)))]
    near = [np.flatnonzero(np.abs(walk.indices - index) <= NEIGHBOURS) for index in walk.indices]
    return [look_along([clouds[j] for j in near[i]], walk.base_pose(i), base) for i in range(len(walk))]


def scores(walk: Walk, model: WorldModel, base: Base, depth: bool = True) -> np.ndarray:
    """(N,): the more certain contact on a straight drive of ``REACH`` metres is, the more; of the belief at each frame.

    -log of the probability that no step of it touches anything. Where indices are missing the belief begins anew.
    """
    eye, tracker = Eye(walk, model), WorldStateTracker(model)
    simulator = ConsequenceSimulator(model)
    drive = np.zeros((1, round(REACH / SPEED / DT), 2), np.float32)
    drive[..., 0] = SPEED
    out = np.zeros(len(walk))
    with torch.inference_mode():
        for i in range(len(walk)):
            if i and walk.indices[i] != walk.indices[i - 1] + 1:
                tracker.reset()
            latent = eye.encode(i, depth)
            tracker.odometry(_odometry(walk, i, latent.stamp))
            state, _ = tracker.observe(latent)
            said = simulator.simulate(_driving(state), drive, DT)
            out[i] = -np.log1p(-np.minimum(said.contact[0].astype(float), 1 - 1e-9)).sum()
    return out


def _odometry(walk: Walk, i: int, stamp: int) -> Odometry:
    """By the given poses; speeds from the frame before, 0 after a cut."""
    pose = walk.base_pose(i)
    if i == 0 or walk.indices[i] != walk.indices[i - 1] + 1:
        return Odometry(stamp, pose, 0.0, 0.0)
    before = walk.base_pose(i - 1)
    dx, dy = pose[:2] - before[:2]
    turned = float(np.angle(np.exp(1j * (pose[2] - before[2]))))
    ahead = float(np.cos(before[2]) * dx + np.sin(before[2]) * dy)
    return Odometry(stamp, pose, ahead / PERIOD, turned / PERIOD)


def _driving(state: WorldState) -> WorldState:
    """The same belief in a base that is driving straight ahead already."""
    velocity, command = (np.zeros_like(part) for part in (state.velocity, state.command))
    velocity[0] = command[0] = SPEED
    return replace(state, velocity=velocity, command=command)


def auroc(scored: np.ndarray, truth: np.ndarray) -> float:
    """Of the pairs of one frame with something in the way and one without: in how many the former scores higher."""
    hit, free = scored[truth], scored[~truth]
    if not len(hit) or not len(free):
        return float("nan")
    difference = hit[:, None] - free[None]
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())
