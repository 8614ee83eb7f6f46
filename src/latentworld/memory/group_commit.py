"""Group commit: many submitters, one writing thread, one fsync for all that was submitted within an interval."""

from __future__ import annotations

import sqlite3
import threading

from latentworld.types import LatentworldError

Statement = tuple[str, tuple]


class GroupCommit:
    """Writes what is submitted within ``interval`` seconds, or the first ``rows`` of it, in one durable transaction.

    A submission is acknowledged once ``wait`` has returned for its ticket, and from then on survives a power cut. Where
    the disk refuses, submissions are kept and tried again each interval, up to ``capacity`` of them.
    """

    def __init__(self, connection: sqlite3.Connection, interval: float, rows: int, capacity: int = 10_000):
        self._connection, self._interval, self._rows, self._capacity = connection, interval, rows, capacity
        self._pending: list[tuple[Statement, ...]] = []
        self._condition = threading.Condition()
        self._urgent = self._durable = 0
        self._failure = ""
        self._closing = False
        self._thread = threading.Thread(target=self._write, name="memory writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Submissions that are not on disk yet."""
        return len(self._pending)

    @property
    def failure(self) -> str:
        """Why the last commit failed, "" where it did not."""
        return self._failure

    def submit(self, *statements: Statement) -> int:
        """Queue statements that belong together; answers their ticket."""
        with self._condition:
            if self._closing:
                raise LatentworldError("memory: expected an open memory, got one that is closed")
            if len(self._pending) >= self._capacity:
                why = self._failure or "too slow"
                raise LatentworldError(
                    f"memory: expected a disk that takes rows, got {len(self._pending)} waiting ({why})"
                )
            self._pending.append(statements)
            self._condition.notify_all()
            return self._durable + len(self._pending)

    def wait(self, ticket: int | None = None) -> None:
        """Commit now, and return once ``ticket`` (default: everything submitted so far) is durable."""
        with self._condition:
            ticket = self._durable + len(self._pending) if ticket is None else ticket
            self._urgent, self._failure = max(self._urgent, ticket), ""
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._durable >= ticket or self._failure or not self._thread.is_alive())
            if self._durable < ticket:
                raise LatentworldError(
                    f"memory: expected {ticket - self._durable} rows to be written, got: {self._failure}"
                )

    def close(self) -> None:
        """Commit the rest and end the thread; raises where the rest could not be written."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        self._thread.join()
        if self._pending:
            raise LatentworldError(
                f"memory: expected to write {len(self._pending)} rows at close, got: {self._failure}"
            )

    def _write(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._pending or self._closing)
                self._condition.wait_for(self._due, timeout=self._interval)
                batch = self._pending[:]
            failure = self._commit(batch) if batch else ""
            with self._condition:
                if not failure:
                    del self._pending[: len(batch)]
                    self._durable += len(batch)
                self._failure = failure
                self._condition.notify_all()
                if self._closing and (failure or not self._pending):
                    return
                if failure:
                    self._urgent = 0
                    self._condition.wait_for(lambda: self._closing or self._urgent, timeout=self._interval)

    def _due(self) -> bool:
        return self._closing or len(self._pending) >= self._rows or self._urgent > self._durable

    def _commit(self, batch: list[tuple[Statement, ...]]) -> str:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for statements in batch:
                for sql, values in statements:
                    self._connection.execute(sql, values)
            self._connection.execute("COMMIT")
            return ""
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            return str(error)
