"""The things that stand where the robot once was, as evidence of where it is now."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from latentworld.memory.remembered import RememberedObject
from latentworld.types import Objects, turn

LEAST = 3  # sightings of a stay that counts
GONE = 0.3  # how much one counts that was seen to have ended
SPREAD = (0.25, 0.06)  # metres, and more a metre of distance, by which a thing is seen from where it is remembered
BACKGROUND = 0.25  # share of what is seen that is not remembered
IN_VIEW, AREA = 4.0, 30.0  # things that a view shows about; m^2 over which they might be
MOST_ALIKE = 4.0  # nats that a look counts at most
FAR = 4.5  # metres beyond which what is seen does not count
PAIR = 0.5  # metres by which two things may seem to be nearer or farther from each other
WIDE = 0.5  # metres that two things are apart at least to tell a heading
PAIRS = 400  # poses that are told by pairs at most


class KnownThings:
    """frames: (S,) laying of each stay. places: (S, 2) in it. looks: (S, L) of unit length. weights: (S,)."""

    def __init__(self, things: Iterable[RememberedObject], before: int | None):
        """before: id of the keyframe from which on stays do not count; ``None``: all do."""
        stays = [
            (stay.frame, stay.place, thing.look / max(float(np.linalg.norm(thing.look)), 1e-6), stay.gone)
            for thing in things
            for stay in thing.history
            if stay.seen >= LEAST and (before is None or stay.last_keyframe < before)
        ]
        self.frames = np.array([s[0] for s in stays], np.int64)
        self.places = np.array([s[1] for s in stays]).reshape(-1, 2)
        self.looks = np.array([s[2] for s in stays], np.float32)
        self.weights = np.array([GONE if s[3] else 1.0 for s in stays])

    def __len__(self) -> int:
        return len(self.frames)

    def evidence(self, frames: np.ndarray, poses: np.ndarray, seen: Objects) -> np.ndarray:
        """Nats (N,) that what is seen speaks for poses (N, 3) in layings ``frames``, against anywhere."""
        told = np.zeros(len(poses))
        some = self._near(seen)
        if not len(some) or not len(self):
            return told
        alike = np.exp(self._alike(seen, some)) * self.weights  # (D, S)
        spread = (SPREAD[0] + SPREAD[1] * np.hypot(*seen.places[some].T)) ** 2
        c, s = np.cos(poses[:, 2]), np.sin(poses[:, 2])
        for frame in np.unique(frames):
            here, own = np.flatnonzero(frames == frame), np.flatnonzero(self.frames == frame)
            if not len(own):
                told[here] += len(some) * math.log(BACKGROUND)
                continue
            for (x, y), share, wide in zip(seen.places[some], alike[:, own], spread, strict=True):
                at = np.stack([c[here] * x - s[here] * y, s[here] * x + c[here] * y], 1) + poses[here, :2]
                off = np.square(at[:, None] - self.places[own]).sum(2)
                density = np.exp(-0.5 * off / wide) @ share * AREA / (2 * math.pi * wide * IN_VIEW)
                told[here] += np.log(BACKGROUND + (1 - BACKGROUND) * density)
        return told

    def poses(self, seen: Objects, random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Layings (n,) and poses (n, 3) from which two of the things that are seen would be two that stood there: n is
        ``count``, or 0 where there are none.
        """
        some = self._near(seen)
        found: list[tuple[int, np.ndarray, float]] = []
        if len(some) > 1 and len(self):
            alike = self._alike(seen, some)
            for a in range(len(some)):
                for b in range(a + 1, len(some)):
                    found += self._pairs(seen.places[some[a]], seen.places[some[b]], alike[a], alike[b])
        if not found:
            return np.empty(0, np.int64), np.empty((0, 3))
        found = sorted(found, key=lambda f: -f[2])[:PAIRS]
        share = np.exp(np.array([f[2] for f in found]) - found[0][2])
        chosen = random.choice(len(found), count, p=share / share.sum())
        return np.array([found[i][0] for i in chosen], np.int64), np.array([found[i][1] for i in chosen])

    def _pairs(
        self, one: np.ndarray, other: np.ndarray, alike_one: np.ndarray, alike_other: np.ndarray
    ) -> list[tuple[int, np.ndarray, float]]:
        """Laying, pose and nats of each pair of stays that ``one`` and ``other`` (2,), from the base, may be."""
        apart = float(np.hypot(*(other - one)))
        if apart < WIDE:
            return []
        first, second = np.flatnonzero(alike_one > 0), np.flatnonzero(alike_other > 0)
        between = self.places[second][None] - self.places[first][:, None]
        fits = np.abs(np.hypot(*between.transpose(2, 0, 1)) - apart) < PAIR
        fits &= (self.frames[first][:, None] == self.frames[second]) & (first[:, None] != second)
        bearing = math.atan2(other[1] - one[1], other[0] - one[0])
        found = []
        for i, j in zip(*np.nonzero(fits), strict=True):
            yaw = float(turn(math.atan2(between[i, j, 1], between[i, j, 0]) - bearing))
            c, s = math.cos(yaw), math.sin(yaw)
            middle, seen = (self.places[first[i]] + self.places[second[j]]) / 2, (one + other) / 2
            at = middle - [c * seen[0] - s * seen[1], s * seen[0] + c * seen[1]]
            nats = float(alike_one[first[i]] + alike_other[second[j]])
            found.append((int(self.frames[first[i]]), np.array([*at, yaw]), nats))
        return found

    def _near(self, seen: Objects) -> np.ndarray:
        return np.flatnonzero(np.hypot(*seen.places.T) < FAR)

    def _alike(self, seen: Objects, some: np.ndarray) -> np.ndarray:
        """(D, S) nats that each thing seen looks like each that stood there."""
        looks = seen.looks[some]
        length = np.linalg.norm(looks, axis=1).mean()
        return np.minimum(length * looks @ self.looks.T - seen.even, MOST_ALIKE)
