"""The one writer of a memory: journal first, then the base; what has become many is sealed beside the writing."""

from __future__ import annotations

import copy
import logging
import sqlite3
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

import numpy as np

from latentworld.memory import base, forgetting, retention, sealing
from latentworld.memory.forgetting import Going
from latentworld.memory.group_commit import GroupCommit
from latentworld.memory.journal import Journal
from latentworld.memory.layout import Layout
from latentworld.memory.pictures import Pictures
from latentworld.memory.records import Record
from latentworld.memory.rows import ROW, Rows
from latentworld.memory.schema import connect
from latentworld.memory.submaps import Submap, upper
from latentworld.types import LatentworldError

log = logging.getLogger(__name__)

SEAL = 32_768  # young rows that become a segment
BEHIND = 3  # journals that may wait to be sealed
AGAIN = 1.0  # s until a sealing that failed is tried again


class Writer:
    """Commits in a thread of its own, and seals in another."""

    def __init__(
        self, layout: Layout, connection: sqlite3.Connection, pictures: Pictures, interval: float, rows: int,
        seal_rows: int = SEAL, budget: int = 0,
    ):  # fmt: skip
        """connection: a base that is sound and holds all that the other files do; closed with the writer. budget: bytes
        that all files may take, 0: no limit.
        """
        self.layout, self.connection, self._pictures, self._seal_rows = layout, connection, pictures, seal_rows
        self._submap: Submap | None = None
        self._submaps = connection.execute("SELECT max(id) FROM submap").fetchone()[0] or 0
        self._events = base.state(connection, "events")
        journals = layout.journals()
        self._begin, path = journals[-1]
        self._journal = Journal(path)
        self._committing, self._sealing = threading.RLock(), threading.RLock()
        self._to_seal = deque(
            (first, after - 1) for (first, _), (after, _) in zip(journals, journals[1:], strict=False)
        )
        self._sealed = threading.Condition()
        self._seal_failure = self._page_failure = self._budget_failure = ""
        self._budget = budget
        self.uses: Counter[int] = Counter()  # how often a keyframe was an answer, since this writer was opened
        self._closed = False
        self._group = GroupCommit(self._commit, interval, rows)
        self._sealer = threading.Thread(target=self._seal_all, name="memory sealer", daemon=True)
        self._sealer.start()

    @property
    def failure(self) -> str:
        """Why something waits longer than it should."""
        return self._group.failure or self._page_failure or self._seal_failure or self._budget_failure

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

    def forget(self, choose: Callable[[sqlite3.Connection], Going]) -> set[int]:
        """Take the keyframes and stays that ``choose`` names out of every file; answers which keyframes. They are gone
        on return.

        What could not be taken out because of an error is, with the next forgetting or at the next opening.
        """
        with self.alone() as connection:
            going = choose(connection)
            everything = going | forgetting.noted(self.layout)
            if everything.any:
                self._take_out(everything, for_good=True)
            return going.keyframes

    def _take_out(self, going: Going, for_good: bool) -> None:
        """With all locks held."""
        forgetting.note(self.layout, going)
        path = self._journal.path
        self._journal.close()
        self._pictures.close()
        try:
            forgetting.take_out(self.layout, self.connection, going, for_good)
        finally:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            self._journal = Journal(path)
            self._submap = None  # it may be gone
        for id in going.keyframes:
            self.uses.pop(id, None)

    @contextmanager
    def alone(self) -> Iterator[sqlite3.Connection]:
        """The writing connection with all that was submitted in it, while nothing is committed, sealed or merged."""
        self.flush()
        with self._sealing, self._committing:
            if self._closed:
                raise LatentworldError("memory: expected an open memory, got one that is closed")
            yield self.connection
            self._submap = None  # it may have moved

    def settle(self) -> None:
        """Return once nothing waits to be sealed and all fits into the budget; raises LatentworldError where sealing
        fails.
        """
        self.flush()
        with self._sealed:
            self._sealed.wait_for(lambda: not self._to_seal or self._seal_failure)
        if self._seal_failure:
            raise LatentworldError(f"memory {self.layout.base}: {self._seal_failure}")
        self._make_room()

    def close(self) -> None:
        try:
            self._group.close()
        finally:
            with self._sealing, self._committing:  # whoever changes something now is waited for
                self._closed = True
            with self._sealed:
                self._sealed.notify_all()
            self._sealer.join()
            self._journal.close()
            self._pictures.close()
            self.connection.close()

    # the committing thread
    def _commit(self, batch: Sequence[tuple[int, Record] | base.Event]) -> None:
        with self._committing:
            before, pictures = (copy.deepcopy(self._submap), self._submaps), self._pictures.end
            try:
                self._put(self._entries(batch))
            except BaseException:
                self._submap, self._submaps = before
                self._pictures.back_to(pictures)
                raise
            last = batch[-1][0] if isinstance(batch[-1], tuple) else 0
            if last - self._begin + 1 >= self._seal_rows:
                self._turn_page(last)
        with self._sealed:  # sealing must not fall behind for ever; where it fails, the journal grows
            self._sealed.wait_for(lambda: len(self._to_seal) <= BEHIND or self._seal_failure or self._closed)

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
                base.put(self.connection, event, rows, new=True)
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
            entries += [(dict(event), None) for event in items] if model is None else [self._keyframes(items)]
        return entries

    def _keyframes(self, items: list[tuple[int, Record]]) -> base.Entry:
        records = [record for _, record in items]
        head = np.empty(len(items), ROW)
        head["id"] = [id for id, _ in items]
        head["stamp"] = [record.stamp for record in records]
        head["model"] = records[0].model.number
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
        if stays := {stay.id: stay for record in records for stay in record.stays}:
            event["stay"] = [stay.row() for stay in stays.values()]
            event["state"] += [
                ["last_object", max(stay.object for stay in stays.values())], ["last_stay", max(stays)]
            ]  # fmt: skip
        pictures = [self._pictures.append(id, record.thumbnail) for id, record in items if record.thumbnail]
        if pictures:
            event["picture"] = [list(place) for place in pictures]
        latents = np.array([record.latent for record in records], np.float32)
        return event, Rows.of(head, latents, records[0].model.format)

    def _turn_page(self, last: int) -> None:
        """Go on in a new journal; what the old one holds is sealed meanwhile. Before that goes, the base must hold all
        of it by itself, without SQLite's own log; where a reader or an error prevents that, the page is turned later.
        """
        try:
            busy, pages, moved = self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if busy or moved < pages:
                return
            journal = Journal(self.layout.journal(last + 1))
        except (OSError, sqlite3.Error) as error:
            self._page_failure = f"the journal of rows from {self._begin} on goes on growing: {error}"
            return
        self._page_failure = ""
        self._journal.close()
        with self._sealed:
            self._to_seal.append((self._begin, last))
            self._sealed.notify_all()
        self._begin, self._journal = last + 1, journal

    # the sealing thread
    def _seal_all(self) -> None:
        while True:
            self._make_room()
            with self._sealed:
                self._sealed.wait_for(lambda: self._to_seal or self._closed)
                if self._closed:
                    return
                first, last = self._to_seal[0]
            try:
                with self._sealing:
                    if self._closed:
                        return
                    sealing.seal(self.layout, first, last)
                    self._merge()
                failure = ""
            except Exception as error:  # whatever it is, the rows are safe where they are
                failure = f"rows {first} to {last} are not sealed: {error}"
            with self._sealed:
                self._seal_failure = failure
                if not failure:
                    self._to_seal.popleft()
                self._sealed.notify_all()
                if failure:
                    self._sealed.wait_for(lambda: self._closed, timeout=AGAIN)

    def _make_room(self) -> None:
        """Thin what is old until all fits into the budget; nothing is kept or sealed while one segment loses rows."""
        while self._budget:
            with self._sealing, self._committing:
                if self._closed:
                    return
                try:
                    if (begun := forgetting.noted(self.layout)).any:  # and not finished: nothing more goes before that
                        self._take_out(begun, for_good=True)  # it may have been to forget
                    over = retention.size_of(self.layout, self.connection) - self._budget
                    if over <= 0:
                        self._budget_failure = ""
                        return
                    sealed = retention.densest(self.layout, base.state(self.connection, "last_id"))
                    if sealed is None:
                        said = f"{over / 1e6:.1f} MB more than the budget, and nothing left to thin"
                        self._budget_failure = f"memory {self.layout.base}: {said}"
                        return
                    ids = retention.least(self.connection, sealed, self.uses)
                    self._take_out(Going(ids), for_good=False)
                    span = f"keyframes {sealed.first} to {sealed.last}"
                    log.info(f"memory {self.layout.base}: {len(ids)} of {span} made room for newer ones")
                except Exception as error:  # the disk is fuller than it should be; everything is where it was
                    self._budget_failure = f"memory {self.layout.base}: could not make room: {error}"
                    return

    def _merge(self) -> None:
        connection = connect(self.layout.base, writable=False)
        try:
            sealing.merge(self.layout, connection, self._seal_rows)
        finally:
            connection.close()
