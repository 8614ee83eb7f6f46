"""Things without names: they stay, go, come back elsewhere, are remembered across restarts, and are forgotten."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from walks import ALL, AS_IN_4, MODEL, kept_to_8_bits, latent_at, state_at

from latentworld.memory import Join, MemoryQuery, Trajectory, VisualMemory
from latentworld.memory.objects import ObjectTracker
from latentworld.types import LatentworldError, Objects, stamp_of

DIMENSIONS, LOOK = 16, 32
OPEN = np.full(32, 5.0, np.float32)  # metres of free view
SHARPNESS, EVEN = 12.0, 6.0


def look(thing: int) -> np.ndarray:
    vector = np.random.default_rng(thing).normal(size=LOOK)
    return (SHARPNESS**0.5 * vector / np.linalg.norm(vector)).astype(np.float32)


def shown(t: float, things: dict[int, tuple[float, float]], pose=(0.0, 0.0, 0.0), free=OPEN) -> Objects:
    """Things at places (in odom) as a base at ``pose`` sees them."""
    c, s = math.cos(pose[2]), math.sin(pose[2])
    places = [
        ((x - pose[0]) * c + (y - pose[1]) * s, (y - pose[1]) * c - (x - pose[0]) * s) for x, y in things.values()
    ]
    looks = np.array([look(thing) for thing in things], np.float32).reshape(-1, LOOK)
    cells = np.full(len(things), 20)
    return Objects(
        stamp_of(t), "finder", np.array(places).reshape(-1, 2), looks, EVEN, cells, free, (math.pi / 4, -math.pi / 4)
    )  # fmt: skip


def see(memory: VisualMemory, t: float, things, pose=(0.0, 0.0, 0.0), free=OPEN) -> None:
    latent = latent_at(t, np.random.default_rng(int(10 * t)).normal(size=DIMENSIONS).astype(np.float32))
    assert memory.consider(state_at(t, pose), latent, objects=lambda: shown(t, things, pose, free))


@pytest.fixture
def memory(tmp_path):
    with VisualMemory(tmp_path / "memory.sqlite", MODEL, ALL) as memory:
        yield memory


def places(thing) -> list[tuple[float, float]]:
    return [tuple(stay.place.round(1).tolist()) for stay in thing.history]


def test_a_thing_is_where_it_was_seen_last(memory):
    for t in range(1, 6):
        see(memory, t, {1: (2.0, 0.5), 2: (3.0, -1.0)})
    memory.flush()
    (one,) = memory.objects(like=shown(0, {1: (1.0, 1.0)}))
    assert places(one) == [(2.0, 0.5)] and one.seen == 5 and one.last.gone is None
    assert (one.last.first, one.last.last) == (stamp_of(1), stamp_of(5)) and one.likeness > 3
    assert {thing.id for thing in memory.objects(place=(3.0, -1.0), radius=0.3)} == {2}
    assert memory.objects(like=shown(0, {7: (1.0, 1.0)})) == ()


def test_a_thing_that_was_moved_is_the_same_thing_elsewhere(memory):
    for t in range(1, 4):
        see(memory, t, {1: (2.0, 0.5), 2: (3.0, -1.0)})
    for t in range(4, 7):
        see(memory, t, {1: (1.5, -0.6), 2: (3.0, -1.0)})
    memory.flush()
    (one,) = memory.objects(like=shown(0, {1: (1.0, 1.0)}))
    assert places(one) == [(2.0, 0.5), (1.5, -0.6)]
    assert one.history[0].gone == stamp_of(4) and one.last.gone is None
    assert len(memory.objects()) == 2
    changed = memory.changes(stamp_of(3.5))
    assert [thing.id for thing in changed.moved] == [one.id] and not changed.appeared and not changed.gone


def test_a_thing_is_gone_once_its_place_was_seen_empty_and_not_before(memory):
    hidden = OPEN.copy()
    hidden[:16] = 1.0  # something stands before it
    see(memory, 1, {1: (2.0, 0.5)})
    see(memory, 2, {1: (2.0, 0.5)})
    for t in range(3, 6):
        see(memory, t, {}, free=hidden)
    for t in range(6, 8):
        see(memory, t, {}, pose=(0.0, 0.0, 2.0))  # looking elsewhere
    memory.flush()
    assert memory.object(1).last.gone is None
    see(memory, 8, {})
    see(memory, 9, {})
    memory.flush()
    assert memory.object(1).last.gone == stamp_of(8) and memory.object(1).last.last == stamp_of(2)
    assert [thing.id for thing in memory.changes(stamp_of(5)).gone] == [1]


def test_what_is_seen_once_and_no_more_is_no_thing_yet(memory):
    see(memory, 1, {1: (2.0, 0.5)})
    memory.flush()
    assert memory.objects() == () and memory.object(1) is None


def test_it_goes_on_after_a_restart_in_another_odom(tmp_path):
    for start in range(2):
        with VisualMemory(tmp_path / "memory.sqlite", MODEL, ALL) as memory:
            for t in range(1, 4):
                see(memory, 100 * start + t, {1: (2.0, 0.5 - start), 3 + start: (3.0, -0.5)})
    with VisualMemory(tmp_path / "memory.sqlite") as memory:
        one = memory.objects(like=shown(0, {1: (1.0, 1.0)}))[0]
        assert [(stay.frame_id, *stay.place.round(1)) for stay in one.history] == [
            ("odom#1", 2.0, 0.5),
            ("odom", 2.0, -0.5),
        ]
        assert len(memory.objects()) == 3
        assert len(memory.objects(place=(2.0, 0.5), radius=0.2, frame=1)) == 1
        with pytest.raises(LatentworldError, match="finder finder found, got other's"):
            memory.objects(like=replace(shown(0, {1: (1.0, 1.0)}), model_id="other"))


def test_places_move_when_localisation_learns_better(memory):
    for t in range(1, 5):
        see(memory, t, {1: (2.0, 0.5)})
    memory.flush()
    stamps = np.array([stamp_of(0), stamp_of(10)])
    number = memory.correct(Trajectory(stamps, np.array([[10.0, 0.0, math.pi / 2]] * 2), "map"))
    (one,) = memory.objects(place=(9.5, 2.0), radius=0.1, frame=number)
    assert one.last.place == pytest.approx([9.5, 2.0], abs=0.02)


def traces(folder) -> list:
    """Files that hold what thing 2 looked like, all three times together."""
    once = np.float32(20**0.5) * look(2)
    needle = (once + once + once).astype("<f4").tobytes()
    files = [file for file in folder.rglob("*") if file.is_file()]
    return [file for file in files if any(n in file.read_bytes() for n in (needle, needle.hex().encode()))]


def test_what_is_forgotten_is_no_thing_any_more_and_its_number_is_not_given_again(tmp_path):
    path = tmp_path / "memory.sqlite"
    with VisualMemory(path, MODEL, ALL) as memory:
        for t in range(1, 4):
            see(memory, t, {1: (2.0, 0.5)})
        for t in range(11, 14):
            see(memory, t, {2: (3.0, -1.0)}, pose=(0.5, 0.0, 0.0))
        memory.flush()
        memory.forget(MemoryQuery(after=stamp_of(10)))
        assert [thing.id for thing in memory.objects()] == [1]
        for t in range(21, 24):
            see(memory, t, {2: (3.0, -1.0)}, pose=(0.5, 0.0, 0.0))
        memory.flush()
        assert [thing.id for thing in memory.objects()] == [3, 1]
        assert traces(tmp_path)
        memory.forget(MemoryQuery(after=stamp_of(20)))
    with VisualMemory(path, MODEL, ALL) as memory:
        assert [thing.id for thing in memory.objects()] == [1]
    assert not traces(tmp_path)


def test_a_thing_is_forgotten_with_every_keyframe_that_may_show_it_and_other_things_are_not(tmp_path):
    path = tmp_path / "memory.sqlite"
    with VisualMemory(path, MODEL, ALL) as memory:
        for t in range(1, 4):
            see(memory, t, {1: (2.0, 0.5)})
        for t in range(4, 7):
            see(memory, t, {2: (-2.0, 0.5)}, pose=(0.0, 0.0, math.pi))
        for t in range(7, 10):
            see(memory, t, {}, free=np.full(32, 1.0, np.float32))  # it is there, hidden or not found
        memory.flush()
        with pytest.raises(LatentworldError, match="a thing or other keys, got both"):
            memory.forget(MemoryQuery(object=1, after=1))
        assert memory.forget(MemoryQuery(object=1)) == 6
        assert [thing.id for thing in memory.objects()] == [2] and len(memory) == 3
        assert memory.query(MemoryQuery(object=1)).never_seen
        assert {k.id for k in memory.query(MemoryQuery(object=2)).keyframes} == {4, 6}
    with VisualMemory(path, MODEL, ALL) as memory:
        assert not memory.store.repaired and [thing.id for thing in memory.objects(frame=1)] == [2]


def test_a_thing_that_stands_where_it_stood_before_a_restart_has_not_moved(memory):
    for t in range(1, 4):
        see(memory, t, {1: (2.0, 0.5), 2: (3.0, -1.0)})
    memory.lay_frame()
    there = (1.0, 0.0, 0.1)  # where the robot stood before, and stands, as odometry is laid now
    for t in range(100, 104):
        see(memory, t, {1: (3.0, 0.8), 2: (2.5, -0.5)}, pose=there)
    memory.flush()
    assert len(memory.changes(stamp_of(50)).moved) == 2  # as far as is known by then
    memory.join(Join(1, 2, np.array(there), 0.01 * np.eye(3), stamp_of(103), np.array(there)))
    (one,), (other,) = (memory.objects(like=shown(0, {name: (1.0, 1.0)})) for name in (1, 2))
    assert [thing.id for thing in memory.changes(stamp_of(50)).moved] == [other.id]
    assert (one.last.first, one.last.last, one.last.seen) == (stamp_of(1), stamp_of(103), 7) and len(one.history) == 1
    assert len(other.history) == 2


def test_a_memory_of_schema_3_is_taken_over(tmp_path, monkeypatch):
    path, seen = tmp_path / "memory.sqlite", latent_at(1, np.ones(DIMENSIONS, np.float32))
    sql = f"{AS_IN_4} DROP TABLE stay; DROP INDEX submap_first; PRAGMA user_version = 3"
    with kept_to_8_bits(path, monkeypatch, sql), VisualMemory(path, MODEL, ALL) as memory:
        memory.consider(state_at(1), seen)
    with VisualMemory(path, MODEL, ALL) as memory:
        assert not memory.store.repaired
        for t in range(2, 4):
            see(memory, t, {1: (2.0, 0.5)})
        memory.flush()
        assert len(memory) == 3 and len(memory.objects()) == 1
        assert memory.query(MemoryQuery(seen, limit=1)).keyframes[0].id == 1


def test_things_side_by_side_that_look_alike_stay_two():
    tracker = ObjectTracker("finder")
    twins = shown(0, {1: (2.0, 0.5), 2: (2.0, -0.5)})
    twins = replace(twins, looks=np.stack([look(1), look(1)]))
    for t in range(5):
        stays = tracker.see(replace(twins, stamp=stamp_of(t)), np.zeros(3), 0.0, 1, t)
    assert {stay.object for stay in stays} == {1, 2} and tracker.last_stay == 2


def test_what_is_seen_while_it_is_forgotten_does_not_bring_it_back(memory):
    for t in range(1, 4):
        see(memory, t, {1: (2.0, 0.5)})
    memory.flush()
    real = memory.store.writer.forget

    def forget_and_see(choose):
        gone = real(choose)
        see(memory, 4, {1: (2.0, 0.5)})  # the robot drives on meanwhile
        return gone

    memory.store.writer.forget = forget_and_see
    assert memory.forget(MemoryQuery(object=1)) == 3
    memory.flush()
    assert memory.object(1) is None and len(memory) == 1
