"""Where the sensors of a robot sit on its base, and what is said about a description while it is made."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from latentworld.geometry import euler
from latentworld.robot import Mount
from latentworld.robot_urdf import Frames


@dataclass
class Notes:
    """What is said about a description while it is made."""

    found: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    """Where sensors are measured from: the frame ``base``, ``floor`` metres above which the floor lies."""

    frames: Frames
    base: str
    floor: float

    def matrix(self, frame: str) -> np.ndarray | None:
        """(4, 4) of a frame on the floor below the base; None where it is not attached to it."""
        known = self.frames.find(frame)
        matrix = None if known is None else self.frames.matrix(known, self.base)
        if matrix is None:
            return None
        matrix = matrix.copy()
        matrix[2, 3] -= self.floor
        return matrix


def mount_of(matrix: np.ndarray) -> Mount:
    """matrix: (4, 4) of a sensor's body frame."""
    return Mount(*(round(float(v), 4) + 0.0 for v in (*matrix[:3, 3], *euler(matrix[:3, :3]))))
