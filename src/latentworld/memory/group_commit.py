"""Group commit: many submitters, one writing thread, one fsync for all that was submitted within an interval."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from latentworld.types import LatentworldError


class GroupCommit:
    """Hands what is submitted within ``interval`` seconds, or the first ``rows`` of it, to ``commit`` in one go.

    ``commit`` takes a list and returns once it is durable, whole or not at all. A submission is acknowledged once
    ``wait`` has returned for its ticket, and from then on survives a power cut. Where that fails, as on a full
    disk, submissions are kept and tried again each interval, up to ``capacity`` of them.
    """

    def __init__(self, commit: Callable[[list[Any]], None], interval: float, rows: int, capacity: int = 10_000):
        self._commit_all, self._interval, self._rows, self._capacity = commit, interval, rows, capacity
        self._pending: list[Any] = []
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

    def submit(self, what: Any) -> int:
        """Queue it; answers its ticket."""
        with self._condition:
            if self._closing:
                raise LatentworldError("memory: expected an open memory, got one that is closed")
            if len(self._pending) >= self._capacity:
                why = self._failure or "too slow"
                raise LatentworldError(
                    f"memory: expected a disk that takes rows, got {len(self._pending)} waiting ({why})"
                )
            self._pending.append(what)
            if len(self._pending) == 1 or len(self._pending) >= self._rows:
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
        try:
            self._write_all()
        finally:
            with self._condition:
                self._condition.notify_all()

    def _write_all(self) -> None:
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

    def _commit(self, batch: list[Any]) -> str:
        try:
            self._commit_all(batch)
            return ""
        except Exception as error:  # also one that nobody thought of must reach who waits
            return str(error) or repr(error)
