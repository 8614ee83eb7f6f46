"""The store: every keyframe in two files before it counts as kept, read by any thread and process while it is written.

The truth is an SQLite base. Beside it, in a folder of its own, lie the second copy (a journal of what is young, sealed
segments of what is older, a catalogue of the small tables) and the pictures. Any one of these files may be lost,
cut off or overwritten: opening for writing rebuilds it from the others, and says so.
"""

from __future__ import annotations

import fcntl
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from latentworld.memory import base, repair
from latentworld.memory.base import Event
from latentworld.memory.latent_format import KeptModel, LatentFormat
from latentworld.memory.layout import Layout
from latentworld.memory.pictures import Pictures
from latentworld.memory.records import Record
from latentworld.memory.schema import VERSION, connect, refuse_foreign, schema_version
from latentworld.memory.writer import SEAL, Writer
from latentworld.types import LatentworldError

log = logging.getLogger(__name__)


class KeyframeStore:
    """One writing process (a lock beside the base says so), any number of reading threads and processes.

    repaired: what opening had to repair, a line each joined by "; ", "" where all was sound.
    """

    def __init__(
        self, path: str | Path, *, writable: bool = True, interval: float = 1.0, rows: int = 256,
        seal_rows: int = SEAL, thorough: bool = False, budget: int = 0,
    ):  # fmt: skip
        """seal_rows: young rows that are sealed as one segment. thorough: check every row, however many there are.
        budget: bytes that all files may take, beyond which what is old is thinned; 0: no limit.
        """
        self.path = Path(path).expanduser()
        self.layout = Layout(self.path)
        self.repaired = ""
        self._local, self._connecting = threading.local(), threading.Lock()
        self._readers: dict[threading.Thread, sqlite3.Connection] = {}
        self._writer: Writer | None = None
        self._adding = threading.Lock()
        self.pictures = Pictures(self.layout.folder)
        if writable:
            self._open_writer(interval, rows, seal_rows, thorough, budget)
        elif not self.path.is_file():
            raise LatentworldError(f"memory {self.path}: expected a file, got none")
        with self.reading() as connection:
            refuse_foreign(self.path, connection)
            if schema_version(connection) < VERSION:
                raise LatentworldError(
                    f"memory {self.path}: expected schema version {VERSION}, got an older one; open it for writing once"
                )
            known = [id for (id,) in connection.execute("SELECT model_id FROM model")]
            self._models = {id: base.model(connection, id) for id in known}
        self._last_frame = self._scalar("SELECT max(id) FROM frame") or 0
        self._last_id = self.acknowledged()

    def _open_writer(self, interval: float, rows: int, seal_rows: int, thorough: bool, budget: int) -> None:
        lock = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = lock = open(f"{self.path}.lock", "w")
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            connection, said = repair.opened(self.layout, thorough)
            self._writer = Writer(self.layout, connection, self.pictures, interval, rows, seal_rows, budget)
        except BlockingIOError:
            lock.close()
            raise LatentworldError(f"memory {self.path}: expected to be its only writer, got another process") from None
        except (OSError, sqlite3.Error) as error:
            if lock is not None:
                lock.close()
            raise LatentworldError(f"memory {self.path}: expected a file that can be written, got: {error}") from error
        self.repaired = f"memory {self.path}: {'; '.join(said)}" if said else ""
        if said:
            log.warning(self.repaired)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """This thread's own reading connection; SQLite's errors come out as one line naming the file."""
        try:
            if not hasattr(self._local, "connection"):
                self._local.connection = connect(self.path, writable=False)
                self._keep(self._local.connection)
            yield self._local.connection
        except sqlite3.Error as error:
            raise LatentworldError(f"memory {self.path}: expected a readable visual memory, got: {error}") from error

    def _keep(self, connection: sqlite3.Connection) -> None:
        """To close it at the end, or once its thread has ended."""
        with self._connecting:
            for thread in [thread for thread in self._readers if not thread.is_alive()]:
                self._readers.pop(thread).close()
            self._readers[threading.current_thread()] = connection

    @property
    def failure(self) -> str:
        """Why rows wait longer than they should, "" where they do not."""
        return self._writer.failure if self._writer else ""

    @property
    def waiting(self) -> int:
        """Submissions that are not on disk yet."""
        return self._writer.waiting if self._writer else 0

    def add(self, record: Record | Callable[[int], Record]) -> int:
        """Queue a keyframe, or what is made for its id; answers that. It is durable, and found by queries, within the
        commit interval.
        """
        with self._adding:
            id = self._last_id + 1
            self._submit((id, record(id) if callable(record) else record))
            self._last_id = id
            return id

    def flush(self) -> None:
        """Return once everything added so far is on disk."""
        if self._writer:
            self._writer.flush()

    def acknowledged(self) -> int:
        """The newest keyframe that is on disk: it and all before it are never to be lost."""
        return self._scalar("SELECT value FROM state WHERE name = 'last_id'") or 0  # read only after its fsync

    @property
    def thinned(self) -> int:
        """How many keyframes made room for newer ones, in all of its life."""
        return self._scalar("SELECT value FROM state WHERE name = 'thinned'") or 0

    def answered(self, ids: Iterable[int]) -> None:
        """These were an answer: such are kept longer."""
        if self._writer:
            self._writer.uses.update(ids)

    def awaits(self, id: int) -> bool:
        """Whether a keyframe was added and is not on disk yet."""
        return self.acknowledged() < id <= self._last_id

    def model(self, model_id: str, dimensions: int, looks: int | None = None) -> KeptModel:
        """A model, for rows to be of; what is known of it already stays. looks: how many of its latents' last
        dimensions they are found by; ``None``: all.
        """
        with self._adding:
            if model_id not in self._models:
                number = max((model.number for model in self._models.values()), default=0) + 1
                format = LatentFormat(dimensions, min(looks or dimensions, dimensions))
                self._submit({"model": [[number, model_id, format.dimensions, format.looks, format.bits]]})
                self._models[model_id] = KeptModel(number, format)
            return self._models[model_id]

    def format(self, model_id: str) -> LatentFormat:
        """Of a model's latents; of no dimensions where none is stored."""
        with self.reading() as connection:
            found = base.model(connection, model_id)
        return LatentFormat(0, 0) if found is None else found.format

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
            self._submit({"frame": [[self._last_frame + 1, name, stamp]]})
            self._last_frame += 1
            return self._last_frame

    def frame_named(self, name: str, stamp: int) -> int:
        """The number of the frame of that name laid last; where there is none, it is laid."""
        return self.frame_called(name) or self.lay_frame(name, stamp)

    def frame_called(self, name: str) -> int | None:
        """The number of the frame of that name laid last, as far as it is on disk."""
        return self._scalar("SELECT max(id) FROM frame WHERE name = ?", name)

    def frame_name(self, frame: int) -> str | None:
        """``None`` where there is none of that number on disk."""
        return self._scalar("SELECT name FROM frame WHERE id = ?", frame)

    @property
    def newest_frame(self) -> int:
        """The frame laid last; 0 where none is."""
        return self._last_frame

    @property
    def writer(self) -> Writer:
        """Raises LatentworldError where the memory was opened for reading alone."""
        if not self._writer:
            raise LatentworldError(f"memory {self.path}: expected to be open for writing, got a read-only memory")
        return self._writer

    def _scalar(self, sql: str, *values):
        with self.reading() as connection:
            row = connection.execute(sql, values).fetchone()
            return row[0] if row else None

    def _submit(self, what: tuple[int, Record] | Event) -> None:
        self.writer.submit(what)

    def close(self) -> None:
        """Write what waits, and let go of the file. Connections of other threads are closed under them."""
        for connection in self._readers.values():
            connection.close()
        if self._writer:
            try:
                self._writer.close()
            finally:
                self._lock.close()
