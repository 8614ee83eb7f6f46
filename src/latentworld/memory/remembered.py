"""What is remembered of things: where each was and when, and what has changed since then."""

from __future__ import annotations

import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from latentworld.memory.objects import SURE, Stay
from latentworld.memory.submaps import placed
from latentworld.types import LatentworldError, Objects

SAME = 0.7  # metres that a place may seem to be off after a restart


@dataclass(frozen=True, slots=True)
class StoodAt:
    """One thing at one place for a while. place: (2,) metres in frame ``frame_id``, the laying numbered ``frame``.

    first, last: stamps (ns) at which it was first and last seen there; gone: at which the place was first seen empty,
    ``None`` while it was not. seen: how often. keyframe: the one that shows it best; last_keyframe: the newest.
    """

    place: np.ndarray
    frame: int
    frame_id: str
    first: int
    last: int
    gone: int | None
    seen: int
    keyframe: int
    last_keyframe: int


@dataclass(frozen=True, slots=True)
class RememberedObject:
    """A thing without a name. history: where it stood, the oldest first. look: (L,). likeness: nats by which it is
    more likely than not what was asked for by its look; NaN where nothing was.
    """

    id: int
    history: tuple[StoodAt, ...]
    look: np.ndarray
    likeness: float = math.nan

    @property
    def last(self) -> StoodAt:
        """Where it was seen last."""
        return self.history[-1]

    @property
    def seen(self) -> int:
        return sum(stay.seen for stay in self.history)


@dataclass(frozen=True, slots=True)
class Changes:
    """What became of things since a moment: turned up, gone from where they stood, or stand elsewhere now."""

    appeared: tuple[RememberedObject, ...]
    gone: tuple[RememberedObject, ...]
    moved: tuple[RememberedObject, ...]


def stays(connection: sqlite3.Connection, object: int | None = None) -> list[Stay]:
    """As driven, by their ids."""
    which, values = ("", ()) if object is None else ("WHERE object = ?", (object,))
    return [Stay.of(row) for row in connection.execute(f"SELECT * FROM stay {which} ORDER BY id", values)]


def remembered(connection: sqlite3.Connection, frame: int, object: int | None = None) -> list[RememberedObject]:
    """All things, or one, as their places are now known. frame: of the laying that others are told from."""
    own = stays(connection, object)
    if not own:
        return []
    names = dict(connection.execute("SELECT id, name FROM frame").fetchall())
    transforms = {
        stay.id: connection.execute(
            "SELECT frame, x, y, yaw FROM submap WHERE first <= ? ORDER BY first DESC LIMIT 1", (stay.last_keyframe,)
        ).fetchone() or (stay.frame, 0.0, 0.0, 0.0)
        for stay in own
    }  # fmt: skip
    things: dict[int, list[Stay]] = defaultdict(list)
    for stay in own:
        things[stay.object].append(stay)
    return [
        RememberedObject(
            id, _whole(_stood(stay, transforms[stay.id], names, frame) for stay in parts), sum(s.look for s in parts)
        )
        for id, parts in things.items()
        if sum(stay.seen for stay in parts) >= SURE
    ]


def _stood(stay: Stay, transform: tuple, names: dict[int, str], frame: int) -> StoodAt:
    laying, x, y, yaw = transform
    place = placed(np.array([x, y, yaw]), np.append(stay.place, 0.0))[:2]
    name = names.get(laying, "odom")
    return StoodAt(
        place, laying, name if laying == frame else f"{name}#{laying}", stay.first, stay.last, stay.gone or None,
        stay.seen, stay.keyframe, stay.last_keyframe,
    )  # fmt: skip


def _whole(stays: Iterable[StoodAt]) -> tuple[StoodAt, ...]:
    """A stay that nothing ended goes on with the next one at its place: odometry was laid anew between them, and then
    the one laying put into the other.
    """
    whole: list[StoodAt] = []
    for stay in stays:
        before = whole[-1] if whole else None
        if before and before.gone is None and before.frame == stay.frame and math.dist(before.place, stay.place) < SAME:
            seen = before.seen + stay.seen
            stay = replace(stay, first=before.first, seen=seen)
            whole.pop()
        whole.append(stay)
    return tuple(whole)


def likenesses(things: Iterable[RememberedObject], look: np.ndarray, even: float) -> np.ndarray:
    """(N,) nats for each thing that a look (L,) is of it rather than of another."""
    whole = np.array([thing.look for thing in things])
    length = np.linalg.norm(look)
    return length * whole @ look / np.maximum(np.linalg.norm(whole, axis=1), 1e-6) - even


def asked_for(objects: Objects, which: int | None) -> np.ndarray:
    """The look (L,) of one thing of a frame: ``which`` of them, ``None``: the largest."""
    if not len(objects):
        raise LatentworldError("objects: expected a frame that shows a thing, got one that shows none")
    return objects.looks[int(objects.cells.argmax()) if which is None else which]


def changes(things: Iterable[RememberedObject], since: int) -> Changes:
    """Among ``things``, after stamp ``since``."""
    appeared, gone, moved = [], [], []
    for thing in things:
        before = [stay for stay in thing.history if stay.first <= since and not (stay.gone and stay.gone <= since)]
        now = thing.last
        if not before:
            if now.first > since and len(thing.history) == 1:
                appeared.append(thing)
        elif now.first > since:
            moved.append(thing)
        elif now.gone and now.gone > since:
            gone.append(thing)
    return Changes(tuple(appeared), tuple(gone), tuple(moved))
