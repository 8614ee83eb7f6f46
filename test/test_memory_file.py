"""The memory's file: restarts, several threads and processes, other people's files, damage, a full disk, kill -9."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from walks import ALL, DIMENSIONS, MODEL, filled, latent_at, state_at, walk_through

import latentworld
from latentworld.memory import MemoryQuery, VisualMemory
from latentworld.types import LatentworldError


@pytest.fixture
def walk():
    return walk_through()


@pytest.fixture
def memory(tmp_path, walk):
    with VisualMemory(tmp_path / "memory.sqlite", MODEL, ALL) as memory:
        for t, pose, vector in zip(*walk, strict=True):
            memory.consider(state_at(t, pose), latent_at(t, vector))
        memory.flush()
        yield memory


def test_what_was_kept_is_there_after_a_restart_but_its_odom_is_another(tmp_path, walk):
    times, poses, vectors = walk
    for start in range(0, 400, 100):
        with VisualMemory(tmp_path / "memory.sqlite", MODEL, ALL) as memory:
            for t, pose, vector in zip(times[start:][:100], poses, vectors[start:], strict=False):
                memory.consider(state_at(t, pose), latent_at(t, vector))
            memory.flush()
            nearest = memory.query(MemoryQuery(place=poses[5], limit=1)).keyframes[0]
            assert (nearest.id, nearest.frame_id) == (start + 6, "odom")
    with VisualMemory(tmp_path / "memory.sqlite") as memory:
        assert memory.model_id == MODEL and len(memory) == 400
        assert memory.query(MemoryQuery(place=poses[5], frame=2, limit=1)).keyframes[0].id == 106
        found = memory.query(MemoryQuery(latent_at(0, vectors[42]), limit=1)).keyframes[0]
        assert (found.id, found.frame_id) == (43, "odom#1")
        with pytest.raises(LatentworldError, match="read-only"):
            memory.consider(state_at(1e10), latent_at(1e10, vectors[0]))


def test_threads_ask_while_another_writes(tmp_path, walk):
    times, poses, vectors = walk
    wrong, done = [], threading.Event()

    def ask(memory):
        counts = [0]
        while not done.is_set() or counts[-1] == 0:
            counts.append(len(memory.query(MemoryQuery(latent_at(0, vectors[0]), limit=1000)).keyframes))
            counts.append(len(memory.query(MemoryQuery(place=poses[0], radius=50.0, limit=1000)).keyframes))
        if counts[1::2] != sorted(counts[1::2]) or counts[-1] > 400:
            wrong.append(counts)

    with VisualMemory(tmp_path / "memory.sqlite", MODEL, replace(ALL, commit_interval=0.001)) as memory:
        threads = [threading.Thread(target=ask, args=(memory,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for t, pose, vector in zip(times, poses, vectors, strict=True):
            memory.consider(state_at(t, pose), latent_at(t, vector))
        memory.flush()
        assert len(memory) == 400
        done.set()
        for thread in threads:
            thread.join(30)
    assert not wrong


def test_a_file_has_one_writer(memory):
    with pytest.raises(LatentworldError, match="only writer"):
        VisualMemory(memory.store.path, MODEL)
    with VisualMemory(memory.store.path) as reader:
        assert len(reader) == 400


def test_a_closed_memory_says_so(memory):
    memory.close()
    with pytest.raises(LatentworldError, match="closed"):
        memory.query(MemoryQuery())
    with pytest.raises(LatentworldError, match="closed"):
        memory.consider(state_at(2e9), latent_at(2e9, np.zeros(DIMENSIONS, np.float32)))


def test_a_read_only_memory_must_exist_and_hold_something(tmp_path):
    with pytest.raises(LatentworldError, match="expected a file, got none"):
        VisualMemory(tmp_path / "none.sqlite")
    VisualMemory(tmp_path / "empty.sqlite", MODEL).close()
    with pytest.raises(LatentworldError, match="empty memory"):
        VisualMemory(tmp_path / "empty.sqlite")


def damaged_how(path, how: str) -> None:
    size = path.stat().st_size
    with open(path, "r+b") as file:
        if how == "truncated":
            file.truncate(size // 2)
        elif how == "to less than a page":
            file.truncate(100)
        elif how == "garbage":
            file.write(os.urandom(size))
        elif how == "header":
            file.write(b"not SQLite")
        elif how == "pages":
            file.seek(4096)
            file.write(b"\xff" * (size - 8192))


@pytest.mark.parametrize("how", ["truncated", "to less than a page", "garbage", "header", "pages"])
def test_a_damaged_file_is_moved_aside_and_said(tmp_path, walk, how, caplog):
    path = tmp_path / "memory.sqlite"
    filled(path, 2000)
    damaged_how(path, how)
    damaged = path.read_bytes()
    with VisualMemory(path, MODEL, ALL) as memory:
        assert len(memory) == 0
        assert memory.consider(state_at(1.0), latent_at(1.0, walk[2][0])) == 1
        said = memory.store.repaired
    aside = next(tmp_path.glob("memory.sqlite.damaged-*Z"))
    assert aside.read_bytes() == damaged
    assert str(path) in said and str(aside) in said and said in caplog.text
    with VisualMemory(path, MODEL) as memory:
        assert len(memory) == 1 and not memory.store.repaired


def test_a_base_lost_from_beside_its_log_is_moved_aside(tmp_path, walk):
    path = tmp_path / "memory.sqlite"
    with VisualMemory(path, MODEL, ALL) as memory:
        memory.consider(state_at(1.0), latent_at(1.0, walk[2][0]))
        memory.flush()
        log = path.with_name("memory.sqlite-wal").read_bytes()
    path.unlink()
    path.with_name("memory.sqlite-wal").write_bytes(log)
    with VisualMemory(path, MODEL) as memory:
        assert "write-ahead log" in memory.store.repaired
    assert next(tmp_path.glob("*.damaged-*Z-wal")).read_bytes() == log


def test_other_peoples_files_and_newer_schemas_are_left_alone(tmp_path):
    foreign, newer = tmp_path / "foreign.sqlite", tmp_path / "newer.sqlite"
    connection = sqlite3.connect(foreign)
    connection.execute("CREATE TABLE mine (a)")
    connection.close()
    VisualMemory(newer, MODEL).close()
    connection = sqlite3.connect(newer)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    for path, said in ((foreign, "another program's"), (newer, "schema version 1 or older, got 99")):
        before = path.read_bytes()
        for model_id in (MODEL, None):
            with pytest.raises(LatentworldError, match=said):
                VisualMemory(path, model_id)
        assert path.read_bytes() == before
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", foreign / "below"):
        with pytest.raises(LatentworldError, match=re.escape(str(path))):
            VisualMemory(path, MODEL)


def test_a_full_disk_is_said_and_loses_nothing(tmp_path, walk):
    with VisualMemory(tmp_path / "memory.sqlite", MODEL, replace(ALL, commit_interval=0.01)) as memory:
        memory.consider(state_at(1.0), latent_at(1.0, walk[2][0]))
        memory.flush()
        writing = memory.store._writing
        pages = writing.execute("PRAGMA page_count").fetchone()[0]
        writing.execute(f"PRAGMA max_page_count = {pages}")
        for t in range(2, 400):
            memory.consider(state_at(t), latent_at(t, walk[2][0]), b"\0" * 2000)
        with pytest.raises(LatentworldError, match="full"):
            memory.flush()
        assert "full" in memory.store.failure
        writing.execute("PRAGMA max_page_count = 1000000")
        memory.flush()
        assert len(memory) == 399 and not memory.store.failure


WRITER = """
import sys, numpy as np
from latentworld.memory.store import KeyframeStore, Record
store = KeyframeStore(sys.argv[1], interval=0.002, rows=16)
print(store.acknowledged(), flush=True)
frame, model = store.lay_frame("odom", 0), store.model("0123456789ab", 64)
for i in range(1, 1_000_000):
    latent = np.full(64, i % 1000, np.float16)
    store.add(Record(i, frame, np.array([i, 0.0, 0.0]), np.eye(3), 0.5, model, latent, b"x" * 3000))
    if i % 7 == 0:
        store.flush()
    if i % 7 == 0 or i % 3 == 0:
        print(store.acknowledged(), flush=True)
"""


def test_kill_9_loses_no_acknowledged_row(tmp_path):
    path, random, acknowledged = tmp_path / "memory.sqlite", np.random.default_rng(9), 0
    environment = {**os.environ, "PYTHONPATH": str(Path(latentworld.__file__).parents[1])}
    for _ in range(6):
        command = [sys.executable, "-c", WRITER, path]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as writer:
            held = int(writer.stdout.readline())
            assert held >= acknowledged  # what the one before acknowledged is there
            for _ in range(random.integers(5, 60)):
                writer.stdout.readline()
            os.kill(writer.pid, signal.SIGKILL)
            said = [line for line in writer.stdout.readlines() if line.endswith("\n")]
        acknowledged = int(said[-1]) if said else held
    with VisualMemory(path, "0123456789ab") as memory:
        assert not memory.store.repaired
        assert len(memory) >= acknowledged > 0
        with memory.store.reading() as connection:
            ids = np.array(connection.execute("SELECT id FROM keyframe ORDER BY id").fetchall())[:, 0]
            places = connection.execute("SELECT count(*) FROM place").fetchone()[0]
        np.testing.assert_array_equal(ids, np.arange(1, len(ids) + 1))
        assert places == len(ids)
