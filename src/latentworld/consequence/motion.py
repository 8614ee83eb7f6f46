"""How a base answers to commands: the motion that a sequence of actions really causes, for every kind of base.

Each axis (forward, turning, sideways) is a pure delay and a first-order lag behind what is commanded, with a gain.
That is linear in the commands, so that the mean speed of every step is one product with a small matrix.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from latentworld.robot import Base, BaseKind

RAMP = 0.5  # of the time that an axis needs to top speed: the lag that stands for bounded acceleration
SHORTEST = 0.02  # s, of a lag
NOTICEABLE = 0.015  # s of delay or lag, and of the gain: less is no difference to a plan


class Response(NamedTuple):
    """How one axis answers. gain: speed reached per speed commanded. delay: s. lag: time constant, s."""

    gain: float = 1.0
    delay: float = 0.0
    lag: float = 0.1

    def weights(self, horizon: int, dt: float) -> np.ndarray:
        """(H, H + 2): mean speed of each step from the speed now, the command in force now, and those of the steps."""
        lag = max(self.lag, SHORTEST)
        starts = np.concatenate([[0.0], self.delay + dt * np.arange(horizon)])  # of the commands' effect
        ends = np.concatenate([starts[1:], [np.inf]])

        def travelled(t: np.ndarray) -> np.ndarray:
            """(T, H + 2): metres by time t, per speed now and per command."""
            own = lag * (1 - np.exp(-t / lag))
            out = [own]
            for begin, end in zip(starts, ends, strict=True):
                inside, after = np.clip(t - begin, 0, end - begin), np.maximum(t - end, 0)
                risen = inside - lag * (1 - np.exp(-inside / lag))
                reached = 1 - np.exp(-inside / lag)
                out.append(self.gain * (risen + reached * lag * (1 - np.exp(-after / lag))))
            return np.stack(out, -1)

        steps = dt * np.arange(horizon + 1)
        return np.diff(travelled(steps), axis=0) / dt


@dataclass(frozen=True)
class DriveTrain:
    """The responses of a base. kind: what couples its axes."""

    kind: BaseKind
    linear: Response
    angular: Response
    lateral: Response
    turning_radius: float = 0.0

    @classmethod
    def of(cls, base: Base) -> DriveTrain:
        """As the description of the base has it; what is measured while it drives is better."""

        def response(most: float, acceleration: float) -> Response:
            return Response(1.0, base.latency, base.time_constant + RAMP * most / acceleration)

        return cls(
            base.kind,
            response(base.max_linear, base.acceleration),
            response(base.max_angular, base.angular_acceleration),
            response(base.max_lateral, base.acceleration),
            base.turning_radius if base.kind == BaseKind.ACKERMANN else 0.0,
        )

    def differs_from(self, other: DriveTrain) -> bool:
        """Whether a plan would notice."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in ("linear", "angular", "lateral"))
        return any(
            abs(a.gain - b.gain) > NOTICEABLE or abs(a.delay - b.delay) > NOTICEABLE or abs(a.lag - b.lag) > NOTICEABLE
            for a, b in pairs
        )

    def later(self, seconds: float) -> DriveTrain:
        """The same with so much more delay."""
        axes = (replace_delay(axis, seconds) for axis in (self.linear, self.angular, self.lateral))
        return replace(self, **dict(zip(("linear", "angular", "lateral"), axes, strict=True)))


def replace_delay(response: Response, more: float) -> Response:
    return response._replace(delay=response.delay + more)


class MotionModel(Protocol):
    """(velocity (A,), command (A,), actions (K, H, A), dt) -> poses (K, H, 3) in the base's frame at the start.

    A is 2 (linear, angular) or 3 (and lateral).
    """

    def __call__(self, velocity: Tensor, command: Tensor, actions: Tensor, dt: float) -> Tensor: ...


class DelayedMotion:
    """The motion model of a ``DriveTrain``."""

    def __init__(self, drive_train: DriveTrain, device: torch.device | str = "cpu"):
        self.drive_train, self.device = drive_train, device
        self._weights: dict[tuple[int, float], Tensor] = {}

    def __call__(self, velocity: Tensor, command: Tensor, actions: Tensor, dt: float) -> Tensor:
        k, horizon, axes = actions.shape
        weights = self._table(horizon, dt)
        actions, command = self._feasible(actions), self._feasible(command)
        given = torch.stack([velocity, command], 0)[None].expand(k, 2, axes)
        speeds = torch.einsum("ahs,ksa->kha", weights[:axes], torch.cat([given, actions], 1))
        return travel(speeds, dt)

    def _table(self, horizon: int, dt: float) -> Tensor:
        """(3, H, H + 2): linear, angular, lateral."""
        key = (horizon, dt)
        if key not in self._weights:
            t = self.drive_train
            tables = [axis.weights(horizon, dt) for axis in (t.linear, t.angular, t.lateral)]
            self._weights[key] = torch.tensor(np.stack(tables), dtype=torch.float32, device=self.device)
        return self._weights[key]

    def _feasible(self, actions: Tensor) -> Tensor:
        if not self.drive_train.turning_radius:
            return actions
        most = actions[..., 0].abs() / self.drive_train.turning_radius
        return torch.cat(
            [actions[..., :1], actions[..., 1:2].clamp(-most[..., None], most[..., None]), actions[..., 2:]], -1
        )


def travel(speeds: Tensor, dt: float) -> Tensor:
    """Mean speeds (..., H, A) of linear, angular and, where there, lateral, each for dt -> poses (..., H, 3) from the
    origin, by the midpoint rule.
    """
    turn = speeds[..., 1] * dt
    yaw = turn.cumsum(-1)
    heading = yaw - turn / 2
    c, s, ahead = heading.cos(), heading.sin(), speeds[..., 0] * dt
    x, y = ahead * c, ahead * s
    if speeds.shape[-1] > 2:
        left = speeds[..., 2] * dt
        x, y = x - left * s, y + left * c
    return torch.stack([x.cumsum(-1), y.cumsum(-1), yaw], -1)


def settle_time(response: Response) -> float:
    """Seconds until 95 % of a command is reached."""
    return response.delay - response.lag * math.log(0.05)
