"""Things that stand still tell how far odometry has drifted."""

from __future__ import annotations

import errno
import math
from dataclasses import replace

import numpy as np
import pytest
from test_memory_objects import shown
from walks import ALL, MODEL, latent_at, state_at

from latentworld.memory import Join, Trajectory, VisualMemory, lookup
from latentworld.memory.landmarks import LandmarkMap
from latentworld.memory.submaps import between, placed
from latentworld.types import stamp_of

THINGS = np.array([[0.5, 2.3], [-3.0, 2.5], [0.5, -1.2], [3.4, 1.0], [-1.0, 5.0]])


def drive(count: int, seed: int, wrong: float = 0.0) -> tuple[LandmarkMap, np.ndarray, np.ndarray]:
    """Rounds through a room with odometry that drifts: the map of it, true poses and poses as driven. wrong: share of
    sightings of which it is mistaken which thing they are of.
    """
    random = np.random.default_rng(seed)
    landmarks, true, driven = LandmarkMap(0.02, 0.03), [np.zeros(3)], [np.zeros(3)]
    for i in range(count):
        step = np.array([0.25, 0.0, 0.125])
        true.append(placed(true[-1], step))
        driven.append(placed(driven[-1], step * (1 + random.normal(0, 0.02)) + [0, 0, random.normal(0, 0.01) + 0.004]))
        inside = placed(between(true[-1], np.zeros(3)), np.column_stack([THINGS, np.zeros(len(THINGS))]))[:, :2]
        seen = [
            j for j, (x, y) in enumerate(inside) if x > 0 and abs(math.atan2(y, x)) < 0.8 and math.hypot(x, y) < 4.5
        ]
        names = {j: int(random.integers(5)) if random.random() < wrong else j for j in seen}
        landmarks.add(stamp_of(i), driven[-1], [(names[j], inside[j] + random.normal(0, 0.1, 2), 0.04) for j in seen])
    return landmarks, np.array(true[1:]), np.array(driven[1:])


def error(poses: np.ndarray, true: np.ndarray) -> float:
    """Median metres between the two once the newest poses lie on each other."""
    as_newest = placed(between(poses[-1], true[-1]), poses)
    return float(np.median(np.hypot(*(as_newest - true)[:, :2].T)))


@pytest.mark.parametrize("wrong", [0.0, 0.1])
def test_a_long_drive_comes_to_lie_where_it_was(wrong):
    for seed in range(3):
        landmarks, true, driven = drive(300, seed, wrong)
        trajectory = landmarks.solve()
        assert len(trajectory.stamps) == 294  # the run that is not over stays where it is
        assert error(driven, true) > 0.5 and error(trajectory.poses, true[:294]) < 0.15
        np.testing.assert_allclose(
            placed(between(trajectory.poses[-1], driven[293]), np.zeros((1, 3)))[0, :2], [0, 0], atol=1e-6
        )


def test_where_nothing_is_seen_again_nothing_is_known():
    landmarks = LandmarkMap(0.02, 0.02)
    for i in range(30):
        landmarks.add(stamp_of(i), np.array([0.3 * i, 0, 0]), [(i, np.array([1.0, 0.0]), 0.04)])
    assert landmarks.solve() is None


def look_around(memory: VisualMemory, steps: int, join_at: int = -1) -> np.ndarray:
    """Rounds through the room with odometry that drifts; answers true poses (steps, 3). join_at: step at which an
    earlier laying, driven without drift, is put to where it lies as odometry is then.
    """
    random = np.random.default_rng(0)
    true, driven = [np.zeros(3)], [np.zeros(3)]
    for i in range(steps):
        step = np.array([0.25, 0.0, 0.125])
        true.append(placed(true[-1], step))
        driven.append(placed(driven[-1], step + [0, 0, random.normal(0, 0.01) + 0.003]))
        inside = placed(between(true[-1], np.zeros(3)), np.column_stack([THINGS, np.zeros(len(THINGS))]))[:, :2]
        seen = {j: inside[j] for j in range(5) if inside[j, 0] > abs(inside[j, 1]) and math.hypot(*inside[j]) < 4.4}
        latent = latent_at(i, random.normal(size=16).astype(np.float32))
        memory.consider(state_at(i, driven[-1]), latent, objects=lambda seen=seen, t=i: shown(t, seen))
        if i == join_at:
            memory.flush()
            there, into = between(true[-1], driven[-1]), memory.laying.frame
            memory.join(Join(1, into, there, 0.01 * np.eye(3), stamp_of(i), driven[-1]))
    memory.flush()
    return np.array(true[1:])


def test_a_memory_lays_what_it_saw_where_the_things_say_unless_localisation_knows_better(tmp_path):
    with VisualMemory(tmp_path / "memory.sqlite", MODEL, replace(ALL, heading_drift=0.05)) as memory:
        true = look_around(memory, 240)
        with memory.store.reading() as connection:
            ids = np.arange(1, 235)
            before = np.array([k.pose for k in lookup.keyframes(connection, ids, 1)])
            assert memory.anchor()
            after = np.array([k.pose for k in lookup.keyframes(connection, ids, 1)])
        assert error(before, true[:234]) > 0.4 and error(after, true[:234]) < 0.3
        stamps = np.array([stamp_of(-1), stamp_of(1000)])
        memory.correct(Trajectory(stamps, np.array([[9.0, 9.0, 0.0]] * 2), "map"))
        memory.anchor()
        assert memory.get(100).frame_id == "map#2" and memory.get(100).pose[0] > 5


def test_what_was_joined_follows_odometry_that_is_found_to_have_drifted(tmp_path, monkeypatch):
    def full_disk():
        raise OSError(errno.ENOSPC, "No space left on device")

    earlier = np.column_stack([np.linspace(-2, 3, 20), np.full(20, 1.0), np.zeros(20)])
    with VisualMemory(tmp_path / "memory.sqlite", MODEL, replace(ALL, heading_drift=0.05)) as memory:
        for i, pose in enumerate(earlier):
            memory.consider(state_at(i - 1000, pose, speed=99), latent_at(i - 1000, np.zeros(16, np.float32)))
        memory.lay_frame()
        true = look_around(memory, 240, join_at=40)

        def off() -> float:
            """Metres that the earlier keyframes are off, as seen from a new one."""
            poses = np.array([memory.get(id).pose for id in [*range(1, 21), 250]])
            return error(poses, np.concatenate([earlier, true[229:230]]))

        before = off()
        with monkeypatch.context() as patched, pytest.raises(OSError, match="No space"):
            patched.setattr(memory.store.writer._journal, "sync", full_disk)
            memory.anchor()
        assert off() == before
        for _ in range(2):  # the second time nothing more is known
            assert memory.anchor()
            assert before > 0.4 and off() < 0.25
        assert {memory.get(id).frame for id in (1, 20, 250)} == {2}
