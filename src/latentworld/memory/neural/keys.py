"""Poses as keys: what lies near in place and heading has keys that point the same way."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

HIGHEST = 24  # harmonic of the heading


class PoseKeys:
    """Random Fourier features (Rahimi and Recht 2007) of a Gaussian in place times a von Mises in heading.

    The product of two keys is about exp(-d^2 / 2 reach^2 + (cos(yaw' - yaw) - 1) / turn^2). Harmonics of the heading
    are whole numbers, so that a full turn leads back.
    """

    def __init__(self, count: int, reach: float, turn: float, seed: int = 0):
        """reach: metres. turn: radians."""
        random = np.random.default_rng([seed, count])
        angle = np.linspace(0, 2 * np.pi, 1024, endpoint=False)
        spectrum = np.fft.rfft(np.exp((np.cos(angle) - 1) / turn**2)).real[: HIGHEST + 1].clip(min=0)
        spectrum[1:] *= 2  # both signs; the phase makes up for which
        harmonics = random.choice(HIGHEST + 1, count, p=spectrum / spectrum.sum()) * random.choice([-1, 1], count)
        waves = np.column_stack([random.normal(0, 1 / reach, (count, 2)), harmonics])
        self.waves = torch.from_numpy(waves).float()
        self.phase = torch.from_numpy(random.uniform(0, 2 * np.pi, count)).float()
        self.scale = math.sqrt(2 / count)

    def __call__(self, poses: np.ndarray) -> Tensor:
        """Poses (N, 3), x, y (m), yaw (rad) -> keys (N, K) of length 1, about."""
        return self.scale * torch.cos(torch.from_numpy(np.asarray(poses, np.float32)) @ self.waves.T + self.phase)
