"""The store: keyframes in one SQLite file, written by group commit, read by any thread while it is written."""

from __future__ import annotations

import fcntl
import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latentworld.memory.group_commit import GroupCommit
from latentworld.memory.latents import HALF
from latentworld.memory.schema import connect, damage, move_aside, prepare, refuse_foreign
from latentworld.types import LatentworldError, seconds

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Record:
    """A keyframe to be stored. pose: (3,) x, y, yaw in laying ``frame``. covariance: (3, 3). latent: (D,)."""

    stamp: int
    frame: int
    pose: np.ndarray
    covariance: np.ndarray
    surprise: float
    model: int
    latent: np.ndarray
    thumbnail: bytes | None = None


class KeyframeStore:
    """One file, one writing process (a lock beside it says so), any number of reading threads and processes.

    A damaged file is moved aside when opened for writing, never deleted: ``repaired`` says so in one line.
    """

    def __init__(self, path: str | Path, *, writable: bool = True, interval: float = 1.0, rows: int = 256):
        self.path = Path(path).expanduser()
        self.repaired = ""
        self._local, self._readers = threading.local(), []
        self._writer = self._lock = None
        self._adding = threading.Lock()
        if writable:
            self._open_writer(interval, rows)
        elif not self.path.is_file():
            raise LatentworldError(f"memory {self.path}: expected a file, got none")
        with self.reading() as connection:
            refuse_foreign(self.path, connection)
            self._models = dict(connection.execute("SELECT model_id, id FROM model").fetchall())
        self._last_frame = self._scalar("SELECT max(id) FROM frame") or 0
        self._last_id = self._scalar("SELECT seq FROM sqlite_sequence WHERE name = 'keyframe'") or 0

    def _open_writer(self, interval: float, rows: int) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = open(f"{self.path}.lock", "w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if found := damage(self.path):
                self.repaired = (
                    f"memory {self.path}: damaged ({found}); kept as {move_aside(self.path)}, a new one begun"
                )
                log.error(self.repaired)
            self._writing = connect(self.path, writable=True)
            prepare(self._writing)
        except BlockingIOError:
            raise LatentworldError(f"memory {self.path}: expected to be its only writer, got another process") from None
        except (OSError, sqlite3.Error) as error:
            raise LatentworldError(f"memory {self.path}: expected a file that can be written, got: {error}") from error
        self._writer = GroupCommit(self._writing, interval, rows)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """This thread's own reading connection; SQLite's errors come out as one line naming the file."""
        try:
            if not hasattr(self._local, "connection"):
                self._local.connection = connect(self.path, writable=False)
                self._readers.append(self._local.connection)
            yield self._local.connection
        except sqlite3.Error as error:
            raise LatentworldError(f"memory {self.path}: expected a readable visual memory, got: {error}") from error

    @property
    def failure(self) -> str:
        """Why rows wait longer than they should, "" where they do not."""
        return self._writer.failure if self._writer else ""

    @property
    def waiting(self) -> int:
        """Submissions that are not on disk yet."""
        return self._writer.waiting if self._writer else 0

    def add(self, record: Record) -> int:
        """Queue a keyframe; answers its id. It is durable, and found by queries, within the commit interval."""
        x, y, yaw = (float(v) for v in record.pose)
        t = seconds(record.stamp)
        with self._adding:
            id = self._last_id + 1
            statements = [
                (
                    "INSERT INTO keyframe VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (id, record.stamp, record.frame, x, y, yaw, np.asarray(record.covariance, "<f4").tobytes(),
                     float(record.surprise), record.model, np.asarray(record.latent, HALF).tobytes()),
                ),
                ("INSERT INTO place VALUES (?, ?, ?, ?, ?, ?, ?)", (id, x, x, y, y, t, t)),
            ]  # fmt: skip
            if record.thumbnail:
                statements.append(("INSERT INTO thumbnail VALUES (?, ?)", (id, record.thumbnail)))
            self._submit(*statements)
            self._last_id = id
            return id

    def flush(self) -> None:
        """Return once everything added so far is on disk."""
        if self._writer:
            self._writer.wait()

    def acknowledged(self) -> int:
        """The newest keyframe that is on disk: it and all before it are never to be lost."""
        return self._scalar("SELECT max(id) FROM keyframe") or 0  # readers see a transaction only after its fsync

    def awaits(self, id: int) -> bool:
        """Whether a keyframe was added and is not on disk yet."""
        return self.acknowledged() < id <= self._last_id

    def model(self, model_id: str, dimensions: int) -> int:
        """The number that stands for a model in the rows."""
        with self._adding:
            if model_id not in self._models:
                number = max(self._models.values(), default=0) + 1
                self._submit(("INSERT INTO model VALUES (?, ?, ?)", (number, model_id, dimensions)))
                self._models[model_id] = number
            return self._models[model_id]

    def dimensions(self, model_id: str) -> int:
        """Of a model's latents; 0 where none is stored."""
        return self._scalar("SELECT dimensions FROM model WHERE model_id = ?", model_id) or 0

    def newest_model(self) -> str:
        """The model of the newest keyframe."""
        found = self._scalar(
            "SELECT model_id FROM keyframe k JOIN model m ON m.id = k.model ORDER BY k.id DESC LIMIT 1"
        )
        if found is None:
            raise LatentworldError(f"memory {self.path}: expected keyframes, got an empty memory")
        return found

    def lay_frame(self, name: str, stamp: int) -> int:
        """The number of a new frame, laid at ``stamp``, for poses to be in."""
        with self._adding:
            self._submit(("INSERT INTO frame VALUES (?, ?, ?)", (self._last_frame + 1, name, stamp)))
            self._last_frame += 1
            return self._last_frame

    @property
    def newest_frame(self) -> int:
        """The frame laid last; 0 where none is."""
        return self._last_frame

    def _scalar(self, sql: str, *values):
        with self.reading() as connection:
            row = connection.execute(sql, values).fetchone()
            return row[0] if row else None

    def _submit(self, *statements) -> int:
        if not self._writer:
            raise LatentworldError(f"memory {self.path}: expected to be open for writing, got a read-only memory")
        return self._writer.submit(*statements)

    def close(self) -> None:
        """Write what waits, and let go of the file. Connections of other threads are closed under them."""
        try:
            if self._writer:
                self._writer.close()
        finally:
            for connection in self._readers:
                connection.close()
            if self._writer:
                self._writing.close()
                self._lock.close()
