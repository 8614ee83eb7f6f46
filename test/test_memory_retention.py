"""A memory that may not grow for ever: what is old is thinned, what tells least first, and nothing goes unsaid."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from walks import MODEL, latent_at

from latentworld.memory import MemoryQuery, VisualMemory, forgetting, retention
from latentworld.memory.joining import Join, joined
from latentworld.memory.records import Record
from latentworld.memory.store import KeyframeStore
from latentworld.types import stamp_of

ROWS, SEAL, DIMENSIONS, PLACES = 12_000, 500, 16, 40
SURPRISING = set(range(101, ROWS, 401))  # each at another place
BUDGET = 1_800_000  # bytes, of some four million that all would take


def place(i: int) -> np.ndarray:
    return np.array([1.0 * (i % PLACES), 0.0, 0.0])


def looks(i: int) -> np.ndarray:
    """Of a place, a little different each time."""
    random = np.random.default_rng(i)
    return (np.random.default_rng(i % PLACES).normal(size=DIMENSIONS) + 0.02 * random.normal(size=DIMENSIONS)).astype(
        np.float32
    )


def live(path, budget: int = BUDGET, asked: int = 0) -> KeyframeStore:
    """Round after round of the same places. asked: a keyframe that is an answer again and again."""
    store = KeyframeStore(path, rows=250, seal_rows=SEAL, budget=budget)
    frame, model = store.lay_frame("odom", 0), store.model(MODEL, DIMENSIONS)
    for i in range(1, ROWS + 1):
        surprise = 1e-6 if i in SURPRISING else 0.5
        picture = b"<%d>" % i if i % 10 == 0 else None
        store.add(Record(stamp_of(i), frame, place(i), np.eye(3), surprise, model, looks(i), picture))
        if i == asked:
            store.answered([asked] * 1000)
        if i % 250 == 0:
            store.flush()
            store.writer.settle()
    return store


def test_places_of_two_layings_that_lie_apart_do_not_stand_for_each_other(tmp_path):
    store = KeyframeStore(tmp_path / "memory.sqlite", rows=500, seal_rows=SEAL)
    model, id = store.model(MODEL, DIMENSIONS), 0
    for frame, times in ((store.lay_frame("odom", 0), 1), (store.lay_frame("odom", 1), 4)):
        for _ in range(times):
            for i in range(100):
                id += 1
                pose = np.array([float(i), 0.0, 0.0])
                store.add(Record(stamp_of(id), frame, pose, np.eye(3), 0.5, model, looks(id)))
    store.writer.settle()
    apart = Join(1, 2, np.array([0.0, 50.0, 0.0]), np.zeros((3, 3)), 0, np.zeros(3))
    store.writer.change(lambda connection: {"submap": joined(connection, apart)})
    with store.reading() as connection:
        going = retention.least(connection, store.layout.segments()[0], Counter())
    store.close()
    assert len(going) == 250 and min(going) > 100  # each place of the first laying was seen once alone


def ids(store: KeyframeStore) -> np.ndarray:
    with store.reading() as connection:
        return np.array([id for (id,) in connection.execute("SELECT id FROM keyframe ORDER BY id")])


def size(path) -> int:
    return sum(file.stat().st_size for file in path.parent.rglob("*") if file.is_file() and file.suffix != ".lock")


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    path = tmp_path_factory.mktemp("lived") / "memory.sqlite"
    live(path, asked=999).close()
    return path


def test_it_stays_within_its_budget_and_says_what_made_room(lived):
    store = KeyframeStore(lived, seal_rows=SEAL)
    kept = ids(store)
    assert not store.repaired and not store.failure
    assert store.thinned > ROWS / 4 and len(kept) + store.thinned == ROWS
    assert size(lived) < 1.3 * BUDGET  # pages of the base that are free to be used again count for nothing
    store.close()


def test_what_is_old_is_thinned_more_and_no_place_is_lost(lived):
    store = KeyframeStore(lived, writable=False)
    kept = ids(store)
    ages = np.histogram(kept, np.linspace(0, ROWS, 5))[0]
    assert ages[0] < 0.6 * ages[-1] and sorted(ages) == list(ages)
    assert kept[-1] == ROWS
    for begin in range(0, ROWS, 8 * SEAL):  # of each sealed span, every place is known
        assert {i % PLACES for i in kept[(kept > begin) & (kept <= begin + 8 * SEAL)]} == set(range(PLACES))
    assert SURPRISING <= set(kept.tolist()) and 999 in kept
    store.close()


def test_what_is_left_is_found_as_ever_and_what_made_room_is_in_no_file(lived):
    store = KeyframeStore(lived, writable=False)
    kept = set(ids(store).tolist())
    store.close()
    with VisualMemory(lived, MODEL) as memory:
        for i in list(kept)[::400]:
            found = memory.query(MemoryQuery(latent_at(0, looks(i)), limit=1)).keyframes[0]
            assert found.id == i and found.latent_distance < 0.1
            assert memory.get(i).thumbnail == (b"<%d>" % i if i % 10 == 0 else None)
        gone = sorted(set(range(1, ROWS + 1)) - kept)
        assert all(memory.get(i) is None for i in gone[::200])
    files = [file.read_bytes() for file in lived.parent.rglob("*") if file.is_file()]
    for i in [i for i in gone if i % 10 == 0][::30]:
        assert not any(b"<%d>" % i in data for data in files)


def test_cut_off_while_it_makes_room_it_goes_on_at_the_next_opening(tmp_path, monkeypatch):
    path, done = tmp_path / "memory.sqlite", forgetting._from_segment

    def dies(*args):
        raise OSError("no space left on device")

    monkeypatch.setattr(forgetting, "_from_segment", dies)
    store = live(path)
    assert "could not make room: no space left on device" in store.failure
    assert len(ids(store)) > ROWS - SEAL  # what could not be finished is not begun again and again
    store.close()
    monkeypatch.setattr(forgetting, "_from_segment", done)
    store = KeyframeStore(path, seal_rows=SEAL, budget=BUDGET)
    store.writer.settle()
    kept = ids(store)
    with store.reading() as connection:
        assert not store.failure and retention.size_of(store.layout, connection) < BUDGET and kept[-1] == ROWS
    assert {i % PLACES for i in kept} == set(range(PLACES))
    store.close()
    store = KeyframeStore(path, seal_rows=SEAL, thorough=True)
    assert not store.repaired
    store.close()


def test_a_budget_that_nothing_fits_in_is_said_and_nothing_more_is_lost(tmp_path):
    path = tmp_path / "memory.sqlite"
    store = live(path, budget=50_000)
    assert "more than the budget, and nothing left to thin" in store.failure
    kept = ids(store)
    assert len(kept) + store.thinned == ROWS and {i % PLACES for i in kept} == set(range(PLACES))
    store.close()


def test_without_a_budget_all_is_kept(tmp_path):
    store = live(tmp_path / "memory.sqlite", budget=0)
    assert len(ids(store)) == ROWS and store.thinned == 0
    store.close()
