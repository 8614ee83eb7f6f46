"""Re-anchoring: when localisation learns where the robot really drove, what it saw on the way moves along."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

import numpy as np

from latentworld.memory.submaps import between, moved, upper
from latentworld.types import LatentworldError


@dataclass(frozen=True, slots=True)
class Trajectory:
    """Where the robot was, as now known. stamps: (N,) ns, ascending. poses: (N, 3) x, y, yaw (m, m, rad) in ``frame``.

    covariance: (3, 3) of what is still uncertain about all of it, in that frame; it replaces what an earlier correction
    said.
    """

    stamps: np.ndarray
    poses: np.ndarray
    frame: str = "map"
    covariance: np.ndarray | None = None

    def __post_init__(self) -> None:
        stamps, poses = np.asarray(self.stamps), np.asarray(self.poses, np.float64)
        if stamps.ndim != 1 or poses.shape != (len(stamps), 3) or len(stamps) < 2 or not (np.diff(stamps) > 0).all():
            raise LatentworldError(
                f"trajectory: expected 2 or more stamps that ascend and a pose (3,) for each, got {stamps.shape} and "
                f"{poses.shape}"
            )
        if not np.isfinite(poses).all():
            raise LatentworldError("trajectory: expected finite poses, got NaN or infinity")

    def at(self, stamps: np.ndarray) -> np.ndarray:
        """(N,) -> (N, 3), between poses in a straight line; yaw the shorter way round."""
        first = self.stamps[0]  # float64 holds nanoseconds of a century only to 100 ns
        t, known = (stamps - first).astype(np.float64), (np.asarray(self.stamps) - first).astype(np.float64)
        poses = np.asarray(self.poses, np.float64)
        unwound = np.column_stack([poses[:, :2], np.unwrap(poses[:, 2])])
        return np.column_stack([np.interp(t, known, column) for column in unwound.T])


def correction(connection: sqlite3.Connection, trajectory: Trajectory, number: int) -> list[list]:
    """Rows of every submap whose keyframes were taken while the trajectory lasts, moved to where it says.

    number: of the frame that they are in from then on. Where the robot's clock went back (a simulation begun anew),
    only what came after that is of the trajectory. Of each submap its middle keyframe comes to lie where the trajectory
    was at its stamp; the others keep their places about it, as odometry had them.
    """
    first, last = int(trajectory.stamps[0]), int(trajectory.stamps[-1])
    anew = connection.execute(
        "SELECT max(id) FROM (SELECT id, t0, lag(t0) OVER (ORDER BY id) AS before FROM submap) WHERE t0 < before"
    ).fetchone()[0]
    found = connection.execute(
        """SELECT s.*, k.stamp, k.x, k.y, k.yaw FROM submap s
        JOIN keyframe k ON k.id = (SELECT max(id) FROM keyframe WHERE id BETWEEN s.first AND (s.first + s.last) / 2)
        WHERE s.id >= ? AND s.t1 >= ? AND s.t0 <= ? AND k.stamp BETWEEN ? AND ?""",
        (anew or 0, first, last, first, last),
    ).fetchall()
    if not found:
        return []
    driven = np.array([row[19:22] for row in found], np.float64)
    transforms = between(driven, trajectory.at(np.array([row[18] for row in found], np.int64)))
    spread = upper(np.zeros((3, 3)) if trajectory.covariance is None else trajectory.covariance).tobytes().hex()
    return moved(found, number, transforms, [spread] * len(found))
