"""Things that stay for a while, go, and come back somewhere else: tracks of what is found in keyframes, without names.

A *stay* is one thing at one place from when it was first seen there to when it was last seen, and, where that place
was looked at and it was not there, since when it is gone. A thing is a chain of stays, held together by its look.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from latentworld.parameters import parameter
from latentworld.types import Objects

AREA = 30.0  # m^2 that a thing might stand in
FOLLOW = 6.0  # sightings that the place of a stay is an average of, at most: odometry drifts
GATE = 3.0  # standard deviations from where a thing stood within which it may still stand there
PART = 0.6  # metres by which a thing of which only a part is seen may seem to be elsewhere
TAIL, WIDE = 0.1, 9.0  # share of sightings with so many times the variance
SURE, SETTLED = 2, 12  # sightings from which on, and up to which, what has turned up is held against what is missing


@dataclass(frozen=True, slots=True)
class ObjectParameters:
    position_spread: float = parameter(0.15, "metres by which a thing is seen from where it stands", 0.01, 5.0)
    range_spread: float = parameter(0.05, "more of that, a metre of distance", 0.0, 1.0)
    moved: float = parameter(0.02, "probability that a thing not seen to be gone stands elsewhere", 0.0, 1.0)
    back: float = parameter(0.5, "probability that a thing seen to be gone is one that turns up", 0.0, 1.0)
    new: float = parameter(0.2, "probability that what turns up was never seen before", 0.001, 1.0)
    look_share: float = parameter(0.5, "how much looks count beside places", 0.0, 1.0)
    farthest: float = parameter(4.5, "metres from the robot within which things are kept", 0.5, 20.0)
    empty_looks: int = parameter(2, "times that a place is seen empty before what stood there is gone", 1, 100)
    empty_margin: float = parameter(
        0.35, "metres that the view must reach behind a place for it to be empty", 0.05, 5.0
    )


@dataclass(frozen=True, slots=True)
class Stay:
    """place: (2,) metres in laying ``frame``, as driven. first, last: stamps (ns) at which it was first and last seen
    there. gone: stamp at which the place was first seen empty, 0 while it was not. seen: how often. keyframe: the one
    that shows it best; first_keyframe, last_keyframe: of its time. look: (L,) the sum of what was seen of it, and cells
    what it took of the picture in its best view.
    """

    id: int
    object: int
    frame: int
    model: str
    place: np.ndarray
    first: int
    last: int
    gone: int
    seen: int
    keyframe: int
    first_keyframe: int
    last_keyframe: int
    cells: int
    look: np.ndarray

    def row(self) -> list:
        """As ``base.put`` takes it."""
        return [
            self.id, self.object, self.frame, self.model, float(self.place[0]), float(self.place[1]), self.first,
            self.last, self.gone, self.seen, self.keyframe, self.first_keyframe, self.last_keyframe, self.cells,
            np.asarray(self.look, "<f4").tobytes().hex(),
        ]  # fmt: skip

    @classmethod
    def of(cls, row: Iterable) -> Stay:
        """From a record of the table."""
        id, object, frame, model, x, y, *rest, look = row
        return cls(id, object, frame, model, np.array([x, y]), *rest, np.frombuffer(look, "<f4"))


@dataclass(slots=True)
class _Thing:
    """What the tracker holds of one: its newest stay, what is known of its look, and how sure its place is."""

    stay: Stay
    look: np.ndarray  # of all its stays
    variance: float  # m^2 of odometry's position when it was last seen
    empty: int = 0
    empty_since: int = 0
    linked: bool = False  # its newest stay was told to be of a thing known before


class ObjectTracker:
    """Takes what one keyframe after the other shows, and says which stays that begins, goes on with or ends."""

    def __init__(self, model: str, parameters: ObjectParameters | None = None):
        """model: the finder's model_id; looks of others are never compared."""
        self.model, self.parameters = model, parameters or ObjectParameters()
        self._things: dict[int, _Thing] = {}
        self.sightings: list[tuple[int, np.ndarray, float]] = []  # newest: stay, place from the base, variance m^2
        self.last_object = self.last_stay = 0

    def resume(self, stays: Iterable[Stay], last_object: int = 0, last_stay: int = 0) -> None:
        """Go on with what is remembered, and nothing else. stays: in the order of their ids."""
        self._things = {}
        for stay in stays:
            self.last_object, self.last_stay = max(self.last_object, stay.object), max(self.last_stay, stay.id)
            if stay.model != self.model:
                continue
            known = self._things.get(stay.object)
            look = stay.look + (known.look if known else 0)
            self._things[stay.object] = _Thing(stay, look, 0.0)
        self.last_object, self.last_stay = max(self.last_object, last_object), max(self.last_stay, last_stay)

    def see(self, objects: Objects, pose: np.ndarray, variance: float, frame: int, keyframe: int) -> list[Stay]:
        """What keyframe ``keyframe``, taken at ``pose`` (3,) of laying ``frame``, says; answers the stays that changed.

        variance: m^2, of odometry's position there since the frame was laid.
        """
        some = np.flatnonzero(np.hypot(*objects.places.T) < self.parameters.farthest)
        seen = replace(objects, places=objects.places[some], looks=objects.looks[some], cells=objects.cells[some])
        places = _placed(pose, seen.places)
        standing = [t for t in self._things.values() if t.stay.frame == frame and not t.stay.gone]
        pairs = _assigned(self._scores(standing, places, seen, variance))
        changed: dict[int, Stay] = {}
        self.sightings = []
        for row, column in pairs:
            thing = standing[row]
            far = float(np.hypot(*seen.places[column]))
            spread = (self.parameters.position_spread + self.parameters.range_spread * far) ** 2
            self.sightings.append((thing.stay.id, seen.places[column], spread))
            self._again(thing, places[column], seen.looks[column], seen.cells[column], seen.stamp, variance, keyframe)
            changed[thing.stay.id] = thing.stay
        for column in set(range(len(places))) - {column for _, column in pairs}:
            what = places[column], seen.looks[column], int(seen.cells[column])
            stay = self._begun(*what, seen.stamp, variance, frame, keyframe)
            changed[stay.id] = stay
        matched = {standing[row].stay.id for row, _ in pairs}
        for thing in standing:
            if thing.stay.id not in matched and self._emptied(thing, seen, pose):
                changed[thing.stay.id] = thing.stay
        for thing in [standing[row] for row, _ in pairs]:
            for stay in self._known_again(thing, frame, seen):
                changed[stay.id] = stay
        return list(changed.values())

    # which is which: scores in nats, against being something else
    def _scores(self, standing: list[_Thing], places: np.ndarray, seen: Objects, variance: float) -> np.ndarray:
        """(things, seen): still there."""
        p = self.parameters
        if not standing or not len(places):
            return np.empty((len(standing), len(places)))
        stood = np.array([thing.stay.place for thing in standing])
        drift = np.maximum(variance - np.array([thing.variance for thing in standing]), 0.0)
        far = np.hypot(*seen.places.T)
        spread = (p.position_spread + p.range_spread * far[None]) ** 2 + drift[:, None]
        off = np.square(stood[:, None] - places[None]).sum(2)
        density = sum(
            share / wide * np.exp(-0.5 * off / (wide * spread)) for share, wide in ((1 - TAIL, 1.0), (TAIL, WIDE))
        )
        score = math.log(AREA) + np.log(np.maximum(density, 1e-30) / (2 * np.pi * spread))
        score += p.look_share * (self._alike(standing, seen.looks) - seen.even)
        return np.where(off < np.maximum(GATE**2 * spread, PART**2), score, -np.inf)

    def _known_again(self, thing: _Thing, frame: int, seen: Objects) -> list[Stay]:
        """What has turned up may be a thing that is missing: links the two; answers the stays that changed."""
        p, stay = self.parameters, thing.stay
        if not (SURE <= stay.seen <= SETTLED) or thing.linked:
            return []
        others = [
            other for other in self._things.values()
            if other is not thing and other.stay.last < stay.first and (other.stay.seen >= SURE or other.linked)
        ]  # fmt: skip
        if not others:
            return []
        gone = np.array([other.stay.gone > 0 or other.stay.frame != frame for other in others])
        chance = np.where(gone, p.back / max(gone.sum(), 1), p.moved)
        length = np.linalg.norm(seen.looks[0])
        score = self._alike(others, length * thing.look[None] / np.linalg.norm(thing.look))[:, 0] - seen.even
        score += np.log(chance / p.new)
        if score.max() <= 0:
            return []
        other = others[int(score.argmax())]
        before = other.stay
        if before.frame == frame and not before.gone:
            before = replace(before, gone=stay.first)
        del self._things[stay.object]
        other.look = other.look + thing.look
        other.stay, other.linked = replace(stay, object=before.object), True
        other.variance, other.empty = thing.variance, 0
        return [before, other.stay]

    @staticmethod
    def _alike(things: list[_Thing], looks: np.ndarray) -> np.ndarray:
        """(things, seen): products of what they look like, all of the length of ``looks`` (n, L)."""
        whole = np.array([thing.look for thing in things])
        length = np.linalg.norm(looks, axis=1).mean()
        return length * whole / np.maximum(np.linalg.norm(whole, axis=1, keepdims=True), 1e-6) @ looks.T

    # what becomes of it
    def _again(
        self, thing: _Thing, place: np.ndarray, look: np.ndarray, cells: int, stamp: int, variance: float, keyframe: int
    ) -> None:
        old, weighed = thing.stay, math.sqrt(cells) * look
        best = cells > old.cells
        share = 1 / min(old.seen + 1, FOLLOW)
        thing.stay = replace(
            old, place=old.place + share * (place - old.place), last=stamp, seen=old.seen + 1,
            keyframe=keyframe if best else old.keyframe, cells=int(cells) if best else old.cells,
            last_keyframe=keyframe, look=old.look + weighed,
        )  # fmt: skip
        thing.look = thing.look + weighed
        thing.variance, thing.empty = variance, 0

    def _begun(
        self, place: np.ndarray, look: np.ndarray, cells: int, stamp: int, variance: float, frame: int, keyframe: int
    ) -> Stay:
        self.last_stay, self.last_object = self.last_stay + 1, self.last_object + 1
        weighed = math.sqrt(cells) * look
        stay = Stay(
            self.last_stay, self.last_object, frame, self.model, place.copy(), stamp, stamp, 0, 1, keyframe, keyframe,
            keyframe, cells, weighed,
        )  # fmt: skip
        self._things[stay.object] = _Thing(stay, weighed, variance)
        return stay

    def _emptied(self, thing: _Thing, objects: Objects, pose: np.ndarray) -> bool:
        """Ends the stay where its place was looked at often enough, and nothing stood there."""
        p = self.parameters
        x, y = _seen_from(pose, thing.stay.place)
        far, bearing = math.hypot(x, y), math.atan2(y, x)
        left, right = objects.bearings
        sector = (left - bearing) / (left - right) * len(objects.free)
        about = slice(max(int(sector) - 1, 0), int(sector) + 2)
        if not (1 <= sector < len(objects.free) - 1 and 0.5 < far < p.farthest):
            return False
        if objects.free[about].min() < far + p.empty_margin:
            return False
        thing.empty += 1
        if thing.empty == 1:
            thing.empty_since = objects.stamp
        if thing.empty < p.empty_looks:
            return False
        thing.stay = replace(thing.stay, gone=thing.empty_since)
        return True


def _assigned(scores: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (row, column) with a score above 0, the best first, each row and column once."""
    pairs, scores = [], scores.copy()
    while scores.size and scores.max() > 0:
        row, column = np.unravel_index(scores.argmax(), scores.shape)
        pairs.append((int(row), int(column)))
        scores[row], scores[:, column] = -np.inf, -np.inf
    return pairs


def _placed(pose: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (N, 2) of the base's frame in the one that ``pose`` is in."""
    c, s = math.cos(pose[2]), math.sin(pose[2])
    return points @ np.array([[c, s], [-s, c]]) + pose[:2]


def _seen_from(pose: np.ndarray, point: np.ndarray) -> np.ndarray:
    c, s = math.cos(pose[2]), math.sin(pose[2])
    return (point - pose[:2]) @ np.array([[c, -s], [s, c]])
