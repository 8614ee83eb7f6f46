"""Laying what was seen to where it is now known to have been seen from."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass, replace

import numpy as np

from latentworld.memory.base import Event
from latentworld.memory.correction import Trajectory, correction
from latentworld.memory.joining import Join, carried, count_carried, joined
from latentworld.memory.store import KeyframeStore
from latentworld.memory.submaps import between
from latentworld.types import LatentworldError, turn

DRIFTED = (0.1, 0.03)  # metres, radians of drift since then, once known, from which on what was joined follows
FOLLOWING = 2000  # runs of keyframes that follow at most: more would keep the writer from what is seen


@dataclass(frozen=True, slots=True)
class Laying:
    """One laying of odometry. frame: its number, 0 before it has a keyframe. first: id of that. joined: the earlier one
    that was put into it. localised: whether something else has said where it lies.
    """

    frame: int = 0
    first: int | None = None
    joined: Join | None = None
    localised: bool = False


class Anchoring:
    """For one memory. laying: the one in force; another thread may lay anew what this one is moving."""

    def __init__(self, store: KeyframeStore, laying: Laying):
        self._store, self._laying, self._lock = store, laying, threading.Lock()

    @property
    def laying(self) -> Laying:
        return self._laying

    def lay(self, laying: Laying) -> None:
        with self._lock:
            self._laying = laying

    def correct(self, trajectory: Trajectory) -> int:
        """As ``VisualMemory.correct``; what was joined to a laying goes along with it."""
        number = self._store.frame_named(trajectory.frame, int(trajectory.stamps[0]))
        laying, localised = self._laying, False

        def event(connection: sqlite3.Connection) -> Event:
            nonlocal localised
            rows = correction(connection, trajectory, number)
            localised = laying.first is not None and any(row[2] >= laying.first for row in rows)
            if localised and (moved := _since(laying.joined, trajectory)) is not None:
                rows += carried(connection, laying.frame, laying.first, number, between(laying.joined.pose, moved))
            return {"submap": rows}

        self._store.writer.change(event)
        if localised and number != laying.frame:
            self._note(laying, localised=True)
        return number

    def anchor(self, trajectory: Trajectory) -> None:
        """Lay the laying in force to where things say that it was driven, in odometry as it is now; unless something
        else has said where it lies, and knows better.
        """
        laying, join = self._laying, None

        def event(connection: sqlite3.Connection) -> Event:
            nonlocal join
            query = "SELECT count(*) FROM submap WHERE frame != ? AND last >= ? AND t1 >= ?"
            others = connection.execute(query, (laying.frame, laying.first or 0, int(trajectory.stamps[0]))).fetchone()
            if not laying.frame or others[0]:
                return {}
            rows = correction(connection, trajectory, laying.frame)
            if (moved := _since(laying.joined, trajectory)) is not None:
                off = moved - laying.joined.pose
                far = np.hypot(*off[:2]) >= DRIFTED[0] or abs(turn(off[2])) >= DRIFTED[1]
                if far and count_carried(connection, laying.frame, laying.first) <= FOLLOWING:
                    by = between(laying.joined.pose, moved)
                    rows += carried(connection, laying.frame, laying.first, laying.frame, by)
                    join = laying.joined._replace(pose=moved)
            return {"submap": rows}

        self._store.writer.change(event)
        if join is not None:
            self._note(laying, joined=join)

    def join(self, join: Join) -> None:
        """As ``VisualMemory.join``."""
        laying = self._laying
        if join.frame == join.into or join.into != laying.frame or laying.joined or laying.localised:
            expected = "another one to be put into the laying in force, the first, and it not to be localised"
            raise LatentworldError(f"memory join: expected {expected}, got {join.frame} for {join.into}")
        self._store.writer.change(lambda connection: {"submap": joined(connection, join)})
        self._note(laying, joined=join)

    def _note(self, laying: Laying, **changes) -> None:
        """What is known of a laying, if it is still in force."""
        with self._lock:
            if self._laying.frame == laying.frame:
                self._laying = replace(self._laying, **changes)


def _since(join: Join | None, trajectory: Trajectory) -> np.ndarray | None:
    """Where the robot is now known to have been, (3,), when something was joined; ``None`` where that is not known."""
    if join is None or not trajectory.stamps[0] <= join.stamp <= trajectory.stamps[-1]:
        return None
    return trajectory.at(np.array([join.stamp]))[0]
