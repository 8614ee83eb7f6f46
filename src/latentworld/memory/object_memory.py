"""The part of a memory that keeps track of things: takes what keyframes show, and answers for it."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from latentworld.memory import base
from latentworld.memory.correction import Trajectory
from latentworld.memory.landmarks import LandmarkMap
from latentworld.memory.objects import ObjectParameters, ObjectTracker, Stay
from latentworld.memory.parameters import MemoryParameters
from latentworld.memory.remembered import RememberedObject, StoodAt, asked_for, likenesses, remembered, stays
from latentworld.memory.store import KeyframeStore
from latentworld.types import LatentworldError, Objects


class ObjectMemory:
    """Over the store of one ``VisualMemory``; tracks nothing before the first frame that was searched for things."""

    def __init__(self, store: KeyframeStore, memory: MemoryParameters, parameters: ObjectParameters | None):
        self._store, self._memory, self._parameters = store, memory, parameters
        self._tracker: ObjectTracker | None = None
        self._lock, self._paused = threading.Lock(), False
        self.lay_frame()

    def lay_frame(self) -> None:
        """Odometry begins anew: nothing seen before says how far it has drifted."""
        self._landmarks = LandmarkMap(self._memory.position_drift, self._memory.heading_drift)

    def take(
        self, objects: Objects, pose: np.ndarray, covariance: np.ndarray, frame: int, keyframe: int
    ) -> Sequence[Stay]:  # fmt: skip
        """What a keyframe shows that was taken at ``pose`` (3,) of laying ``frame``; answers the stays that changed."""
        with self._lock:
            if self._paused:
                return ()
            if self._tracker is None:
                self._tracker = ObjectTracker(objects.model_id, self._parameters)
                self._resume()
            variance = 0.5 * float(covariance[0, 0] + covariance[1, 1])
            changed = self._tracker.see(objects, pose, variance, frame, keyframe)
            self._landmarks.add(objects.stamp, pose, self._tracker.sightings)
            return changed

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Something is being taken out of the store: what is seen meanwhile must not put it back. Then it goes on with
        what is left.
        """
        with self._lock:
            self._paused = True
        try:
            yield
        finally:
            with self._lock:
                self._paused = False
                self._resume()

    def _resume(self) -> None:
        if self._tracker is not None:
            with self._store.reading() as connection:
                numbers = base.state(connection, "last_object"), base.state(connection, "last_stay")
                self._tracker.resume(stays(connection), *numbers)

    def trajectory(self) -> Trajectory | None:
        """Where the robot really drove in the frame that is laid now, as the things say; ``None``: they say nothing."""
        return self._landmarks.solve()

    def one(self, id: int, frame: int) -> RememberedObject | None:
        with self._store.reading() as connection:
            found = remembered(connection, frame, id)
        return found[0] if found else None

    def find(
        self, frame: int, place: tuple[float, float] | None, radius: float, after: int | None, before: int | None,
        like: Objects | None, which: int | None,
    ) -> tuple[RememberedObject, ...]:  # fmt: skip
        """As ``VisualMemory.objects``."""
        with self._store.reading() as connection:
            things = remembered(connection, frame)

        def matches(stay: StoodAt) -> bool:
            there = place is None or (stay.frame == frame and math.dist(stay.place, place[:2]) <= radius)
            return there and (after is None or stay.last >= after) and (before is None or stay.first <= before)

        things = [thing for thing in things if any(map(matches, thing.history))]
        if like is None:
            return tuple(sorted(things, key=lambda thing: -thing.last.last))
        self._check_finder(like)
        look = asked_for(like, which)
        if things:
            known = likenesses(things, look, like.even)
            things = [replace(t, likeness=float(k)) for t, k in zip(things, known, strict=True) if k > 0]
        # A picture is of what was seen often rather than of what was seen seldom.
        return tuple(sorted(things, key=lambda thing: -thing.likeness - math.log(thing.seen)))

    def _check_finder(self, objects: Objects) -> None:
        with self._store.reading() as connection:
            known = [name for (name,) in connection.execute("SELECT DISTINCT model FROM stay")]
        if known and objects.model_id not in known:
            expected = " or ".join(known)
            raise LatentworldError(f"objects: expected those that finder {expected} found, got {objects.model_id}'s")
