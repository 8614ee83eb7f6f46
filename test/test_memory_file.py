"""The memory's file: restarts, several threads and processes, other people's files, damage, a full disk, kill -9."""

from __future__ import annotations

import re
import sqlite3
import threading
from dataclasses import replace

import numpy as np
import pytest
from walks import ALL, DIMENSIONS, MODEL, latent_at, state_at, walk_through

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
            memory.consider(state_at(3e9), latent_at(3e9, vectors[0]))


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


def test_other_peoples_files_and_newer_schemas_are_left_alone(tmp_path):
    foreign, newer = tmp_path / "foreign.sqlite", tmp_path / "newer.sqlite"
    connection = sqlite3.connect(foreign)
    connection.execute("CREATE TABLE mine (a)")
    connection.close()
    VisualMemory(newer, MODEL).close()
    connection = sqlite3.connect(newer)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    for path, said in ((foreign, "another program's"), (newer, "schema version 5 or older, got 99")):
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
        writing = memory.store.writer.connection
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
