"""What a review found could go wrong in a memory: full disks, two faults at a time, long readers, odd input."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_memory_damage import ROWS, check_whole, closed, harm, latent_of  # noqa: F401 (a fixture)
from walks import ALL, MODEL, latent_at, state_at

from latentworld.memory import MemoryQuery, Trajectory, VisualMemory, forgetting, sealing, writer
from latentworld.memory.records import Record
from latentworld.memory.store import KeyframeStore
from latentworld.types import Latent, LatentworldError, stamp_of


@pytest.fixture
def copy(closed, tmp_path):  # noqa: F811
    shutil.copytree(closed, tmp_path / "copy")
    return tmp_path / "copy" / "memory.sqlite"


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_no_number_is_given_twice_though_the_counter_was_damaged(copy):
    connection = sqlite3.connect(copy)
    connection.execute("UPDATE state SET value = 100 WHERE name = 'last_id'")
    connection.commit()
    connection.close()
    with VisualMemory(copy, MODEL, ALL) as memory:
        assert "last_id of the base stood too low" in memory.store.repaired
        assert memory.consider(state_at(5000), latent_at(5000, np.zeros(16, np.float32))) == ROWS + 1


def test_a_damaged_segment_does_not_keep_from_forgetting(copy):
    segment = sorted(copy.parent.rglob("*.segment"))[0]
    with VisualMemory(copy, MODEL) as memory:
        harm(segment, "cut off", np.random.default_rng(0))
        assert memory.forget(MemoryQuery(before=stamp_of(50))) == 50
    with VisualMemory(copy, MODEL) as memory:
        assert not memory.store.repaired and len(memory) == ROWS - 50


def test_what_could_not_be_forgotten_is_with_the_next(copy, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with VisualMemory(copy, MODEL) as memory:
        with monkeypatch.context() as patched:
            patched.setattr(forgetting, "_from_segment", full)
            with pytest.raises(OSError, match="No space"):
                memory.forget(MemoryQuery(before=stamp_of(11)))
        model = memory.store.model(MODEL, len(latent_of(7)))
        assert memory.store.add(Record(0, 1, np.zeros(3), np.eye(3), 0.5, model, latent_of(7))) == ROWS + 1
        memory.flush()  # it still writes
        assert memory.forget(MemoryQuery(after=stamp_of(900), before=stamp_of(910))) == 11
    for _ in range(2):
        with VisualMemory(copy, MODEL) as memory:
            assert not memory.store.repaired and len(memory) == ROWS + 1 - 22


def test_a_reader_that_goes_on_does_not_leave_what_was_forgotten_behind_unsaid(copy, monkeypatch):
    monkeypatch.setattr(forgetting, "PATIENCE", 1)
    reader = sqlite3.connect(copy)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM keyframe").fetchone()
    memory = VisualMemory(copy, MODEL)
    memory.store.writer.connection.execute("PRAGMA busy_timeout = 100")
    with pytest.raises(LatentworldError, match="forget: expected readers to end"):
        memory.forget(MemoryQuery(before=stamp_of(20)))
    reader.close()
    memory.close()
    with VisualMemory(copy, MODEL) as memory:
        assert "20 keyframes were being forgotten" in memory.store.repaired and len(memory) == ROWS - 20
    needle = latent_of(7).tobytes()
    assert not [p for p in copy.parent.rglob("*") if p.is_file() and needle in p.read_bytes()]


def test_a_page_that_cannot_be_turned_costs_nothing(tmp_path, monkeypatch):
    real, refused = writer.Journal, []

    def refusing(path):
        if "000000000101" in path.name and len(refused) < 2:
            refused.append(path)
            raise OSError(errno.EMFILE, "Too many open files")
        return real(path)

    monkeypatch.setattr(writer, "Journal", refusing)
    store = KeyframeStore(tmp_path / "memory.sqlite", rows=50, interval=0.01, seal_rows=100)
    frame, model = store.lay_frame("odom", 0), store.model(MODEL, 16)
    said = ""
    for i in range(1, 401):
        store.add(Record(stamp_of(i), frame, np.array([0.01 * i, 0, 0]), np.eye(3), 0.5, model, latent_of(i)))
        if i % 50 == 0:
            store.flush()
            said = said or store.failure
    store.writer.settle()
    assert refused and "goes on growing" in said
    assert not store.failure and len(store.layout.segments()) >= 1
    store.close()
    with VisualMemory(tmp_path / "memory.sqlite", MODEL) as memory:
        found = memory.query(MemoryQuery(place=(0, 0), radius=99.0, frame=1, limit=1000)).keyframes
        assert sorted(k.id for k in found) == list(range(1, 401)) and not memory.store.repaired


def test_a_sealing_that_fails_is_tried_again_and_hides_nothing(tmp_path, monkeypatch):
    real, failing = sealing.segment.write, threading.Event()
    failing.set()

    def write(path, span, rows, looks):
        if failing.is_set():
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, span, rows, looks)

    monkeypatch.setattr(sealing.segment, "write", write)
    monkeypatch.setattr(writer, "AGAIN", 0.01)
    often = replace(ALL, commit_interval=0.01, commit_rows=20)
    with VisualMemory(tmp_path / "memory.sqlite", MODEL, often, seal_rows=100) as memory:
        frame, model = memory.store.lay_frame("odom", 0), memory.store.model(MODEL, 16)
        for i in range(1, 301):
            memory.store.add(Record(stamp_of(i), frame, np.zeros(3), np.eye(3), 0.5, model, latent_of(i)))
            if i % 20 == 0:
                memory.flush()
        with pytest.raises(LatentworldError, match="rows 1 to 1.. are not sealed: .*No space"):
            memory.store.writer.settle()
        failing.clear()
        sealed = memory.store.writer._sealed
        with sealed:
            assert sealed.wait_for(lambda: not memory.store.failure, 10)  # tried again by itself
        memory.store.writer.settle()
        for i in (1, 99, 150, 300):
            query = MemoryQuery(Latent(0, MODEL, latent_of(i).astype(np.float32)), limit=1)
            assert memory.query(query).keyframes[0].id == i


def test_closing_waits_for_what_is_being_forgotten(copy, monkeypatch):
    memory, began, go_on = VisualMemory(copy, MODEL), threading.Event(), threading.Event()
    real = forgetting._from_segment

    def slow(*given):
        began.set()
        go_on.wait(10)
        real(*given)

    monkeypatch.setattr(forgetting, "_from_segment", slow)
    forgetter = threading.Thread(target=lambda: memory.forget(MemoryQuery(before=stamp_of(30))))
    forgetter.start()
    assert began.wait(10)
    closer = threading.Thread(target=memory.close)
    closer.start()
    with pytest.raises(LatentworldError, match="only writer"):
        VisualMemory(copy, MODEL)
    go_on.set()
    closer.join(10)
    forgetter.join(10)
    with VisualMemory(copy, MODEL) as again:
        assert not again.store.repaired and len(again) == ROWS - 30


def test_merging_does_not_make_damage_look_sound(tmp_path):
    path = tmp_path / "memory.sqlite"
    store = KeyframeStore(path, rows=20, seal_rows=20)
    frame, model = store.lay_frame("odom", 0), store.model(MODEL, 16)

    def keep(first, last):
        for i in range(first, last + 1):
            store.add(Record(stamp_of(i), frame, np.array([i, 0, 0]), np.eye(3), 0.5, model, latent_of(i)))
        store.flush()
        store.writer.settle()

    for first in range(1, 141, 20):
        keep(first, first + 19)
    damaged = store.layout.segments()[2].path
    data = bytearray(damaged.read_bytes())
    at = data.find(np.float64(50.0).tobytes())  # x of a pose
    data[at + 6] ^= 0x40
    damaged.write_bytes(bytes(data))
    keep(141, 160)
    assert [(s.first, s.last) for s in store.layout.segments()] == [(1, 160)]
    store.close()
    path.unlink()
    with VisualMemory(path, MODEL) as memory:
        assert [memory.get(i).pose[0] for i in range(1, 161)] == [float(i) for i in range(1, 161)]


def test_a_correction_outlives_the_end_of_the_journal(copy):
    with VisualMemory(copy, MODEL) as memory:
        stamps, poses = np.array([0, stamp_of(2 * ROWS)]), np.array([[100.0, 0, 0], [900.0, 0, 0]])
        memory.correct(Trajectory(stamps, poses))
        moved = memory.get(500).pose
    journal = next(copy.parent.rglob("*.journal"))
    journal.write_bytes(journal.read_bytes()[:-1])
    for said in ("the journal lacked its last events", "", "the base is missing"):
        if said == "the base is missing":
            copy.unlink()
        with VisualMemory(copy, MODEL) as memory:
            assert said in memory.store.repaired and bool(said) == bool(memory.store.repaired)
            np.testing.assert_array_equal(memory.get(500).pose, moved)


@pytest.mark.parametrize(
    "changes, said", [({"p_value": np.nan}, "p-value from 0 to 1, got nan"), ({"p_value": 2.0}, "got 2.0")]
)
def test_a_record_that_no_file_takes_is_refused_at_once(tmp_path, changes, said):
    with VisualMemory(tmp_path / "memory.sqlite", MODEL, ALL) as memory:
        with pytest.raises(LatentworldError, match=said):
            memory.consider(replace(state_at(1), **changes), latent_at(1, np.zeros(8, np.float32)))
        with pytest.raises(LatentworldError, match="stamp within"):
            state = replace(state_at(1), stamp=1 << 63, observation_stamp=1 << 63)
            memory.consider(state, Latent(1 << 63, MODEL, np.zeros(8, np.float32)))
        assert memory.consider(state_at(2), latent_at(2, np.zeros(8, np.float32))) == 1
        memory.flush()


def test_a_picture_whose_header_is_damaged_is_forgotten_too(copy):
    pack = next(copy.parent.rglob("*.pictures"))
    memory = VisualMemory(copy, MODEL)
    data = pack.read_bytes()
    at = data.find(b"picture 7 ")
    pack.write_bytes(data[: at - 20] + b"\0\0\0\0" + data[at - 16 :])
    assert memory.forget(MemoryQuery(after=stamp_of(7), before=stamp_of(7))) == 1
    memory.close()
    assert not [p for p in copy.parent.rglob("*") if p.is_file() and b"picture 7 " in p.read_bytes()]


def test_files_are_let_go_of(copy):
    VisualMemory(copy, MODEL).close()
    before = descriptors()
    with VisualMemory(copy, MODEL) as memory:
        ask = MemoryQuery(Latent(0, MODEL, latent_of(3).astype(np.float32)), limit=1)
        threads = [threading.Thread(target=memory.query, args=(ask,)) for _ in range(10)]
        for thread in threads:
            thread.start()
            thread.join()
        for i in range(1, 6):
            memory.forget(MemoryQuery(after=stamp_of(i * 10), before=stamp_of(i * 10)))
            memory.query(ask)
        held = [os.readlink(p) for p in Path("/proc/self/fd").iterdir() if p.is_symlink() and p.exists() is False]
        assert not [name for name in held if ".segment (deleted)" in name]
        assert descriptors() < before + 20
    del memory
    assert descriptors() <= before + 1


def test_a_clock_that_began_anew_parts_what_a_correction_moves(tmp_path):
    with VisualMemory(tmp_path / "memory.sqlite", MODEL, ALL) as memory:
        for run in range(2):
            memory.lay_frame()
            for t in range(100):
                vector = np.zeros(8, np.float32)
                memory.consider(state_at(t, (100.0 * run + 0.1 * t, 0, 0), speed=9), latent_at(t, vector))
        memory.correct(Trajectory(np.array([0, stamp_of(99)]), np.array([[0.0, 5, 0], [9.9, 5, 0]])))
        assert memory.get(50).frame_id != "map" and memory.get(50).pose[0] == pytest.approx(4.9)
        assert memory.get(150).pose[:2] == pytest.approx([4.9, 5.0])


def test_an_empty_span_does_not_stop_merging(tmp_path):
    with VisualMemory(tmp_path / "memory.sqlite", MODEL, replace(ALL, commit_rows=10), seal_rows=10) as memory:
        store = memory.store
        frame, model = store.lay_frame("odom", 0), store.model(MODEL, 16)
        for i in range(1, 101):
            store.add(Record(stamp_of(i), frame, np.zeros(3), np.eye(3), 0.5, model, latent_of(i)))
            if i % 10 == 0:
                store.flush()
                store.writer.settle()
            if i == 35:
                memory.forget(MemoryQuery(after=stamp_of(11), before=stamp_of(20)))
        assert not store.failure and [(s.first, s.last) for s in store.layout.segments()][0] == (1, 80)
        assert len(memory) == 90


def test_stray_files_and_endless_times_do_no_harm(copy):
    (copy.parent / "memory.sqlite.d" / "notes.segment").write_text("mine")
    (copy.parent / "memory.sqlite.d" / "x.journal").write_text("mine")
    assert check_whole(copy) == ""
    assert (copy.parent / "memory.sqlite.d" / "notes.segment").read_text() == "mine"
