"""When localisation learns where the robot really was, what it saw moves along: at once, for good, and all of it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from walks import ALL, MODEL, latent_at, state_at

from latentworld.memory import MemoryQuery, Trajectory, VisualMemory
from latentworld.memory.submaps import between, placed
from latentworld.types import LatentworldError, stamp_of

ROWS = 400


def truth(t: np.ndarray) -> np.ndarray:
    """Poses (N, 3) along a square of 6 m, in map."""
    side, along = np.divmod(np.asarray(t, float) * 0.1 % 24, 6)
    corner = np.array([[0, 0], [6, 0], [6, 6], [0, 6]])[side.astype(int)]
    yaw = side * np.pi / 2
    return np.stack([corner[:, 0] + along * np.cos(yaw), corner[:, 1] + along * np.sin(yaw), yaw], 1)


def drifted(t: np.ndarray) -> np.ndarray:
    """What odometry says of it: begun elsewhere, and turning away by 1 mrad a second."""
    true = truth(t)
    return placed(np.stack([1.0 + 0 * t, -2.0 + 0 * t, 0.5 + 0.001 * t], -1), true)


@pytest.fixture
def memory(tmp_path):
    t = np.arange(ROWS)
    with VisualMemory(tmp_path / "memory.sqlite", MODEL, ALL) as memory:
        for i, pose in zip(t, drifted(t), strict=True):
            vector = np.random.default_rng(i).normal(size=8).astype(np.float32)
            memory.consider(state_at(i, pose, speed=99), latent_at(i, vector), covariance=np.diag([0.04, 0.01, 0.001]))
        memory.flush()
        yield memory


def trajectory(first: int = 0, last: int = ROWS, covariance=None) -> Trajectory:
    t = np.arange(first, last)
    return Trajectory(np.array([stamp_of(i) for i in t]), truth(t), "map", covariance)


def test_what_was_seen_lies_where_it_was_seen_from(memory):
    number = memory.correct(trajectory(covariance=np.diag([0.01, 0.01, 0.0])))
    poses = np.array([memory.get(i + 1).pose for i in range(ROWS)])
    assert np.abs(poses[:, :2] - truth(np.arange(ROWS))[:, :2]).max() < 0.35  # within a submap odometry's own drift
    assert {memory.get(i + 1).frame for i in range(ROWS)} == {number}
    kept = memory.get(200)
    turn = kept.pose[2] - drifted(np.arange(ROWS))[199, 2]
    along = np.array([np.cos(turn), np.sin(turn), 0])
    assert along @ kept.covariance @ along == pytest.approx(0.04 + 0.01, rel=1e-3)
    # Queries by place ask in the frame that they name; nothing is left in the other.
    near = memory.query(MemoryQuery(place=(6.0, 3.0), radius=0.5, frame=number, limit=100)).keyframes
    assert {k.id for k in near} == {i + 1 for i in range(ROWS) if np.hypot(*(poses[i, :2] - (6, 3))) <= 0.5}
    assert len(near) > 5 and all(k.frame_id == "map" for k in near)
    assert memory.query(MemoryQuery(place=(6.0, 3.0), radius=50.0, frame=1)).never_seen


def test_a_second_correction_replaces_the_first_and_touches_only_its_time(memory):
    memory.correct(Trajectory(np.array([0, stamp_of(ROWS)]), np.array([[50.0, 0, 0], [80.0, 0, 0]])))
    before = memory.get(399).pose
    number = memory.correct(trajectory(last=200))
    assert np.abs(memory.get(100).pose - truth(np.arange(ROWS))[99])[:2].max() < 0.35
    np.testing.assert_array_equal(memory.get(399).pose, before)
    found = memory.query(MemoryQuery(place=memory.get(100).pose, frame=number, limit=1)).keyframes[0]
    assert found.place_distance < 0.01


def test_it_lasts_and_what_comes_after_is_as_driven(memory, tmp_path):
    number = memory.correct(trajectory())
    moved = [memory.get(i).pose for i in (1, 200, 400)]
    id = memory.consider(state_at(ROWS + 1, (3.0, 3.0, 3.0), speed=99), latent_at(ROWS + 1, np.zeros(8, np.float32)))
    assert memory.get(id).frame_id == "odom" and memory.get(id).pose.tolist() == [3.0, 3.0, 3.0]
    memory.close()
    for damage in (False, True):
        if damage:  # the journal knows of it too
            (tmp_path / "memory.sqlite").unlink()
        with VisualMemory(tmp_path / "memory.sqlite", MODEL) as again:
            assert bool(again.store.repaired) == damage
            np.testing.assert_array_equal([again.get(i).pose for i in (1, 200, 400)], moved)
            assert again.query(MemoryQuery(place=moved[1], frame=number, limit=1)).keyframes[0].id == 200


def test_a_crash_while_correcting_leaves_all_or_nothing(memory, tmp_path, monkeypatch):
    before = [memory.get(i).pose.tolist() for i in (1, 200, 400)]
    memory.store.frame_named("map", 0)
    memory.flush()
    commit = memory.store.writer.connection

    class Crashing:
        def __getattr__(self, name):
            return getattr(commit, name)

        def execute(self, sql, *values):
            if sql == "COMMIT":
                raise KeyboardInterrupt
            return commit.execute(sql, *values)

    memory.store.writer.connection = Crashing()
    with pytest.raises(KeyboardInterrupt):
        memory.correct(trajectory())
    shutil.copytree(tmp_path, tmp_path / "crashed", ignore=shutil.ignore_patterns("crashed"))
    with VisualMemory(tmp_path / "crashed" / "memory.sqlite", MODEL) as again:
        assert [again.get(i).pose.tolist() for i in (1, 200, 400)] == before
    memory.store.writer.connection = commit
    memory.correct(trajectory())
    assert memory.get(200).pose.tolist() != before[1]


@pytest.mark.parametrize(
    "stamps, poses, said",
    [
        ([1, 2], [[0, 0, 0]], "a pose .3,. for each"),
        ([1], [[0, 0, 0]], "2 or more stamps"),
        ([2, 1], [[0, 0, 0]] * 2, "ascend"),
        ([1, 2], [[0, 0, 0], [0, np.nan, 0]], "finite"),
    ],
)
def test_a_bad_trajectory_is_refused(stamps, poses, said):
    with pytest.raises(LatentworldError, match=said):
        Trajectory(np.array(stamps), np.array(poses))


def test_transforms_carry_one_pose_to_another():
    random = np.random.default_rng(0)
    one, other = random.normal(size=(2, 50, 3))
    moved = placed(between(one, other), one)
    np.testing.assert_allclose(moved[:, :2], other[:, :2], atol=1e-12)
    np.testing.assert_allclose(np.exp(1j * moved[:, 2]), np.exp(1j * other[:, 2]), atol=1e-12)
