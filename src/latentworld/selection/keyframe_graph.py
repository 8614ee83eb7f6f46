"""Ways that were driven before, as a graph of keyframes: they lead where the believed map does not reach.

Topological maps with geometry between near nodes only (Kuipers and Byun 1991; semi-parametric topological memory,
Savinov et al. 2018). Odometry may drift along a long way: an edge joins what was driven in one go, or lies so near that
the map in force holds both ends.
"""

from __future__ import annotations

import heapq
import math

import numpy as np

from latentworld.types import WorldState

SPACING = 0.5  # metres from one keyframe to the next
JOINED = 0.75  # metres within which two of them are neighbours
JUMP = 1.5  # metres between two states that no driving explains: odom was laid anew
MOST = 2000  # keyframes; the oldest are forgotten first
UNKNOWN = 2.0  # metres that a metre counts for where nobody has driven


class KeyframeGraph:
    """Notes where the robot is; answers how far a goal is from places about it, by ways it knows."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Poses so far mean nothing any more."""
        self._places = np.empty((0, 2))
        self._neighbours: list[dict[int, float]] = []
        self._last: np.ndarray | None = None
        self._at: int | None = None  # the keyframe left last
        self._known: tuple[bytes, int, np.ndarray] | None = None  # goal, keyframes then, metres from each

    def note(self, state: WorldState) -> None:
        """Take notice of where it is now."""
        here = np.array(state.pose[:2], np.float64)
        if not np.isfinite(here).all():
            return
        if self._last is not None and math.dist(here, self._last) > JUMP:
            self.forget()
        self._last = here
        apart = np.hypot(*(self._places - here).T)
        if not len(apart) or apart.min() >= SPACING:
            self._add(here, apart)
        elif self._at is None or apart[self._at] > SPACING:
            nearest = int(apart.argmin())
            self._join(nearest, self._at)
            self._at = nearest

    def distance(self, points: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """points (N, 2), goal (2,) in odom -> (N,) metres to it; those on ways not known count ``UNKNOWN`` fold."""
        straight = UNKNOWN * np.hypot(*(points - goal).T)
        if not len(self._places):
            return straight
        near = ((self._places >= points.min(0) - JOINED) & (self._places <= points.max(0) + JOINED)).all(1)
        beyond = self._from_keyframes(np.asarray(goal, np.float64))[near]
        by_keyframes = UNKNOWN * np.hypot(*(points[:, None] - self._places[near]).transpose(2, 0, 1)) + beyond
        return by_keyframes.min(1, initial=np.inf).clip(max=straight)

    def _add(self, here: np.ndarray, apart: np.ndarray) -> None:
        if len(self._places) >= MOST:
            self._drop(MOST // 4)
            apart = apart[MOST // 4 :]
        new = len(self._places)
        self._places = np.concatenate([self._places, here[None]])
        self._neighbours.append({})
        for near in np.flatnonzero(apart < JOINED):
            self._join(int(near), new)
        self._join(new, self._at)  # driven in one go, however far the last one was
        self._at = new

    def _join(self, one: int, other: int | None) -> None:
        if other is not None and one != other:
            metres = math.dist(self._places[one], self._places[other])
            self._neighbours[one][other] = self._neighbours[other][one] = metres
            self._known = None

    def _drop(self, oldest: int) -> None:
        self._places = self._places[oldest:]
        self._neighbours = [
            {at - oldest: metres for at, metres in near.items() if at >= oldest} for near in self._neighbours[oldest:]
        ]
        self._at = None if self._at is None or self._at < oldest else self._at - oldest
        self._known = None

    def _from_keyframes(self, goal: np.ndarray) -> np.ndarray:
        """(K,) metres from each keyframe (Dijkstra 1959), kept while neither goal nor graph changes."""
        if self._known is None or self._known[:2] != (goal.tobytes(), len(self._places)):
            metres = UNKNOWN * np.hypot(*(self._places - goal).T)
            waiting = [(d, at) for at, d in enumerate(metres.tolist())]
            heapq.heapify(waiting)
            while waiting:
                so_far, at = heapq.heappop(waiting)
                if so_far > metres[at]:
                    continue
                for near, edge in self._neighbours[at].items():
                    if so_far + edge < metres[near]:
                        metres[near] = so_far + edge
                        heapq.heappush(waiting, (so_far + edge, near))
            self._known = goal.tobytes(), len(self._places), metres
        return self._known[2]
