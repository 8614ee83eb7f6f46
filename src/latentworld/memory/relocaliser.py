"""Coming home after a restart: odometry begins anew; where in it does lie what was remembered before?"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

import numpy as np

from latentworld.memory.joining import Join
from latentworld.memory.localiser import MemoryLocaliser, Whereabouts
from latentworld.memory.submaps import between, placed
from latentworld.memory.visual_memory import VisualMemory
from latentworld.types import Latent, Objects, turn

MOVED = (0.15, math.radians(10))  # metres, radians since the last look after which another one tells something new
LARGEST = 50_000  # runs of keyframes in earlier layings beyond which looking would keep those who ask waiting
PAUSE = 400_000_000  # ns from one look to the next, at least: others wait while it is looked at
LOOKS, LEAST, EVERY = 60, 12, 4  # looks that are taken together, the newest: at most, at least, and how often
PATIENCE, REST = 120, 600  # looks after which it is taken for unknown ground; and after which that is asked again
STRAY = (0.35, 0.35)  # metres, radians that whereabouts are off by; what is off by more counts for little
ROUNDS = 5
PROPOSED = np.array([0.3, 0.3, 0.16])  # m, m, rad (standard deviations) about what whereabouts agree on
SAMPLES = 1000
ENOUGH = 40.0  # nats by which all looks together must speak for one: a wrong join costs more than a late one
KNOWN = (0.25, 0.09)  # metres, radians (standard deviations) to which it must be known then


class Look(NamedTuple):
    """pose: (3,) in the laying in force."""

    pose: np.ndarray
    latent: Latent
    objects: Objects | None
    found: Whereabouts


class Relocaliser:
    """For one robot on its way: it answers when what it sees has told where in an earlier laying of odometry it is."""

    def __init__(self, memory: VisualMemory, seed: int = 0):
        self._memory, self._seed = memory, seed
        self._begin()

    def observe(self, pose: np.ndarray, latent: Latent, objects: Objects | None = None) -> Join | None:
        """A look, as for ``MemoryLocaliser.observe``; one is left out where the robot has hardly moved since the last.

        What it answers is for ``VisualMemory.join``; once that is done, or something else localises, nothing more.
        """
        laying = self._memory.laying
        if laying.frame != self._into:
            self._begin()
        if not self._worthwhile or laying.joined or laying.localised or not self._tells(latent.stamp, pose):
            return None
        self._last = latent.stamp, np.asarray(pose, np.float64)
        self._count += 1
        if self._count > PATIENCE:
            if self._count == PATIENCE + REST:
                self._begin()
            return None
        found = self._localiser.observe(pose, latent, objects)
        if found is None or found.frame == self._into or not self._memory.is_odometry(found.frame):
            return None
        self._looks.append(Look(np.asarray(pose, np.float64), latent, objects, found))
        if len(self._looks) < LEAST or self._count % EVERY:
            return None
        return self._agreed(found.frame)

    def _begin(self) -> None:
        self._into, self._last, self._count = self._memory.laying.frame, None, 0
        self._worthwhile = self._into > 0 and 0 < self._memory.earlier_runs() <= LARGEST
        self._localiser = MemoryLocaliser(self._memory, self._seed)
        self._looks: deque[Look] = deque(maxlen=LOOKS)
        self._tries = np.random.default_rng(self._seed).normal(size=(SAMPLES, 3)) * PROPOSED

    def _tells(self, stamp: int, pose: np.ndarray) -> bool:
        """Whether that is another look than the last."""
        if self._last is None:
            return True
        off = pose - self._last[1]
        if 0 <= stamp - self._last[0] < PAUSE:
            return False
        return bool(math.hypot(*off[:2]) >= MOVED[0] or abs(turn(off[2])) >= MOVED[1])

    def _agreed(self, frame: int) -> Join | None:
        """For which transform from a laying do all looks speak, as one rigid way? Whereabouts follow what is seen, also
        in a place that only resembles another. Importance sampling about the one that they agree on.
        """
        own = [look for look in self._looks if look.found.frame == frame]
        if len(own) < LEAST:
            return None
        now, then = np.array([look.pose for look in own]), np.array([look.found.pose for look in own])
        first = fitted(then, now, np.array([look.found.probability for look in own]))
        tried = shifted(first, self._tries, now[-1, :2])
        nats, layings = np.zeros(SAMPLES), np.full(SAMPLES, frame)
        for look in self._looks:
            there = placed(between(tried, np.zeros(3)), look.pose)
            nats += self._localiser.evidence(layings, there, look.latent, look.objects)
        share = np.exp(nats - nats.max())
        share /= share.sum()
        covariance = np.cov(self._tries.T, aweights=share, ddof=0)
        metres, radians = math.sqrt(np.trace(covariance[:2, :2])), math.sqrt(covariance[2, 2])
        if share @ nats < ENOUGH or metres > KNOWN[0] or radians > KNOWN[1]:
            return None
        transform = shifted(first, share @ self._tries, now[-1, :2])
        return Join(frame, self._into, transform, covariance, own[-1].latent.stamp, now[-1])


def fitted(then: np.ndarray, now: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The transform (3,) that carries poses ``then`` (N, 3) to about poses ``now`` (N, 3): least squares over positions
    and headings at once, in units of ``STRAY`` (in closed form, as Umeyama 1991), what is far off counting ever less.
    """
    a, b = (poses[:, 0] + 1j * poses[:, 1] for poses in (then, now))
    kept = weights
    for _ in range(ROUNDS):
        share = kept / kept.sum()
        a0, b0 = share @ a, share @ b
        positions = share @ (np.conj(a - a0) * (b - b0)) / STRAY[0] ** 2
        headings = share @ np.exp(1j * (now[:, 2] - then[:, 2])) / STRAY[1] ** 2
        yaw = float(np.angle(positions + headings))
        middle = b0 - np.exp(1j * yaw) * a0
        transform = np.array([middle.real, middle.imag, yaw])
        off = placed(transform, then) - now
        strays = np.square(off[:, :2] / STRAY[0]).sum(1) + np.square(turn(off[:, 2]) / STRAY[1])
        kept = weights / (1 + strays)
    return transform


def shifted(transform: np.ndarray, by: np.ndarray, about: np.ndarray) -> np.ndarray:
    """A transform (3,) followed by shifts and turns ``by`` (..., 3) about a point (2,)."""
    c, s = np.cos(by[..., 2]), np.sin(by[..., 2])
    x, y = transform[:2] - about
    place = np.stack([c * x - s * y, s * x + c * y], -1) + about + by[..., :2]
    return np.concatenate([place, transform[2] + by[..., 2:]], -1)
