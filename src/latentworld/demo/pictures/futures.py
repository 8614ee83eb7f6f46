"""Imagined futures as coloured lines, ready for any projection."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from latentworld.types import Consequences, Plan


class Future(NamedTuple):
    """poses: (H + 1, 3) in odom from where the robot was; risk: (H,) of having touched anything or fallen by then."""

    poses: np.ndarray
    risk: np.ndarray


class Shift(NamedTuple):
    """From where the robot believes to be to where it is: odometry drifts, and pictures are of the room as it is."""

    believed: np.ndarray
    true: np.ndarray

    @property
    def turn(self) -> float:
        return float(self.true[2] - self.believed[2])

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) or (..., 3) in odom by the belief -> the same truly."""
        c, s = np.cos(self.turn), np.sin(self.turn)
        moved = (points[..., :2] - self.believed[:2]) @ np.array([[c, s], [-s, c]]) + self.true[:2]
        return np.concatenate([moved, points[..., 2:] + self.turn], -1)


def futures(plan: Plan, shift: Shift) -> tuple[list[Future], Future | None]:
    """The candidates of a plan, riskiest first, and its best, all beginning where the robot truly was."""
    best = None if plan.consequence is None else _futures(plan.consequence, shift)[0]
    others = [] if plan.candidates is None else _futures(plan.candidates, shift)
    return sorted(others, key=lambda f: -f.risk[-1]), best


def worst(consequences: Consequences) -> np.ndarray:
    """(K,) risk of the worst step of each candidate."""
    return np.maximum(consequences.contact, consequences.drop).max(1)


def _futures(consequences: Consequences, shift: Shift) -> list[Future]:
    risk = np.maximum.accumulate(np.maximum(consequences.contact, consequences.drop), axis=1)
    start = np.asarray(shift.true, float)[None]
    return [Future(np.concatenate([start, shift(poses)]), r) for poses, r in zip(consequences.poses, risk, strict=True)]
