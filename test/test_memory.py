"""The visual memory against real files: a NumPy reference, other models, damage, and kill -9."""

from __future__ import annotations

import math
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import latentworld
from latentworld.memory import KeyframeGate, MemoryParameters, MemoryQuery, VisualMemory
from latentworld.memory.latents import LatentCache, distances, products
from latentworld.memory.odometry_drift import OdometryDrift
from latentworld.memory.store import KeyframeStore, Record
from latentworld.types import NANOSECONDS, Latent, LatentworldError, WorldState, stamp_of

MODEL, OTHER, DIMENSIONS = "0123456789ab", "ba9876543210", 24
ALL = MemoryParameters(keep_distance=0.0, keep_angle=0.0, keep_p_value=1.0, keep_interval=0.0)


def state_at(t: float, pose=(0.0, 0.0, 0.0), p_value: float = 0.5, speed: float = 0.5) -> WorldState:
    stamp, nothing = stamp_of(t), np.zeros(2, np.float32)
    return WorldState(
        stamp, stamp, MODEL, np.array(pose), np.array([speed, 0.0]), nothing, np.zeros(4, np.float32), p_value=p_value
    )


def latent_at(t: float, vector: np.ndarray, model_id: str = MODEL) -> Latent:
    return Latent(stamp_of(t), model_id, vector)


@pytest.fixture
def walk():
    """A walk of 400 keyframes: times (N,) s, poses (N, 3), latents (N, D) that change with the place."""
    random = np.random.default_rng(3)
    times = np.cumsum(random.uniform(0.2, 1.0, 400)) + 1.7e9
    poses = np.cumsum(random.normal(0, 0.15, (400, 3)), axis=0)
    mixing = random.normal(size=(3, DIMENSIONS))
    vectors = (np.sin(poses @ mixing) + 0.05 * random.normal(size=(400, DIMENSIONS))).astype(np.float32)
    return times, poses, vectors


@pytest.fixture
def memory(tmp_path, walk):
    with VisualMemory(tmp_path / "memory.sqlite", MODEL, ALL) as memory:
        for number, (t, pose, vector) in enumerate(zip(*walk, strict=True), 1):
            assert memory.consider(state_at(t, pose), latent_at(t, vector), b"jpeg %d" % number) == number
        memory.flush()
        yield memory


def reference(walk, query: MemoryQuery) -> list[int]:
    """Ids that a query must answer, best first, by NumPy over everything."""
    times, poses, vectors = walk
    stamps = np.array([stamp_of(t) for t in times])
    after, before = query.after or 0, query.before or stamps[-1]
    keep = (stamps >= after) & (stamps <= before)
    key = -stamps.astype(float)
    if query.after and query.before:
        key = np.abs(stamps - (after + before) // 2)
    elif query.after:
        key = stamps - after
    if query.place is not None:
        key = np.hypot(*(poses[:, :2] - np.asarray(query.place[:2])).T)
        keep &= key <= query.radius
    if query.latent is not None:
        key = np.linalg.norm(vectors.astype(np.float16).astype(np.float64) - query.latent.vector, axis=1)
    order = np.argsort(np.where(keep, key, np.inf), kind="stable")[: min(query.limit, keep.sum())]
    return (order + 1).tolist()


def test_a_keyframe_comes_back_as_it_was_kept(memory, walk):
    times, poses, _ = walk
    found = memory.get(200)
    assert (found.id, found.stamp, found.model_id, found.frame_id) == (200, stamp_of(times[199]), MODEL, "odom")
    np.testing.assert_array_equal(found.pose, poses[199])
    assert found.thumbnail == b"jpeg 200" and found.surprise == 0.5
    assert np.linalg.eigvalsh(found.covariance).min() > 0
    assert memory.get(401) is None and len(memory) == 400


def test_a_keyframe_kept_a_moment_ago_can_be_had(tmp_path, walk):
    _, _, vectors = walk
    with VisualMemory(tmp_path / "memory.sqlite", MODEL, ALL) as memory:
        id = memory.consider(state_at(1.0), latent_at(1.0, vectors[0]))
        assert memory.get(id).stamp == NANOSECONDS


@pytest.mark.parametrize("latent", [False, True])
@pytest.mark.parametrize(
    "place, radius", [(None, math.inf), ((0.5, 0.3, 1.0), 0.4), ((0.5, 0.3), 2.0), ((9.0, -9.0), math.inf)]
)
def test_every_combination_of_keys_is_exact(memory, walk, latent, place, radius):
    times, _, vectors = walk
    key = latent_at(0, vectors[77] + 0.1) if latent else None
    for after, before, limit in product((None, 100.0), (None, 180.0), (1, 7, 1000)):
        after, before = (None if t is None else stamp_of(times[0] + t) for t in (after, before))
        query = MemoryQuery(key, place, radius, after=after, before=before, limit=limit)
        answer = memory.query(query)
        assert [k.id for k in answer.keyframes] == reference(walk, query), query
        for found in answer.keyframes:
            assert math.isnan(found.latent_distance) != latent and math.isnan(found.place_distance) == (place is None)
            assert found.thumbnail is None


def test_thumbnails_come_when_asked_for(memory):
    assert [k.thumbnail for k in memory.query(MemoryQuery(limit=2, thumbnails=True)).keyframes] == [
        b"jpeg 400",
        b"jpeg 399",
    ]


def test_never_seen_is_told_from_seen(memory, walk):
    _, _, vectors = walk
    random = np.random.default_rng(4)
    seen = memory.query(
        MemoryQuery(latent_at(0, vectors[50] + 0.02 * random.normal(size=DIMENSIONS).astype(np.float32)))
    )
    unseen = memory.query(MemoryQuery(latent_at(0, 4.0 * random.normal(size=DIMENSIONS).astype(np.float32))))
    steps = np.linalg.norm(np.diff(vectors.astype(np.float16).astype(np.float64), axis=0), axis=1)
    assert seen.threshold == pytest.approx(np.quantile(steps, 0.95))
    assert not seen.never_seen and unseen.never_seen
    assert memory.query(MemoryQuery(place=(900.0, 0.0), radius=1.0)).never_seen
    assert not memory.query(MemoryQuery(place=(900.0, 0.0))).never_seen  # the nearest there is


def test_a_memory_that_holds_little_calls_nothing_never_seen(tmp_path, walk):
    with VisualMemory(tmp_path / "memory.sqlite", MODEL, ALL) as memory:
        assert memory.query(MemoryQuery(latent_at(0, walk[2][0]))).never_seen  # it holds nothing at all
        memory.consider(state_at(1.0), latent_at(1.0, walk[2][0]))
        memory.flush()
        assert not memory.query(MemoryQuery(latent_at(0, walk[2][0] + 9))).never_seen
    with VisualMemory(tmp_path / "memory.sqlite", MODEL, replace(ALL, never_seen_distance=1.0)) as memory:
        assert memory.query(MemoryQuery(latent_at(0, walk[2][0] + 9))).never_seen


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


def test_a_jump_of_odometry_lays_a_new_frame(tmp_path, walk):
    with VisualMemory(tmp_path / "memory.sqlite", MODEL, ALL) as memory:
        poses = [(0, 0, 0), (0.05, 0, 0), (4.0, 3.0, 0), (4.05, 3.0, 0), (4.5, 3.0, 0)]
        times = [1.0, 1.1, 1.2, 1.3, 2.3]  # the last is a second of dropped frames, explained by the speed
        ids = [memory.consider(state_at(t, p), latent_at(t, walk[2][0])) for t, p in zip(times, poses, strict=True)]
        memory.flush()
        assert [memory.get(id).frame for id in ids] == [1, 1, 2, 2, 2]


def test_latents_of_two_models_share_a_file_and_never_an_answer(memory, walk, tmp_path):
    vector = walk[2][0]
    with pytest.raises(LatentworldError, match=f"expected model {MODEL}, got model {OTHER}"):
        memory.query(MemoryQuery(latent_at(0, vector, OTHER)))
    with pytest.raises(LatentworldError, match=f"expected model {MODEL}, got model {OTHER}"):
        memory.consider(state_at(1e10), latent_at(1e10, vector, OTHER))
    memory.close()
    with VisualMemory(tmp_path / "memory.sqlite", OTHER, ALL) as other:
        assert other.consider(state_at(2e9), latent_at(2e9, vector[:10], OTHER)) == 401
        other.flush()
        assert [k.id for k in other.query(MemoryQuery(latent_at(0, vector[:10], OTHER), limit=9)).keyframes] == [401]
        assert [k.model_id for k in other.query(MemoryQuery(limit=2)).keyframes] == [OTHER, MODEL]


@pytest.mark.parametrize(
    "vector, said",
    [
        (np.full(DIMENSIONS, np.nan, np.float32), "finite.* got nan"),
        (np.full(DIMENSIONS, 7e4, np.float32), "65504, got 70000"),
        (np.zeros(DIMENSIONS + 1, np.float32), r"expected shape \(24,\), got \(25,\)"),
        (np.zeros((1, DIMENSIONS), np.float32), r"expected shape \(24,\), got \(1, 24\)"),
    ],
)
def test_a_bad_latent_is_refused(memory, vector, said):
    with pytest.raises(LatentworldError, match=said):
        memory.consider(state_at(2e9), latent_at(2e9, vector))
    with pytest.raises(LatentworldError, match=said):
        memory.query(MemoryQuery(latent_at(2e9, vector)))
    memory.flush()
    assert len(memory) == 400


def test_a_pose_that_is_not_the_images_is_refused(memory, walk):
    with pytest.raises(LatentworldError, match="belief at the exposure"):
        memory.consider(state_at(2e9 + 0.1), latent_at(2e9, walk[2][0]))
    with pytest.raises(LatentworldError, match="finite pose"):
        memory.consider(state_at(2e9, (0, math.nan, 0)), latent_at(2e9, walk[2][0]))
    with pytest.raises(LatentworldError, match=r"finite covariance \(3, 3\)"):
        memory.consider(state_at(2e9), latent_at(2e9, walk[2][0]), covariance=np.eye(2))


@pytest.mark.parametrize(
    "keys, said",
    [
        ({"place": (math.nan, 0)}, "place"),
        ({"place": (0.0, 0.0), "radius": 0.0}, "radius"),
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"after": 2, "before": 1}, "after <= before"),
    ],
)
def test_a_bad_query_is_refused(keys, said):
    with pytest.raises(LatentworldError, match=said):
        MemoryQuery(**keys)


def test_parameters_out_of_range_are_refused():
    with pytest.raises(LatentworldError, match="keep_distance: expected within .0.0, 100.0., got -1.0"):
        MemoryParameters(keep_distance=-1.0)


def test_the_gate_keeps_what_moved_turned_surprised_or_is_due():
    gate = KeyframeGate(MemoryParameters())
    assert gate.keep(state_at(0, (0, 0, 3.1)))  # the first
    assert not gate.keep(state_at(1, (0.2, 0.1, -3.1)))  # 0.22 m, 4.8 degrees across pi
    assert gate.keep(state_at(2, (0.2, 0.2, 3.1)))  # 0.28 m
    assert not gate.keep(state_at(3, (0.2, 0.4, 3.1)))  # 0.2 m from the last one kept
    assert gate.keep(state_at(4, (0.2, 0.2, -2.9)))  # 16 degrees across pi
    assert not gate.keep(state_at(5, (0.2, 0.2, -2.9), p_value=0.05))
    assert gate.keep(state_at(6, (0.2, 0.2, -2.9), p_value=0.04))
    assert not gate.keep(state_at(16, (0.2, 0.2, -2.9)))
    assert gate.keep(state_at(16.1, (0.2, 0.2, -2.9)))
    gate.reset()
    assert gate.keep(state_at(16.2, (0.2, 0.2, -2.9)))


def test_drift_grows_across_the_path():
    drift = OdometryDrift(0.02, 0.02)
    assert not drift.move(np.zeros(3)).any()
    for x in np.arange(0.1, 10.01, 0.1):
        covariance = drift.move(np.array([x, 0.0, 0.0]))
    assert covariance[0, 0] == pytest.approx(0.02**2 * 10)  # along: a random walk
    assert covariance[1, 1] > 20 * covariance[0, 0]  # across: the heading error carried on
    assert covariance[1, 2] > 0


def test_fast_products_are_those_of_the_halves():
    random = np.random.default_rng(5)
    rows = np.concatenate([random.normal(size=(3000, 64)), 1e-7 * random.normal(size=(9, 64)), 6e4 * np.ones((1, 64))])
    rows, vector = rows.astype(np.float16), random.normal(size=64).astype(np.float32)
    np.testing.assert_allclose(products(rows, vector), rows.astype(np.float64) @ vector, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("offset", [0.0, 300.0])  # far from the origin the fast sum cancels, and must not decide
def test_the_nearest_of_a_cache_are_exact(offset):
    random = np.random.default_rng(6)
    rows = (random.normal(size=(5000, 32)) + offset).astype(np.float16)
    cache = LatentCache()
    for _ in range(0, 5000, 700):
        cache.extend(lambda last: [(i + 1, rows[i].tobytes()) for i in range(last, min(last + 700, 5000))])
    for vector in (random.normal(size=(20, 32)) + offset).astype(np.float32):
        ids, found = cache.nearest(vector, 10)
        exact = distances(rows, vector)
        expected = np.lexsort((-np.arange(5000), exact))[:10]
        assert (ids - 1).tolist() == expected.tolist()
        np.testing.assert_array_equal(found, exact[expected])


def filled(path, count: int, seed: int = 7):
    """A store of many rooms, written straight: stamps, poses, latents as a query must see them."""
    random = np.random.default_rng(seed)
    poses = random.uniform(-40, 40, (count, 3))
    latents = random.normal(size=(count, 16)).astype(np.float16)
    stamps = [stamp_of(1.7e9 + 0.1 * i) for i in range(count)]
    store = KeyframeStore(path, rows=100_000)
    frame, model = store.lay_frame("odom", stamps[0]), store.model(MODEL, 16)
    for stamp, pose, latent in zip(stamps, poses, latents, strict=True):
        store.add(Record(stamp, frame, pose, np.eye(3), 0.5, model, latent))
        if store.waiting >= 9_000:
            store.flush()
    store.close()
    return np.array(stamps), poses, latents


def test_narrow_and_broad_queries_are_right_over_20000_rows(tmp_path):
    stamps, poses, latents = filled(tmp_path / "memory.sqlite", 20_000)
    random = np.random.default_rng(8)
    with VisualMemory(tmp_path / "memory.sqlite") as memory:
        for radius, span in [(1.0, 2000), (3.0, 500), (10.0, 100), (1e3, 1500)] * 3:
            place, vector = random.uniform(-40, 40, 2), random.normal(size=16).astype(np.float32)
            after = stamps[0] + stamp_of(random.uniform(0, 1000))
            query = MemoryQuery(
                latent_at(0, vector), place, radius, 1, int(after), int(after) + stamp_of(span), limit=8
            )
            keep = np.hypot(*(poses[:, :2] - place).T) <= radius
            keep &= (stamps >= query.after) & (stamps <= query.before)
            order = np.argsort(np.where(keep, distances(latents, vector), np.inf))[: min(8, keep.sum())]
            assert [k.id for k in memory.query(query).keyframes] == (order + 1).tolist()


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
