"""The one writer of a memory: journal first, then the base; what has become many is sealed beside the writing."""

from __future__ import annotations

import copy
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

import numpy as np

from latentworld.memory import base, forgetting, segment
from latentworld.memory.group_commit import GroupCommit
from latentworld.memory.journal import Journal, write_whole
from latentworld.memory.layout import Layout
from latentworld.memory.pictures import Pictures
from latentworld.memory.records import Record
from latentworld.memory.rows import HALF, ROW, Rows
from latentworld.memory.schema import connect
from latentworld.memory.segment import Segment
from latentworld.memory.submaps import Submap, upper
from latentworld.types import LatentworldError

SEAL = 32_768  # young rows that become a segment
BEHIND = 3  # journals that may wait to be sealed
FAN = 8  # segments of that size that become one


class Writer:
    """Commits in a thread of its own, and seals in another."""

    def __init__(
        self, layout: Layout, connection: sqlite3.Connection, pictures: Pictures, interval: float, rows: int,
        seal_rows: int = SEAL,
    ):  # fmt: skip
        """connection: a base that is sound and holds all that the other files do; closed with the writer."""
        self.layout, self.connection, self._pictures, self._seal_rows = layout, connection, pictures, seal_rows
        self._submap: Submap | None = None
        self._submaps = connection.execute("SELECT max(id) FROM submap").fetchone()[0] or 0
        self._events = base.state(connection, "events")
        journals = layout.journals()
        self._begin, path = journals[-1]
        self._journal = Journal(path)
        self._committing, self._sealing = threading.RLock(), threading.RLock()
        self._to_seal: queue.Queue[tuple[int, int] | None] = queue.Queue()
        self.seal_failure = ""
        for (first, _), (following, _) in zip(journals, journals[1:], strict=False):
            self._to_seal.put((first, following - 1))
        self._group = GroupCommit(self._commit, interval, rows)
        self._sealer = threading.Thread(target=self._seal_all, name="memory sealer", daemon=True)
        self._sealer.start()

    @property
    def failure(self) -> str:
        """Why something waits longer than it should."""
        return self._group.failure or self.seal_failure

    @property
    def waiting(self) -> int:
        """Submissions that are not on disk yet."""
        return self._group.waiting

    def submit(self, what: tuple[int, Record] | base.Event) -> int:
        """Queue a keyframe with its id, or another event; answers a ticket to wait for."""
        return self._group.submit(what)

    def flush(self) -> None:
        self._group.wait()

    def change(self, make: Callable[[sqlite3.Connection], base.Event]) -> None:
        """Put in the event that ``make`` answers for the base as it then stands; durable on return."""
        with self.alone() as connection:
            self._put([(make(connection), None)])

    def forget(self, choose: Callable[[sqlite3.Connection], Iterable[int]]) -> int:
        """Take the keyframes that ``choose`` names out of every file; answers how many. They are gone on return."""
        with self.alone() as connection:
            ids = set(choose(connection))
            if ids:
                forgetting.note(self.layout, ids)
                path = self._journal.path
                self._journal.close()
                self._pictures.close()
                forgetting.take_out(self.layout, connection, ids)
                self._journal = Journal(path)
            return len(ids)

    @contextmanager
    def alone(self) -> Iterator[sqlite3.Connection]:
        """The writing connection with all that was submitted in it, while nothing is committed, sealed or merged."""
        self.flush()
        with self._sealing, self._committing:
            yield self.connection
            self._submap = None  # it may have moved

    def settle(self) -> None:
        """Return once nothing waits to be sealed."""
        self.flush()
        self._to_seal.join()

    def close(self) -> None:
        try:
            self._group.close()
        finally:
            self._to_seal.put(None)
            self._sealer.join()
            self._journal.close()
            self._pictures.close()
            self.connection.close()

    # the committing thread
    def _commit(self, batch: Sequence[tuple[int, Record] | base.Event]) -> None:
        with self._committing:
            before = copy.deepcopy(self._submap), self._submaps
            try:
                self._put(self._entries(batch))
            except BaseException:
                self._submap, self._submaps = before
                raise
            last = batch[-1][0] if isinstance(batch[-1], tuple) else 0
            if last - self._begin + 1 >= self._seal_rows:
                self._turn_page(last)
        while self._to_seal.unfinished_tasks > BEHIND:  # sealing must not fall behind for ever
            self._to_seal.join()

    def _put(self, entries: list[base.Entry]) -> None:
        """Into the journal, then into the base: whole or not at all."""
        end, number = self._journal.end, self._events
        try:
            for event, rows in entries:
                self._events += 1
                event["state"] = [*event.get("state", ()), ["events", self._events]]
                self._journal.append(event, rows)
            self._pictures.sync()
            self._journal.sync()
            self.connection.execute("BEGIN IMMEDIATE")
            for event, rows in entries:
                base.put(self.connection, event, rows)
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            self._events = number
            self._journal.back_to(end)
            raise

    def _entries(self, batch: Sequence[tuple[int, Record] | base.Event]) -> list[base.Entry]:
        """Neighbours of one model become one entry."""
        entries: list[base.Entry] = []

        def kind(item):
            return item[1].model if isinstance(item, tuple) else None

        for model, items in groupby(batch, kind):
            items = list(items)
            entries += [(event, None) for event in items] if model is None else [self._keyframes(items)]
        return entries

    def _keyframes(self, items: list[tuple[int, Record]]) -> base.Entry:
        records = [record for _, record in items]
        head = np.empty(len(items), ROW)
        head["id"] = [id for id, _ in items]
        head["stamp"] = [record.stamp for record in records]
        head["model"] = records[0].model
        head["pose"] = np.array([record.pose for record in records])
        head["covariance"] = upper(np.array([record.covariance for record in records]))
        head["surprise"] = [record.surprise for record in records]
        touched: dict[int, Submap] = {}
        for row, (id, record) in enumerate(items):
            submap = self._submap
            if submap is None or not submap.takes(record.frame, record.stamp, record.pose):
                self._submaps += 1
                submap = self._submap = Submap(self._submaps, id, id, record.frame)
            submap.take(id, record.stamp, record.pose)
            touched[submap.id] = submap
            head["submap"][row] = submap.id
        event = {"submap": [submap.row() for submap in touched.values()], "state": [["last_id", items[-1][0]]]}
        pictures = [self._pictures.append(id, record.thumbnail) for id, record in items if record.thumbnail]
        if pictures:
            event["picture"] = [list(place) for place in pictures]
        return event, Rows(head, np.array([record.latent for record in records], HALF))

    def _turn_page(self, last: int) -> None:
        """Go on in a new journal; what the old one holds is sealed meanwhile. Before that goes, the base must hold all
        of it by itself, without SQLite's own log; where a reader prevents that, the page is turned later.
        """
        busy, _, _ = self.connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
        if busy:
            return
        self._journal.close()
        self._to_seal.put((self._begin, last))
        self._begin = last + 1
        self._journal = Journal(self.layout.journal(self._begin))

    # the sealing thread
    def _seal_all(self) -> None:
        while (span := self._to_seal.get()) is not None:
            try:
                with self._sealing:
                    seal(self.layout, *span)
                    merge(self.layout, self._seal_rows)
                self.seal_failure = ""
            except Exception as error:  # whatever it is, the rows are safe where they are, and others wait
                self.seal_failure = f"rows {span[0]} to {span[1]} stay in the journal: {error}"
            finally:
                self._to_seal.task_done()


def seal(layout: Layout, first: int, last: int) -> None:
    """Segments of the base's rows from one id to another; then their journal is no longer needed."""
    connection = connect(layout.base, writable=False)
    try:
        runs = connection.execute(
            "SELECT model, min(id), max(id) FROM keyframe WHERE id BETWEEN ? AND ? GROUP BY model", (first, last)
        ).fetchall()
        for begin, end in spans(connection, first, last, [model for model, _, _ in runs]):
            rows, sound = base.read_rows(connection, begin, end)
            if not sound.all():
                raise LatentworldError(f"{(~sound).sum()} rows are damaged in {layout.base}")
            segment.write(layout.segment(begin, end), (begin, end), rows)
        write_whole(layout.catalogue, base.catalogue(connection))
    finally:
        connection.close()
    layout.journal(first).unlink(missing_ok=True)


def spans(connection: sqlite3.Connection, first: int, last: int, models: list[int]) -> list[tuple[int, int]]:
    """Runs of ids of one model that together make up ``first`` to ``last``."""
    if len(models) <= 1:
        return [(first, last)]
    rows = connection.execute(
        "SELECT id, model FROM keyframe WHERE id BETWEEN ? AND ? ORDER BY id", (first, last)
    ).fetchall()
    starts = [first] + [id for (id, model), (_, before) in zip(rows[1:], rows, strict=False) if model != before]
    return list(zip(starts, [start - 1 for start in starts[1:]] + [last], strict=True))


def merge(layout: Layout, rows: int) -> None:
    """Every ``FAN`` neighbours that are of the size of one sealing and of one model become one."""
    sealed = layout.segments()
    for at in range(len(sealed) - FAN + 1):
        some = sealed[at : at + FAN]
        if any(s.last - s.first + 1 >= FAN * rows // 2 for s in some):
            continue
        parts = [Segment(s.path) for s in some]
        try:
            if len({part.model for part in parts if part.count}) == 1:
                first, last = some[0].first, some[-1].last
                segment.merge(layout.segment(first, last, 1 + max(s.turn for s in some)), parts)
                layout.sweep()
                return
        finally:
            for part in parts:
                part.close()
