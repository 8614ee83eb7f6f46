"""What odometry has drifted, found from what stands around the robot.

Points that a range sensor meets are matched against a map of the surfaces that were met before (``surface_map.py``):
point-to-distribution matching with the normal distributions transform (Biber and Strasser 2003), by Gauss-Newton steps.
What odometry says about the way since the last scan counts as a measurement too. A robust kernel (Geman and McClure,
1987) leaves out what the map does not know or what has moved. In directions in which the scan says nothing, as along a
bare corridor, odometry alone counts (Zhang, Kaess, Singh, "On degeneracy of optimization-based state estimation
problems", ICRA 2016).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from latentworld.geometry import compose, relative
from latentworld.robot import Base, BaseKind
from latentworld.tracking.history import History, pose_at
from latentworld.tracking.surface_map import SurfaceMap
from latentworld.tracking.tracker import WorldStateTracker
from latentworld.types import Latent, Odometry, Surprise, WorldState, seconds, turn

LEAST_RANGE = 0.05  # metres: nearer points are of the robot itself
POINT_NOISE, RANGE_NOISE = 0.015, 0.01  # standard deviation of a point: metres, and metres per metre of range
OUTLIER = 4.0  # squared error, in variances, at which a point counts a quarter
CORRELATED = 0.5  # share of the points' information that counts: neighbours err alike
LEAST_SUPPORT = 4.0  # sum of the weights of points that a match needs
ITERATIONS, SMALL_STEP = 8, 5e-4  # Gauss-Newton steps at most; metres below which a step is the last one
LEVER = 1.5  # metres per radian, to compare turning with moving
DEGENERATE = 0.02  # share of the most information that a direction needs; from twice that on it counts in full
ODOMETRY_NOISE = 0.01  # least relative standard deviation of what a wheel says
WHEEL_RADIUS_SHARE = 10.0  # radius errors stay the same for long, so they count more than slip does
HALF_TRACK = 0.65  # of half of a base's width: where its wheels are
SPACING, TURNED = 0.15, 0.15  # metres, radians between two scans that are added to the map
FAR = 3.0  # metres from which on points count clearly less in the map
JUMP, JUMP_TURN, JUMP_RATE = 0.3, 0.5, 1.5  # metres, radians and times the highest speed: more is no motion


class Match(NamedTuple):
    """pose: (3,). information: (3, 3) of what the scan says about it; None where it could not be matched."""

    pose: np.ndarray
    information: np.ndarray | None


class OdometryCorrection:
    """Corrects the odometry of one robot. Poses come out in a fixed frame, which is that of odometry at the start."""

    def __init__(self, base: Base) -> None:
        """base: how it moves. Odometry of a head is left as it is: its sensors tilt, so that no scan is level."""
        self._base = base
        self.reset()

    def reset(self) -> None:
        """Know nothing: odometry counts as exact up to here."""
        self.transform = np.zeros(3)  # pose (x, y, yaw) of the frame of odometry in the fixed frame
        self._map = SurfaceMap()
        self._odometry: Odometry | None = None  # at the last scan, as it came
        self._pose = np.zeros(3)  # there, corrected
        self._covariance = np.eye(3) * 1e-8  # of that
        self._driven = 0.0  # metres
        self._added: np.ndarray | None = None  # pose of the last scan that was added to the map

    def correct(self, odometry: Odometry) -> Odometry:
        """The same with its pose in the fixed frame. Velocities are in base_link and stay."""
        return replace(odometry, pose=compose(self.transform, odometry.pose))

    def observe(self, points: np.ndarray, odometry: Odometry) -> None:
        """Take in a scan. points: (N, 2) metres in base_link, of things that stand, N may be 0. odometry: as it came,
        at the exposure. What is not finite, or not newer than the last scan, is left out.
        """
        if self._base.kind == BaseKind.HEAD or not np.isfinite(odometry.pose).all():
            return
        if self._odometry is not None and odometry.stamp <= self._odometry.stamp:
            return
        if self._odometry is not None and self._jumped(odometry):
            self.reset()
        if self._odometry is None:
            self._pose = np.array(odometry.pose, float)
            motion = np.zeros(3)
        else:
            motion = relative(self._odometry.pose, odometry.pose)
        points = np.asarray(points, float).reshape(-1, 2)
        reach = np.hypot(*points.T)
        usable = np.isfinite(reach) & (reach > LEAST_RANGE)
        points, reach = points[usable], reach[usable]
        expected, covariance = self._expect(motion)
        match = self._match(points, reach, expected, np.linalg.inv(covariance))
        if match.information is not None:
            covariance = np.linalg.inv(np.linalg.inv(covariance) + match.information)
        self._driven += math.hypot(motion[0], motion[1])
        self._pose, self._covariance, self._odometry = match.pose, covariance, odometry
        self.transform = compose(match.pose, relative(np.asarray(odometry.pose, float), np.zeros(3)))
        if len(points) and self._elsewhere(match.pose):
            self._map.add(_seen(points, match.pose), 1 / (1 + (reach / FAR) ** 2), match.pose[:2], self._driven)
            self._added = match.pose

    def _jumped(self, odometry: Odometry) -> bool:
        """Whether no motion can have led from the last odometry to this one: it was started anew."""
        last, base = self._odometry, self._base
        elapsed = JUMP_RATE * seconds(odometry.stamp - last.stamp)
        speeds = (base.max_linear, base.max_reverse, base.max_lateral, *(abs(o.linear) for o in (last, odometry)))
        turns = (base.max_angular, *(abs(o.angular) for o in (last, odometry)))
        dx, dy, turned = relative(last.pose, odometry.pose)
        return math.hypot(dx, dy) > JUMP + max(speeds) * elapsed or (abs(turned) > JUMP_TURN + max(turns) * elapsed)

    def _expect(self, motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """By odometry alone, the pose (3,) after a motion (3,) in base_link, and its covariance (3, 3).

        The increment of each of two wheels has a relative error of its own, and turning and driving mix through the
        distance between them.
        """
        base, (dx, dy, turned) = self._base, motion
        relative = base.slip**2 + WHEEL_RADIUS_SHARE * base.drift**2 + ODOMETRY_NOISE**2
        half_track = HALF_TRACK * base.half_width
        wheels = relative * (dx * dx + dy * dy + (half_track * turned) ** 2) / 2 + 1e-7  # m^2, of the wheels' mean
        heading = wheels / half_track**2
        pose = compose(self._pose, motion)
        carry = np.eye(3)  # an error of heading moves what is driven after it
        carry[:2, 2] = self._pose[1] - pose[1], pose[0] - self._pose[0]
        return pose, carry @ self._covariance @ carry.T + np.diag([wheels, wheels, heading])

    def _match(self, points: np.ndarray, reach: np.ndarray, expected: np.ndarray, certainty: np.ndarray) -> Match:
        """The pose from which points (N, 2), metres in base_link, fit the map best. reach: (N,) metres. expected: (3,)
        pose by odometry. certainty: (3, 3) its information.
        """
        pose, information = expected.copy(), None
        if self._map.empty:
            return Match(expected, None)
        noise = POINT_NOISE**2 + (RANGE_NOISE * reach) ** 2
        for _ in range(ITERATIONS):
            gradient, information, support = self._linearise(points, noise, pose)
            if support < LEAST_SUPPORT:
                return Match(expected, None)
            gradient, information = (CORRELATED * part for part in _observable(gradient, information))
            off = pose - expected
            off[2] = turn(off[2])
            step = -np.linalg.solve(information + certainty, gradient + certainty @ off)
            pose = pose + step
            if abs(step[0]) + abs(step[1]) + LEVER * abs(step[2]) < SMALL_STEP:
                break
        pose[2] = turn(pose[2])
        return Match(pose, information) if np.isfinite(pose).all() else Match(expected, None)

    def _linearise(
        self, points: np.ndarray, noise: np.ndarray, pose: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Gradient (3,) and Gauss-Newton matrix (3, 3) over x, y, yaw of half the squared errors of points (N, 2) seen
        from a pose, in variances, and the sum of their weights. noise: (N,) m^2.
        """
        seen = _seen(points, pose)
        surface = self._map.at(seen)
        error, arm = seen - surface.mean, seen - pose[:2]
        along = surface.along
        across = np.stack([-along[:, 1], along[:, 0]], -1)
        gradient, information = np.zeros(3), np.zeros((3, 3))
        certainties = (1 / (surface.variance_across + noise), surface.small / (surface.variance_along + noise))
        errors = [(error * axis).sum(-1) for axis in (across, along)]
        squared = sum(c * e * e for c, e in zip(certainties, errors, strict=True))
        weight = surface.known / (1 + squared / OUTLIER) ** 2  # Geman-McClure
        for axis, off, certainty in zip((across, along), errors, certainties, strict=True):
            by_yaw = axis[:, 1] * arm[:, 0] - axis[:, 0] * arm[:, 1]
            jacobian = np.column_stack([axis, by_yaw])
            weighted = jacobian * (weight * certainty)[:, None]
            gradient += weighted.T @ off
            information += weighted.T @ jacobian
        return gradient, information, float(weight.sum())

    def _elsewhere(self, pose: np.ndarray) -> bool:
        last = self._added
        return last is None or (math.dist(pose[:2], last[:2]) > SPACING or abs(turn(pose[2] - last[2])) > TURNED)


class CorrectedTracker(WorldStateTracker):
    """A tracker whose poses are corrected by the range scans of the latents; its odometry comes as the wheels say it.

    A correction found at an exposure holds for all odometry from there on, also where that came before the late frame.
    """

    def reset(self) -> None:
        super().reset()
        self._raw = History()
        self._correction = OdometryCorrection(self.base)

    def odometry(self, odometry: Odometry) -> None:
        super().odometry(self._correction.correct(odometry))
        self._raw.add(odometry)

    def observe(self, latent: Latent) -> tuple[WorldState, Surprise]:
        self._check(latent)  # a latent that is refused corrects nothing
        points = [scan.points() for scan in latent.scans if not scan.estimated]
        at = Odometry(latent.stamp, *_odometry_at(self._raw, latent.stamp))
        self._correction.observe(np.concatenate(points) if points else np.zeros((0, 2)), at)
        self._correct_again(latent.stamp)
        return super().observe(latent)

    def _correct_again(self, stamp: int) -> None:
        """Lay the correction as it is now to odometry from ``stamp`` on, and to the last one before it."""
        before, _ = self._raw.around(stamp)
        self.odometries = History()
        for odometry in self._raw.items:
            if before is None or odometry.stamp >= before.stamp:
                self.odometries.add(self._correction.correct(odometry))

    def _state(self, *known) -> WorldState:
        return replace(super()._state(*known), odometry_correction=self._correction.transform)


def _odometry_at(history: History, stamp: int) -> tuple[np.ndarray, float, float, float]:
    pose, velocity = pose_at(history, stamp)
    return pose, *velocity.tolist()


def _observable(gradient: np.ndarray, information: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both without the directions in which a scan says next to nothing (Zhang, Kaess, Singh 2016)."""
    scale = np.array([1.0, 1.0, 1 / LEVER])
    values, vectors = np.linalg.eigh(information * scale * scale[:, None])
    kept = np.clip(values / max(values[-1], 1e-12) / DEGENERATE - 1, 0, 1)
    gradient = vectors @ (kept * (vectors.T @ (gradient * scale)))
    return gradient / scale, (vectors * (kept * values)) @ vectors.T / scale / scale[:, None]


def _seen(points: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Points (N, 2) in base_link, seen from a pose (3,), in the frame of the pose."""
    c, s = math.cos(pose[2]), math.sin(pose[2])
    return points @ np.array([[c, s], [-s, c]]) + pose[:2]
