"""Where in what it remembers is the robot? One view is often of a bare wall; what is seen on the way tells.

A particle filter (Monte Carlo localisation, Dellaert et al. 1999) over the poses in all frames that were ever laid. It
begins where the memory's nearest views were taken, moves as odometry does, and is weighed by how much what is seen
looks like what was seen from about there.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from latentworld.memory.familiarity import Curve, pairwise_distances, same_and_other_place
from latentworld.memory.known_things import KnownThings
from latentworld.memory.lookup import Views
from latentworld.memory.search import distances
from latentworld.memory.submaps import between, placed
from latentworld.memory.visual_memory import VisualMemory
from latentworld.types import Latent, LatentworldError, Objects, turn

PARTICLES, FRESH = 3000, 0.1  # hypotheses; share of them that each look adds from anywhere
NEAREST = 50  # views that fresh ones are about
DOUBT = 8.0  # nats by which a fresh one is less likely than those that have moved along
SCATTER = np.array([0.2, 0.2, 0.15])  # m, m, rad: how far from a view one is when it looks like it
DRIFT = np.array([0.04, 0.04, 0.03])  # the same for odometry, then and now, from one look to the next
ABOUT = np.array([0.4, 0.4, 0.3])  # and how far from a view another is that looks much the same
TRUST = 0.35  # of a look: views that follow each other show much the same
TRUST_THINGS = 0.4  # of the things that it shows
UNSEEN = -0.5  # nats, where nothing was seen from about there
REACH, BEYOND = 2.0, 1.0  # m about a hypothesis within which others are weighed with it, and views count for them
DISCS = 60  # of such at most
VIEWS = 500  # of these that count, at most
SAME_PLACE = (1.0, math.radians(30))  # metres, radians within which a view is of the place where one is
MODE = np.array([0.3, 0.3, 0.3])  # within which hypotheses say the same
MOST, LEAST = 1000, 60  # of what likeness is calibrated with: views, pairs
APART = (30, 10, 3)  # keyframes between the views of a pair, as many as leave enough pairs


class Whereabouts(NamedTuple):
    """pose: (3,) in laying ``frame``. keyframe: id of the view nearest to it, 0 where none is near. probability: that
    it is about there.
    """

    frame: int
    pose: np.ndarray
    keyframe: int
    probability: float


class MemoryLocaliser:
    """For one robot on its way. What it sees meanwhile may be kept in the same memory: only what was kept before the
    laying in force began counts.
    """

    def __init__(self, memory: VisualMemory, seed: int = 0):
        self.memory, self.random = memory, np.random.default_rng(seed)
        self._likeness: Likeness | None = None
        self._things: KnownThings | None = None
        self.reset()

    def reset(self) -> None:
        """It may be anywhere: it was carried away, or odometry begins anew."""
        self.frames, self.poses, self.weights = np.empty(0, np.int64), np.empty((0, 3)), np.empty(0)
        self._last: np.ndarray | None = None

    def observe(self, pose: np.ndarray, latent: Latent, objects: Objects | None = None) -> Whereabouts | None:
        """A look, best twice a second. pose: (3,) in odom at its exposure. objects: what it shows, where that is known.
        ``None``: the memory holds too little.

        Raises LatentworldError for a pose that is not finite, and as ``VisualMemory.query`` does for the latent.
        """
        pose = np.asarray(pose, np.float64)
        if pose.shape != (3,) or not np.isfinite(pose).all():
            raise LatentworldError(f"memory localiser: expected a finite pose (3,), got {pose.tolist()}")
        nearest = self.memory.earlier_views(latent, NEAREST)
        if len(nearest.ids):
            self._likeness = self._likeness or Likeness.calibrated(self.memory.newest_views(MOST))
        if self._likeness is None or not len(nearest.ids):
            return None
        self._move(pose)
        self._add(nearest, latent.vector, objects)
        self.weights = self.weights + self.evidence(self.frames, self.poses, latent, objects, self.weights)
        self.weights -= np.logaddexp.reduce(self.weights)
        found = self._most_likely()
        chosen = self.random.choice(len(self.weights), PARTICLES, p=np.exp(self.weights))
        self.frames, self.poses = self.frames[chosen], self.poses[chosen]
        self.weights = np.full(PARTICLES, -math.log(PARTICLES))
        return found

    def evidence(
        self, frames: np.ndarray, poses: np.ndarray, latent: Latent, objects: Objects | None,
        weights: np.ndarray | None = None,
    ) -> np.ndarray:  # fmt: skip
        """Nats (N,) by which a look speaks for poses (N, 3) in layings (N,), rather than for anywhere. weights: (N,) by
        which some of many matter more. It must have observed something.
        """
        told = TRUST * self._alike(frames, poses, np.zeros(len(poses)) if weights is None else weights, latent.vector)
        if objects is not None:
            told = told + TRUST_THINGS * self._known_things().evidence(frames, poses, objects)
        return told

    def _move(self, pose: np.ndarray) -> None:
        if self._last is not None:
            moved = placed(between(self._last, np.zeros(3)), pose)
            self.poses = placed(self.poses, moved[None]) + self.random.normal(0, DRIFT, self.poses.shape)
            self.poses[:, 2] = turn(self.poses[:, 2])
        self._last = pose

    def _known_things(self) -> KnownThings:
        """What stood where, looked up once: it changes slowly."""
        if self._things is None:
            self._things = KnownThings(self.memory.objects(), self.memory.laying.first)
        return self._things

    def _add(self, nearest: Views, vector: np.ndarray, objects: Objects | None) -> None:
        """Hypotheses about the nearest views, those that look more alike more often. What is believed already says how
        likely they are (mixture MCL, Thrun et al. 2001); where nothing is, they are an escape from a wrong belief.
        """
        share = np.exp(self._likeness(_apart(nearest, vector)))
        count = round(FRESH * PARTICLES) if len(self.poses) else PARTICLES
        chosen = self.random.choice(len(share), count, p=share / share.sum())
        frames, poses = nearest.frames[chosen], nearest.poses[chosen]
        if objects is not None:  # half of them from where two of the things would be seen so
            there, at = self._known_things().poses(objects, self.random, count // 2)
            frames, poses = np.concatenate([frames[len(there) :], there]), np.concatenate([poses[len(there) :], at])
        poses = poses + self.random.normal(0, SCATTER, (count, 3))
        weights = np.zeros(count)
        if len(self.poses):
            own = self.random.choice(len(self.poses), 100)
            believed, usual = self._density(frames, poses), self._density(self.frames[own], self.poses[own]).mean()
            weights = np.log(np.clip(believed / usual, math.exp(-DOUBT), 1.0)) - math.log(PARTICLES)
        self.frames = np.concatenate([self.frames, frames])
        self.poses = np.concatenate([self.poses, poses])
        self.weights = np.concatenate([self.weights, weights])

    def _density(self, frames: np.ndarray, poses: np.ndarray) -> np.ndarray:
        """Share of the hypotheses that are about each of these poses."""
        near = np.exp(-0.5 * _squared(poses, self.poses, ABOUT))
        return (near * (frames[:, None] == self.frames)).mean(1)

    def _alike(self, frames: np.ndarray, poses: np.ndarray, weights: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """Nats (N,): how alike are what is seen and what was seen from about there?"""
        told, left = np.full(len(poses), UNSEEN), np.ones(len(poses), bool)
        for _ in range(DISCS):
            some = np.flatnonzero(left)
            if not len(some):
                break
            heaviest = some[weights[some].argmax()]
            frame, centre = frames[heaviest], poses[heaviest, :2]
            away = np.hypot(*(poses[some, :2] - centre).T)
            here = some[(frames[some] == frame) & (away <= REACH)]
            left[here] = False
            views = self.memory.views_within(int(frame), centre, REACH + BEYOND, VIEWS)
            if not len(views.ids):
                continue
            apart = _apart(views, vector)
            squared = _squared(poses[here], views.poses, ABOUT)
            one, other = np.nonzero(squared < 4)  # few of all pairs
            squared = squared[one, other]
            near = np.exp(-0.5 * squared)
            nats = np.where(squared < 1, self._likeness(apart)[other], self._likeness.beside(apart)[other])
            total = np.bincount(one, near, len(here))
            seen = total > 0
            told[here[seen]] = np.bincount(one, near * nats, len(here))[seen] / total[seen]
        return told

    def _most_likely(self) -> Whereabouts:
        drawn = self.random.choice(len(self.weights), 300, p=np.exp(self.weights))
        same = self.frames[drawn][:, None] == self.frames[drawn]
        dense = np.exp(-0.5 * _squared(self.poses[drawn], self.poses[drawn], MODE)) * same
        mode = drawn[dense.sum(1).argmax()]
        frame, pose = int(self.frames[mode]), self.poses[mode]
        off = _off(pose[None], self.poses)[0]
        about = (self.frames == frame) & (np.square(off / (2 * MODE)).sum(1) <= 1)
        weight = np.exp(self.weights[about])
        pose = pose - (weight @ off[about]) / weight.sum()
        views = self.memory.views_within(frame, pose[:2], REACH + BEYOND, VIEWS)
        off = np.abs(_off(pose[None], views.poses)[0])
        apart = np.maximum(np.hypot(off[:, 0], off[:, 1]) / SAME_PLACE[0], off[:, 2] / SAME_PLACE[1])
        keyframe = int(views.ids[apart.argmin()]) if len(views.ids) else 0
        return Whereabouts(frame, pose, keyframe, float(weight.sum()))


class Likeness:
    """Latent distances -> nats that two views are as near each other as ``ABOUT``, rather than of two places.

    beside: the same for views up to twice as far apart, which may differ more. Without it a place would seem the more
    likely, the more had been seen there.
    """

    def __init__(self, close: Curve, beside: Curve):
        self.close, self.beside = close, beside

    def __call__(self, distance: np.ndarray) -> np.ndarray:
        return self.close(distance)

    @staticmethod
    def calibrated(views: Views) -> Likeness | None:
        """From what is stored, with the poses as teacher, and without views that follow each other if that leaves
        enough.
        """
        apart = pairwise_distances(views.looks)
        off = np.sqrt(_squared(views.poses, views.poses, ABOUT))
        comparable = views.frames[:, None] == views.frames
        _, elsewhere = same_and_other_place(views.frames, views.poses)
        for least in APART:
            later = comparable & (np.abs(views.ids[:, None] - views.ids) > least)
            others = apart[elsewhere & later]
            curves = [Curve.between(apart[(off >= low) & (off < low + 1) & later], others, LEAST) for low in (0, 1)]
            if None not in curves:
                return Likeness(*curves)
        return None


def _apart(views: Views, vector: np.ndarray) -> np.ndarray:
    """(n,) distances of views from a latent, by the numbers they are found by."""
    return distances(views.looks, vector[-views.looks.shape[1] :])


def _off(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N, M, 3): poses (N, 3) minus poses (M, 3), headings the short way."""
    off = ones[:, None] - others
    off[..., 2] = turn(off[..., 2])
    return off


def _squared(ones: np.ndarray, others: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """(N, M): squared distances of poses (N, 3) from poses (M, 3), in units (3,); headings by the chord. All
    pairs are one product of matrices.
    """
    one, other = ((_embedded(poses) - _embedded(ones).mean(0)) / unit[[0, 1, 2, 2]] for poses in (ones, others))
    squared = one @ (-2 * other.T)
    squared += np.square(one).sum(1)[:, None]
    squared += np.square(other).sum(1)
    return np.maximum(squared, 0, out=squared)


def _embedded(poses: np.ndarray) -> np.ndarray:
    """(N, 3) -> (N, 4): x, y, cos, sin, where headings are near each other across half a turn too."""
    return np.column_stack([poses[:, :2], np.cos(poses[:, 2]), np.sin(poses[:, 2])])
