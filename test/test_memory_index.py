"""Sealed segments and the index over them: what is old is found as well as what is young, alone and under filters."""

from __future__ import annotations

import shutil
import sqlite3
import threading

import numpy as np
import pytest
from walks import ALL, MODEL, as_kept, kept_to_8_bits, latent_at, state_at

from latentworld.memory import MemoryQuery, VisualMemory, search
from latentworld.memory.latent_format import LatentFormat
from latentworld.memory.records import Record
from latentworld.memory.rows import ROW, Rows
from latentworld.memory.segment import Segment, grouped, merge, write
from latentworld.memory.store import KeyframeStore
from latentworld.types import stamp_of

ROWS, SEAL, DIMENSIONS = 6000, 500, 32


def drive(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Poses (N, 3) of a walk through a flat, again and again; latents (N, D) as they are kept."""
    random = np.random.default_rng(seed)
    walk = np.cumsum(random.normal(0, 0.1, (count, 3)), 0)
    poses = np.concatenate([np.abs((walk[:, :2] + 5) % 10 - 5), walk[:, 2:]], 1)
    keys = np.stack([*poses[:, :2].T, np.cos(poses[:, 2]), np.sin(poses[:, 2])], 1)
    mixing = np.random.default_rng(99).normal(size=(4, DIMENSIONS))
    latents = np.cos(keys @ mixing) + random.normal(0, 0.1, (count, DIMENSIONS))
    return poses, as_kept(latents)


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    """A memory of twelve sealings, eight of them merged, and its poses and latents."""
    path = tmp_path_factory.mktemp("flat") / "memory.sqlite"
    poses, latents = drive(ROWS + 100)
    store = KeyframeStore(path, rows=SEAL, seal_rows=SEAL)
    frame, model = store.lay_frame("odom", 0), store.model(MODEL, DIMENSIONS)
    for first in range(0, len(poses), SEAL):
        for i in range(first, min(first + SEAL, len(poses))):
            store.add(Record(stamp_of(i), frame, poses[i], np.eye(3), 0.5, model, latents[i]))
        store.writer.settle()
    assert [s.last - s.first + 1 for s in store.layout.segments()] == [8 * SEAL] + 4 * [SEAL]
    store.close()
    return path, poses, latents


def questions(latents: np.ndarray, count: int) -> np.ndarray:
    random = np.random.default_rng(1)
    picked = latents[random.integers(0, len(latents), count)].astype(np.float32)
    return picked + random.normal(0, 0.1, picked.shape).astype(np.float32)


def nearest(latents: np.ndarray, vector: np.ndarray, keep: np.ndarray, limit: int) -> list[int]:
    order = np.argsort(np.where(keep, search.distances(latents, vector), np.inf))
    return (order[: min(limit, keep.sum())] + 1).tolist()


def test_the_nearest_of_a_life_are_found(flat, monkeypatch):
    path, _, latents = flat
    monkeypatch.setattr("latentworld.memory.index.READ", ROWS // 4)
    everything, found, told = np.ones(len(latents), bool), 0, 0
    with VisualMemory(path) as memory:
        for vector in questions(latents, 100):
            answer = memory.query(MemoryQuery(latent_at(0, vector), limit=10)).keyframes
            expected = nearest(latents, vector, everything, 10)
            found += len({k.id for k in answer} & set(expected))
            told += sum(
                k.latent_distance == pytest.approx(search.distances(latents[[k.id - 1]], vector)[0]) for k in answer
            )
    assert told == 1000 and found >= 980


def test_wide_filters_go_through_the_index_and_narrow_ones_are_exact(flat, monkeypatch):
    path, poses, latents = flat
    stamps = np.array([stamp_of(i) for i in range(len(poses))])
    for narrow, least in ((10**6, 1.0), (0, 0.98)):
        monkeypatch.setattr(search, "NARROW", narrow)
        found = asked = 0
        with VisualMemory(path) as memory:
            for vector in questions(latents, 30):
                place = poses[len(poses) // 3][:2]
                query = MemoryQuery(latent_at(0, vector), place, 2.0, 1, stamp_of(700), stamp_of(5900), limit=10)
                keep = (np.hypot(*(poses[:, :2] - place).T) <= 2) & (stamps >= query.after) & (stamps <= query.before)
                answer, expected = memory.query(query).keyframes, nearest(latents, vector, keep, 10)
                assert all(keep[k.id - 1] for k in answer)
                found, asked = found + len({k.id for k in answer} & set(expected)), asked + len(expected)
        assert asked > 200 and found >= least * asked


def test_an_open_reader_sees_what_is_kept_sealed_and_merged_meanwhile(tmp_path):
    path, (poses, latents) = tmp_path / "memory.sqlite", drive(1000)
    store = KeyframeStore(path, rows=10, seal_rows=50)
    frame, model = store.lay_frame("odom", 0), store.model(MODEL, DIMENSIONS)
    store.add(Record(0, frame, poses[0], np.eye(3), 0.5, model, latents[0]))
    store.flush()
    wrong, done = [], threading.Event()
    with VisualMemory(path) as memory:

        def ask():
            while not done.is_set():
                known = store.acknowledged()
                answer = memory.query(MemoryQuery(latent_at(0, latents[known - 1].astype(np.float32)), limit=1))
                if answer.keyframes[0].latent_distance > 0:
                    wrong.append(known)

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        for i in range(1, len(poses)):
            store.add(Record(stamp_of(i), frame, poses[i], np.eye(3), 0.5, model, latents[i]))
            if i % 25 == 0:
                store.flush()
        store.writer.settle()
        done.set()
        for thread in threads:
            thread.join(30)
        assert len(memory) == 1000 and not wrong
    assert len(store.layout.segments()) < 1000 // 50
    store.close()


def test_a_change_of_model_ends_a_segment(tmp_path):
    path, other = tmp_path / "memory.sqlite", "ffffffffffff"
    for model, size, first in ((MODEL, 8, 0), (other, 12, 100), (MODEL, 8, 200)):
        with VisualMemory(path, model, ALL) as memory:
            for i in range(first, first + 100):
                vector = np.random.default_rng(i).normal(size=size).astype(np.float32)
                memory.consider(state_at(i, (0.01 * i, 0, 0)), latent_at(i, vector, model))
    store = KeyframeStore(path, seal_rows=250)
    model = store.model(MODEL, 8)
    store.add(Record(stamp_of(300), 3, np.zeros(3), np.eye(3), 0.5, model, np.zeros(8, np.float16)))
    store.writer.settle()
    store.close()
    assert [(s.first, s.last) for s in store.layout.segments()] == [(1, 100), (101, 200), (201, 301)]
    for model, size, i in ((MODEL, 8, 250), (other, 12, 130)):
        with VisualMemory(path, model) as memory:
            vector = np.random.default_rng(i).normal(size=size).astype(np.float32)
            found = memory.query(MemoryQuery(latent_at(0, vector, model), limit=1)).keyframes[0]
            assert found.id == i + 1 and found.latent_distance < 0.03  # to 8 bits


def rows_of(count: int, first: int = 1) -> Rows:
    head = np.zeros(count, ROW)
    head["id"], head["model"] = np.arange(first, first + count), 1
    return Rows.of(head, drive(count, first)[1], LatentFormat(DIMENSIONS, 10))


def test_a_segment_holds_its_rows_and_so_does_one_that_was_merged(tmp_path):
    parts, rows = [], [rows_of(700, 1), rows_of(700, 701)]
    for number, (first, some) in enumerate(zip((1, 701), rows, strict=True)):
        write(tmp_path / str(number), (first, first + 699), some, 10)
        part = Segment(tmp_path / str(number))
        held, sound = part.rows()
        order = np.argsort(held.head["id"])
        assert sound.all() and (held.head["id"][order] == some.head["id"]).all()
        np.testing.assert_array_equal(held.codes[order], some.codes)
        np.testing.assert_array_equal(part.searched(0, 700)[order], some.codes[:, -10:])
        parts.append(part)
    merge(tmp_path / "both", (1, 1400), parts)
    both = Segment(tmp_path / "both")
    assert (both.first, both.last, both.count) == (1, 1400, 1400)
    held, sound = both.rows()
    assert sound.all()
    order = np.argsort(held.head["id"])
    np.testing.assert_array_equal(held.head[order]["step"], np.concatenate([r.head["step"] for r in rows]))
    np.testing.assert_array_equal(held.codes[order], np.concatenate([r.codes for r in rows]))


def test_lists_are_of_rows_that_are_near_each_other():
    codes, steps = LatentFormat(DIMENSIONS, DIMENSIONS, bits=8).coded(drive(5000)[1])
    centroids, which = grouped(codes, steps)
    wide = codes * steps[:, None]
    spread = np.linalg.norm(wide - centroids[which], axis=1).mean()
    assert 10 <= len(centroids) <= 40 and spread < 0.75 * np.linalg.norm(wide - wide.mean(0), axis=1).mean()
    assert np.bincount(which, minlength=len(centroids)).max() < 5000 // 4


def test_latents_are_found_by_their_last_numbers_alone(tmp_path):
    random, looks = np.random.default_rng(6), 8
    poses, latents = drive(1300)
    latents[:, :-looks] = 20 * random.normal(size=latents[:, :-looks].shape)  # says nothing, and loudly
    latents = as_kept(latents, looks)
    store = KeyframeStore(tmp_path / "memory.sqlite", rows=SEAL, seal_rows=SEAL)
    frame, model = store.lay_frame("odom", 0), store.model(MODEL, DIMENSIONS, looks)
    for i in range(len(poses)):
        store.add(Record(stamp_of(i), frame, poses[i], np.eye(3), 0.5, model, latents[i]))
    store.writer.settle()
    store.close()
    everything = np.ones(len(latents), bool)
    with VisualMemory(tmp_path / "memory.sqlite") as memory:
        assert memory.store.layout.segments() and memory.store.format(MODEL).looks == looks
        for i in (3, 700, 1290):
            asked = latents[i] + np.concatenate([random.normal(size=DIMENSIONS - looks), np.zeros(looks)])
            for narrow in (False, True):
                place = {"place": poses[i], "radius": 5.0, "frame": 1} if narrow else {}
                keep = np.hypot(*(poses - poses[i])[:, :2].T) <= 5.0 if narrow else everything
                answer = memory.query(MemoryQuery(latent_at(0, asked.astype(np.float32)), limit=5, **place)).keyframes
                assert [k.id for k in answer] == nearest(latents[:, -looks:], asked[-looks:], keep, 5)
                assert answer[0].id == i + 1 and answer[0].latent_distance < 1e-3


@pytest.mark.parametrize("lost", [False, True])
def test_what_an_earlier_version_kept_to_8_bits_is_read_and_goes_on(tmp_path, monkeypatch, lost):
    path, (poses, latents) = tmp_path / "memory.sqlite", drive(600)
    with kept_to_8_bits(path, monkeypatch):
        store = KeyframeStore(path, rows=100, seal_rows=200)
        frame, model = store.lay_frame("odom", 0), store.model(MODEL, DIMENSIONS)
        for i in range(500):
            store.add(Record(stamp_of(i), frame, poses[i], np.eye(3), 0.5, model, latents[i]))
        store.writer.settle()
        store.close()
    if lost:
        path.unlink()
    store = KeyframeStore(path)
    assert bool(store.repaired) == lost and store.format(MODEL).bits == 8
    model = store.model(MODEL, DIMENSIONS)
    for i in range(500, 600):
        store.add(Record(stamp_of(i), frame, poses[i], np.eye(3), 0.5, model, latents[i]))
    store.close()
    with VisualMemory(path) as memory:
        assert not memory.store.repaired and len(memory) == 600
        for i in (3, 250, 599):
            answer = memory.query(MemoryQuery(latent_at(0, latents[i].astype(np.float32)), limit=1)).keyframes
            assert answer[0].id == i + 1 and 1e-4 < answer[0].latent_distance < 0.1
    store = KeyframeStore(tmp_path / "new.sqlite")
    assert store.model(MODEL, DIMENSIONS).format.bits == 12
    store.close()


def test_a_base_of_version_2_is_brought_up_to_date(flat, tmp_path):
    (path, poses, latents), copy = flat, tmp_path / "memory.sqlite"
    shutil.copytree(path.parent, tmp_path, dirs_exist_ok=True)
    old = sqlite3.connect(copy)
    for table, column in (("keyframe", "step"), ("model", "looks"), ("model", "bits")):
        old.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    halves = ((latent.astype("<f2").tobytes(), i) for i, latent in enumerate(latents, 1))
    old.executemany("UPDATE keyframe SET latent = ? WHERE id = ?", halves)
    old.execute("PRAGMA user_version = 2")
    old.commit()
    old.close()
    with VisualMemory(copy, MODEL) as memory:
        assert len(memory) == len(poses) and memory.store.format(MODEL).looks == DIMENSIONS
        kept = memory.get(250)
        np.testing.assert_array_equal(kept.pose, poses[249])
        near = memory.query(MemoryQuery(latent_at(0, latents[42].astype(np.float32)), limit=1)).keyframes[0]
        assert near.id == 43 and near.latent_distance < 0.01
    with VisualMemory(copy, MODEL) as memory:
        assert not memory.store.repaired


VERSION_1 = """
CREATE TABLE model (id INTEGER PRIMARY KEY, model_id TEXT NOT NULL UNIQUE, dimensions INTEGER NOT NULL);
CREATE TABLE frame (id INTEGER PRIMARY KEY, name TEXT NOT NULL, laid INTEGER NOT NULL);
CREATE TABLE keyframe (id INTEGER PRIMARY KEY AUTOINCREMENT, stamp INTEGER NOT NULL, frame INTEGER NOT NULL,
    x REAL NOT NULL, y REAL NOT NULL, yaw REAL NOT NULL, covariance BLOB NOT NULL, surprise REAL NOT NULL,
    model INTEGER NOT NULL, latent BLOB NOT NULL);
CREATE TABLE thumbnail (id INTEGER PRIMARY KEY REFERENCES keyframe, jpeg BLOB NOT NULL);
CREATE VIRTUAL TABLE place USING rtree (id, x0, x1, y0, y1, t0, t1);
PRAGMA application_id = 1280789829;
PRAGMA user_version = 1;
"""


def test_a_base_of_version_1_is_brought_up_to_date(tmp_path):
    path, (poses, latents) = tmp_path / "memory.sqlite", drive(300)
    old = sqlite3.connect(path)
    old.executescript(VERSION_1)
    old.execute("INSERT INTO model VALUES (1, ?, ?)", (MODEL, DIMENSIONS))
    old.executemany("INSERT INTO frame VALUES (?, 'odom', 0)", [(1,), (2,)])
    spread = np.diag([1, 2, 3]).astype("<f4").tobytes()
    for i in range(300):
        values = (stamp_of(i), 1 + i // 200, *poses[i].tolist(), spread, 0.25, latents[i].astype("<f2").tobytes())
        old.execute("INSERT INTO keyframe VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, 1, ?)", values)
        old.execute("INSERT INTO thumbnail VALUES (?, ?)", (i + 1, b"jpeg %d" % i))
    old.commit()
    old.close()
    for said in ("300 keyframes", ""):
        with VisualMemory(path, MODEL) as memory:
            assert said in memory.store.repaired if said else not memory.store.repaired
            assert len(memory) == 300
            kept = memory.get(250)
            assert (kept.stamp, kept.frame, kept.surprise, kept.thumbnail) == (stamp_of(249), 2, 0.25, b"jpeg 249")
            np.testing.assert_array_equal(kept.pose, poses[249])
            np.testing.assert_array_equal(kept.covariance, np.diag([1, 2, 3]))
            near = memory.query(MemoryQuery(latent_at(0, latents[42].astype(np.float32)), limit=1)).keyframes[0]
            assert near.id == 43 and near.latent_distance < 0.01
    with VisualMemory(path, MODEL, ALL) as memory:
        assert memory.consider(state_at(999), latent_at(999, latents[0].astype(np.float32))) == 301


def test_a_model_is_found_by_no_more_numbers_than_it_has(tmp_path):
    with VisualMemory(tmp_path / "memory.sqlite", MODEL, ALL, looks=64) as memory:
        memory.consider(state_at(1), latent_at(1, np.ones(8, np.float32)))
        memory.flush()
        assert memory.store.format(MODEL).looks == 8
        assert memory.query(MemoryQuery(latent_at(0, np.ones(8, np.float32)))).keyframes[0].latent_distance < 1e-3
