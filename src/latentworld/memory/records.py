"""What the store is given to keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentworld.memory.latent_format import KeptModel
from latentworld.memory.objects import Stay


@dataclass(frozen=True, slots=True)
class Record:
    """A keyframe to be stored. pose: (3,) x, y, yaw in laying ``frame``. covariance: (3, 3). latent: (D,). stays: those
    that what it shows began, went on with or ended.
    """

    stamp: int
    frame: int
    pose: np.ndarray
    covariance: np.ndarray
    surprise: float
    model: KeptModel
    latent: np.ndarray
    thumbnail: bytes | None = None
    stays: Sequence[Stay] = ()
