"""Odometry drifts, things stand still: where the robot really drove, as the things tell that it saw again.

Least squares over runs of keyframes and stays of things (landmark SLAM, Thrun et al. "Probabilistic Robotics", 2005,
chapter 11), with sightings that fit nothing counted less and less (Cauchy). The newest run stays where odometry has it:
what is remembered comes to lie where it is in odom as it lies now.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from latentworld.memory.correction import Trajectory
from latentworld.memory.submaps import between, placed
from latentworld.types import turn

RUN = 6  # keyframes that move together
MOST = 400  # runs that are solved for; what is older moves with the oldest of them
STEPS, ENOUGH = 20, 1e-3  # of Gauss and Newton; m and rad below which another one tells nothing
OUTLIER, AT_FIRST, SHRINK = 2.0, 30.0, 0.7  # standard deviations from which on a sighting counts less, at last and at
# first, when odometry may be far off all of them; by how much fewer with each step
CERTAIN = 1e-3  # m, rad: least deviation of odometry


@dataclass(slots=True)
class Run:
    """stamps, offsets: of its keyframes, poses from the first one's. pose: (3,) of that, as driven. seen: by stay, its
    places (2,) from there, and the variance of each, m^2.
    """

    pose: np.ndarray
    stamps: list[int] = field(default_factory=list)
    offsets: list[np.ndarray] = field(default_factory=list)
    seen: dict[int, list[tuple[np.ndarray, float]]] = field(default_factory=lambda: defaultdict(list))


class LandmarkMap:
    """One laying of odometry. Give it each keyframe, then ask for the trajectory."""

    def __init__(self, position_drift: float, heading_drift: float):
        """position_drift: m per root metre. heading_drift: rad per root radian or metre."""
        self._position, self._heading = position_drift, heading_drift
        self.runs: list[Run] = []

    def add(self, stamp: int, pose: np.ndarray, sightings: Iterable[tuple[int, np.ndarray, float]]) -> None:
        """A keyframe at ``pose`` (3,), and what it shows: number of a stay, its place (2,) from the base, variance."""
        pose = np.asarray(pose, np.float64)
        run = self.runs[-1] if self.runs and len(self.runs[-1].stamps) < RUN else Run(pose)
        offset = placed(between(run.pose, np.zeros(3)), pose)
        run.stamps.append(stamp)
        run.offsets.append(offset)
        for stay, place, variance in sightings:
            run.seen[stay].append((placed(offset, np.append(place, 0.0))[:2], variance))
        if len(run.stamps) == 1:
            self.runs.append(run)

    def solve(self) -> Trajectory | None:
        """Where each keyframe was, in odom as it lies now; ``None`` where no thing was seen again.

        The run that is not over yet is left as it is. May be called while another thread adds keyframes.
        """
        whole = self.runs[:-1]
        runs = whole[-MOST:]
        sightings = _sightings(runs)
        if len(runs) < 2 or not sightings:
            return None
        poses = self._solved(runs, sightings)
        older = whole[: -len(runs)]
        if older:
            poses = np.concatenate([placed(between(runs[0].pose, poses[0]), np.array([r.pose for r in older])), poses])
        stamps = np.array([stamp for run in whole for stamp in run.stamps], np.int64)
        moved = [placed(pose, np.array(run.offsets)) for run, pose in zip(whole, poses, strict=True)]
        return Trajectory(stamps, np.concatenate(moved), "odom")

    def _solved(self, runs: list[Run], sightings: list[tuple[int, int, np.ndarray, float]]) -> np.ndarray:
        """Poses (N, 3) of the runs. sightings: run, landmark, place from the run, variance."""
        driven = np.array([run.pose for run in runs])
        steps = placed(between(driven[:-1], np.zeros((len(runs) - 1, 3))), driven[1:])
        steps[:, 2] = turn(driven[1:, 2] - driven[:-1, 2])
        spread = np.array([self._spread(run) for run in runs[:-1]])
        run, mark = (np.array([s[i] for s in sightings]) for i in (0, 1))
        place, variance = np.array([s[2] for s in sightings]), np.array([s[3] for s in sightings])
        poses, count = driven.copy(), len(runs)
        marks = np.zeros((mark.max() + 1, 2))
        for m in range(len(marks)):  # where it was seen last, which is nearest to where it will be
            last = np.flatnonzero(mark == m)[-1]
            marks[m] = placed(poses[run[last]], np.append(place[last], 0.0))[:2]
        for step in range(STEPS):
            outlier = max(OUTLIER, AT_FIRST * SHRINK**step)
            size = 3 * count + 2 * len(marks)
            h, b = np.zeros((size, size)), np.zeros(size)
            self._add_odometry(h, b, poses, steps, spread)
            _add_sightings(h, b, poses, marks, run, mark, place, variance, outlier)
            held = slice(3 * count - 3, 3 * count)
            h[held, :], h[:, held], b[held] = 0, 0, 0
            h[held, held] = np.eye(3)
            delta = np.linalg.solve(h + 1e-9 * np.eye(size), -b)
            poses += delta[: 3 * count].reshape(-1, 3)
            marks += delta[3 * count :].reshape(-1, 2)
            if outlier == OUTLIER and np.abs(delta).max() < ENOUGH:
                break
        return poses

    def _spread(self, run: Run) -> np.ndarray:
        """(3,) variances of odometry from the first keyframe of a run to that of the next."""
        moved = np.diff(np.array(run.offsets), axis=0) if len(run.offsets) > 1 else np.zeros((1, 3))
        distance = float(np.hypot(moved[:, 0], moved[:, 1]).sum()) * len(run.offsets) / max(len(run.offsets) - 1, 1)
        angle = float(np.abs(turn(moved[:, 2])).sum()) * len(run.offsets) / max(len(run.offsets) - 1, 1)
        position, heading = self._position**2 * distance, self._heading**2 * (angle + distance)
        return np.array([position, position, heading]) + CERTAIN**2

    @staticmethod
    def _add_odometry(h: np.ndarray, b: np.ndarray, poses: np.ndarray, steps: np.ndarray, spread: np.ndarray) -> None:
        c, s = np.cos(poses[:-1, 2]), np.sin(poses[:-1, 2])
        dx, dy = (poses[1:, :2] - poses[:-1, :2]).T
        off = np.stack([c * dx + s * dy, c * dy - s * dx, poses[1:, 2] - poses[:-1, 2]], 1) - steps
        off[:, 2] = turn(off[:, 2])
        for i, (e, w) in enumerate(zip(off, 1 / spread, strict=True)):
            a = np.zeros((3, 6))
            a[0] = -c[i], -s[i], c[i] * dy[i] - s[i] * dx[i], c[i], s[i], 0
            a[1] = s[i], -c[i], -c[i] * dx[i] - s[i] * dy[i], -s[i], c[i], 0
            a[2, 2], a[2, 5] = -1, 1
            at = slice(3 * i, 3 * i + 6)
            h[at, at] += a.T @ (w[:, None] * a)
            b[at] += a.T @ (w * e)


def _sightings(runs: list[Run]) -> list[tuple[int, int, np.ndarray, float]]:
    """Of stays that more than one run saw: run, number of the landmark, mean place from the run, variance."""
    seen_by: dict[int, int] = defaultdict(int)
    for run in runs:
        for stay in run.seen:
            seen_by[stay] += 1
    numbers = {stay: number for number, stay in enumerate(s for s, count in seen_by.items() if count > 1)}
    return [
        (at, numbers[stay], np.mean([place for place, _ in seen], 0), float(np.mean([v for _, v in seen])))
        for at, run in enumerate(runs)
        for stay, seen in run.seen.items()
        if stay in numbers
    ]


def _add_sightings(
    h: np.ndarray, b: np.ndarray, poses: np.ndarray, marks: np.ndarray, run: np.ndarray, mark: np.ndarray,
    place: np.ndarray, variance: np.ndarray, outlier: float,
) -> None:  # fmt: skip
    yaw = poses[run, 2]
    c, s = np.cos(yaw), np.sin(yaw)
    x, y = place.T
    turned = np.stack([c * x - s * y, s * x + c * y], 1)
    off = turned + poses[run, :2] - marks[mark]
    weight = 1 / variance / (1 + np.square(off).sum(1) / variance / outlier**2)
    base = 3 * len(poses)
    for e, w, (tx, ty), i, m in zip(off, weight, turned, run, mark, strict=True):
        a = np.array([[1, 0, -ty, -1, 0], [0, 1, tx, 0, -1]])
        at = [3 * i, 3 * i + 1, 3 * i + 2, base + 2 * m, base + 2 * m + 1]
        h[np.ix_(at, at)] += w * a.T @ a
        b[at] += w * a.T @ e
