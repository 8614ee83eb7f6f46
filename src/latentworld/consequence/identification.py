"""The drive train of a robot as it is measured while it drives: odometry against commands.

Each axis is a delay and a first-order lag with a gain (``motion.Response``). Over a segment of a second, the response
runs free from the speed measured at its start, so that noise of single speeds does not look like a short lag (output
error method, L. Ljung, "System Identification", 1999). All pairs of a grid of delays and lags are compared at once. The
gain enters linearly: three sums a pair say which gain is best, and how well it does. Each sample adds to these sums, so
that all samples cost the same. What the description says counts as a measurement with the uncertainties ``PRIOR``:
without evidence it stays.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from latentworld.consequence import drive_train_file
from latentworld.consequence.motion import SHORTEST, DriveTrain, Response
from latentworld.robot import BaseKind, Robot
from latentworld.types import LatentworldError, seconds, turn

AXES = ("linear", "angular", "lateral")
DELAYS = np.linspace(0, 0.4, 17)  # s
LAGS = np.geomspace(SHORTEST, 0.8, 16)  # s
GAINS = 0.5, 1.3
GAP = 0.5  # s without a sample after which a new stretch begins
LENGTH, STRIDE = 1.0, 0.3  # s of a segment, and from one to the next
KEPT, FIRST, AGAIN = 100, 34, 7  # segments kept of an axis; for the first confident fit; from one fit to the next
CHANGE = 0.1  # of the top speed: segments in which the command changes less say nothing
BLOCKED = 0.07  # of the top speed: error of a segment that no response explains; something was in the way
OUTLIER = 0.1  # of the top speed: error of a segment from which on it counts little
ROUNDS = 2  # of weights and gains
ERROR = 0.05  # of the top speed: expected error of a predicted speed
INDEPENDENT = 0.3  # s from one error to the next that is independent of it
JUMP = 2.0  # times the top speed: more is a jump of odometry
PRIOR = Response(gain=0.1, delay=0.1, lag=0.7)  # standard deviations; that of the lag is one of its logarithm


class _Segment:
    """A free run from one sample on. at: s. speed: (A,). unit: (A, D, L) response to unit gain there.

    sums: (3, A, D, L), over samples, of the speeds predicted for a gain of 1 squared, times those left to explain, and
    of the latter squared; m²/s or rad²/s.
    """

    def __init__(self, at: float, speed: np.ndarray, unit: np.ndarray):
        self.at, self.speed, self.unit = at, speed, unit
        self.sums = np.zeros((3, *unit.shape))

    def add(self, before: float, now: float, moved: np.ndarray, predicted: np.ndarray, lags: np.ndarray) -> None:
        """moved: (A,) metres or radians. predicted: (A, D, L), for unit gain and all that was commanded."""
        coasted = lags * (np.exp((self.at - before) / lags) - np.exp((self.at - now) / lags))  # (L,) per speed at start
        driven = predicted - self.unit * coasted
        left = (moved[:, None] - self.speed[:, None] * coasted)[:, None]
        seconds = now - before
        self.sums[0] += driven**2 / seconds
        self.sums[1] += driven * left / seconds
        self.sums[2] += left**2 / seconds


class DriveTrainIdentification:
    """Learns the drive train of one robot from its driving.

    drive_train: the best estimate so far. confident: enough was driven for it, forward and turning, since the start.
    """

    def __init__(self, robot: Robot):
        self.robot, self.base = robot, robot.base
        self.description = DriveTrain.of(self.base)
        most = max(self.base.max_linear, self.base.max_reverse), self.base.max_angular, self.base.max_lateral
        self._most = np.array(most[: len(self.base.axes)])  # (A,)
        self._begin(self.description)

    def _begin(self, known: DriveTrain) -> None:
        """Start from what is known without a sample."""
        self.drive_train = self._known = known
        responses = self._responses(known)
        # All that is known is on the grid, so that it stays exactly as it is without evidence.
        self._delays = np.union1d(DELAYS, [r.delay for r in responses])
        self._lags = np.union1d(LAGS, [max(r.lag, SHORTEST) for r in responses])
        self._kept = np.zeros((len(responses), 3, KEPT, len(self._delays), len(self._lags)), np.float32)
        self._counts = [0] * len(responses)
        self._stamp: int | None = None
        self._new_stretch()

    def _responses(self, drive_train: DriveTrain) -> list[Response]:
        return [getattr(drive_train, name) for name in AXES[: len(self._most)]]

    @property
    def confident(self) -> bool:
        return all(count >= FIRST for count in self._counts[:2])

    def observe(self, stamp: int, velocity: np.ndarray, command: np.ndarray, pose: np.ndarray | None = None) -> None:
        """Take in a sample, about ten a second; jitter and gaps do no harm.

        stamp: ns. velocity, command: (A,) as odometry measured it at ``stamp``, and the last one given before it, in
        force since the sample before. pose: (3,) of odometry, uncorrected; with it, speeds are taken from the way
        between samples, without it from the mean of both velocities. What is not finite is left out. Raises
        LatentworldError for a velocity or a command of other axes than the base has.
        """
        velocity, command = np.array(velocity, float), np.array(command, float)
        pose = None if pose is None else np.array(pose, float)
        for name, part in (("velocity", velocity), ("command", command)):
            if part.shape != self._most.shape:
                raise LatentworldError(f"drive train: {name}: expected {self._most.shape}, got {part.shape}")
        finite = all(np.isfinite(part).all() for part in (velocity, command, pose) if part is not None)
        if not finite or stamp == self._stamp:
            return
        command = self._feasible(command)
        elapsed = np.inf if self._stamp is None else seconds(stamp - self._stamp)
        moved = None
        if 0 < elapsed <= GAP:
            mean = (self._velocity + velocity) / 2 * elapsed
            moved = mean if pose is None or self._pose is None else _moved(self._pose, pose)[: len(mean)]
        if moved is None or (np.abs(moved) > JUMP * self._most * elapsed + 0.01).any():
            self._new_stretch()
        else:
            self._advance(elapsed, moved, command)
        self._stamp, self._velocity, self._pose = stamp, velocity, pose
        if self._now >= self._delays[-1] and self._now - self._started >= STRIDE - 1e-3:
            self._segments.append(_Segment(self._now, velocity, self._unit))
            self._started = self._now

    def save(self, path: str | Path) -> None:
        """Keep the estimate with the robot. Raises LatentworldError where it cannot be written."""
        drive_train_file.save(self.robot, self.drive_train, path)

    def load(self, path: str | Path) -> None:
        """Start anew from an estimate that was kept. Raises LatentworldError for a file that is not there, damaged, of
        another robot or made with another description of its base; all stays as it was then.
        """
        self._begin(drive_train_file.load(self.robot, path))

    def summary(self) -> str:
        """The estimate beside the description, in a line."""
        pairs = zip(AXES, self._responses(self.drive_train), self._responses(self.description), strict=False)
        return "drive train: " + ", ".join(
            f"{name} gain {now.gain:.2f}, delay {now.delay:.2f} s, lag {now.lag:.2f} s "
            f"(description {then.gain:.2f}, {then.delay:.2f}, {then.lag:.2f})"
            for name, now, then in pairs
        )

    def _new_stretch(self) -> None:
        shape = (len(self._most), len(self._delays), len(self._lags))
        self._now, self._started = 0.0, -np.inf  # s, in this stretch
        self._unit = np.zeros(shape)  # speeds now, for a gain of 1, from the commands of this stretch
        self._segments: list[_Segment] = []
        self._commands: list[tuple[float, float, np.ndarray]] = []  # from, to (s), command (A,)

    def _advance(self, elapsed: float, moved: np.ndarray, command: np.ndarray) -> None:
        before, now = self._now, self._now + elapsed
        known = [c for c in self._commands if c[1] > before - self._delays[-1] - LENGTH]
        self._commands = [*known, (before, now, command)]
        unit, predicted = self._respond(before, now)
        for segment in self._segments:
            segment.add(before, now, moved, predicted, self._lags)
        self._now, self._unit = now, unit
        while self._segments and now - self._segments[0].at >= LENGTH - 1e-3:
            self._close(self._segments.pop(0))

    def _respond(self, before: float, now: float) -> tuple[np.ndarray, np.ndarray]:
        """For a gain of 1, each (A, D, L): speeds at ``now``, and metres or radians since ``before``."""
        begins, ends, commands = (np.array(part) for part in zip(*self._commands, strict=True))
        # When each command (K,) acts between both times, for each delay (D,).
        begins, ends = (np.clip(part[:, None] + self._delays, before, now) for part in (begins, ends))
        acts = np.flatnonzero((ends > begins).any(1))
        begins, ends, commands = begins[acts], ends[acts], commands[acts]
        rising = np.exp((ends - now)[..., None] / self._lags) - np.exp((begins - now)[..., None] / self._lags)
        unit = self._unit * np.exp((before - now) / self._lags) + np.tensordot(commands.T, rising, 1)
        asked = commands.T @ (ends - begins)  # (A, D)
        return unit, asked[..., None] - self._lags * (unit - self._unit)  # as speed' = (asked - speed) / lag

    def _close(self, segment: _Segment) -> None:
        """Keep what a segment says about each axis, if it says anything."""
        if self._blocked(segment.sums):
            return
        commands = np.array([c[2] for c in self._commands if c[1] > segment.at - self._delays[-1]])
        for axis in np.flatnonzero(np.ptp(commands, axis=0) > CHANGE * self._most):
            self._kept[axis, :, self._counts[axis] % KEPT] = segment.sums[:, axis]
            self._counts[axis] += 1
            if self._counts[axis] % AGAIN == 0:
                self._fit(axis)

    def _blocked(self, sums: np.ndarray) -> bool:
        """Whether the motion of a segment fits no response at all, on any axis."""
        predicted, both, left = sums
        gain = (both / np.maximum(predicted, 1e-9)).clip(*GAINS)
        least = _error(sums, gain).min((1, 2))
        return bool((least > LENGTH * (BLOCKED * self._most) ** 2 + 1e-9).any())

    def _fit(self, axis: int) -> None:
        """The pair that explains most, with the gain that is best for it; outliers count little (Geman and McClure,
        1987).
        """
        known = self._responses(self._known)[axis]
        sums = self._kept[axis, :, : self._counts[axis]]  # (3, N, D, L)
        # A segment begins before the last one ends: each sample counts LENGTH / STRIDE times.
        variance = LENGTH**2 / STRIDE * INDEPENDENT * (ERROR * self._most[axis]) ** 2
        limit = LENGTH * (OUTLIER * self._most[axis]) ** 2
        share = variance / PRIOR.gain**2
        gain = np.full(sums.shape[2:], known.gain, np.float32)
        for _ in range(ROUNDS):
            weight = _error(sums, gain)
            weight /= limit
            weight += 1
            np.power(weight, -2, out=weight)
            predicted, both = np.einsum("sndl,ndl->sdl", sums[:2], weight)
            gain = ((both + share * known.gain) / (predicted + share)).clip(*GAINS).astype(np.float32)
        error = _error(sums, gain)
        error /= 1 + error / limit
        off = (
            ((self._delays - known.delay) / PRIOR.delay)[:, None] ** 2
            + (np.log(self._lags / max(known.lag, SHORTEST)) / PRIOR.lag) ** 2
            + ((gain - known.gain) / PRIOR.gain) ** 2
        )
        row, column = np.unravel_index((error.sum(0) / variance + off).argmin(), gain.shape)
        found = Response(float(gain[row, column]), float(self._delays[row]), float(self._lags[column]))
        self.drive_train = replace(self.drive_train, **{AXES[axis]: found})

    def _feasible(self, command: np.ndarray) -> np.ndarray:
        base = self.base
        low = -self._most
        if base.kind == BaseKind.ACKERMANN:
            low[0] = -base.max_reverse
        command = np.clip(command, low, self._most)
        if base.kind == BaseKind.ACKERMANN:
            most = abs(command[0]) / base.turning_radius
            command[1] = np.clip(command[1], -most, most)
        return command


def _error(sums: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Sums of squared errors, m²/s or rad²/s, of ``_Segment.sums`` (3, ..., D, L) for these gains."""
    predicted, both, left = sums
    error = predicted * gain
    error -= 2 * both
    error *= gain
    error += left
    return error


def _moved(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(3,) forward, turned, to the left, from one pose to the next, along the arc's middle."""
    turned = turn(after[2] - before[2])
    middle = before[2] + turned / 2
    (dx, dy), c, s = after[:2] - before[:2], np.cos(middle), np.sin(middle)
    return np.array([c * dx + s * dy, turned, c * dy - s * dx])
