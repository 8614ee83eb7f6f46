"""The visual memory: what it keeps, and that its answers are those of NumPy over everything."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from walks import ALL, DIMENSIONS, MODEL, as_kept, filled, latent_at, state_at, walk_through

from latentworld.memory import KeyframeGate, MemoryParameters, MemoryQuery, VisualMemory
from latentworld.memory.familiarity import Curve, equal_error
from latentworld.memory.odometry_drift import OdometryDrift
from latentworld.memory.search import distances, within
from latentworld.types import NANOSECONDS, LatentworldError, stamp_of

OTHER = "ba9876543210"
SURPRISING = 7  # of so many keyframes one surprises


@pytest.fixture
def walk():
    return walk_through()


@pytest.fixture
def memory(tmp_path, walk):
    with VisualMemory(tmp_path / "memory.sqlite", MODEL, ALL) as memory:
        for number, (t, pose, vector) in enumerate(zip(*walk, strict=True), 1):
            state = state_at(t, pose, p_value=0.001 if number % SURPRISING == 0 else 0.5)
            assert memory.consider(state, latent_at(t, vector), b"jpeg %d" % number) == number
        memory.flush()
        yield memory


def reference(walk, query: MemoryQuery) -> list[int]:
    """Ids that a query must answer, best first, by NumPy over everything."""
    times, poses, vectors = walk
    stamps = np.array([stamp_of(t) for t in times])
    after, before = query.after or 0, query.before or stamps[-1]
    keep = (stamps >= after) & (stamps <= before)
    if query.surprise is not None:
        keep &= np.arange(1, len(stamps) + 1) % SURPRISING == 0
    key = -stamps.astype(float)
    if query.after and query.before:
        key = np.abs(stamps - (after + before) // 2)
    elif query.after:
        key = stamps - after
    if query.place is not None:
        key = np.hypot(*(poses[:, :2] - np.asarray(query.place[:2])).T)
        keep &= key <= query.radius
    if query.latent is not None:
        key = np.linalg.norm(as_kept(vectors).astype(np.float64) - query.latent.vector, axis=1)
    order = np.argsort(np.where(keep, key, np.inf), kind="stable")[: min(query.limit, keep.sum())]
    return (order + 1).tolist()


def test_a_keyframe_comes_back_as_it_was_kept(memory, walk):
    times, poses, _ = walk
    found = memory.get(200)
    assert (found.id, found.stamp, found.model_id, found.frame_id) == (200, stamp_of(times[199]), MODEL, "odom")
    np.testing.assert_array_equal(found.pose, poses[199])
    assert found.thumbnail == b"jpeg 200" and found.surprise == 0.5 and memory.get(203).surprise == pytest.approx(0.001)
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
    for after, before, surprise, limit in product((None, 100.0), (None, 180.0), (None, 0.001), (1, 7, 1000)):
        after, before = (None if t is None else stamp_of(times[0] + t) for t in (after, before))
        query = MemoryQuery(key, place, radius, after=after, before=before, surprise=surprise, limit=limit)
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


def test_what_lies_within_a_radius_is_as_sure_as_its_pose(memory):
    random = np.random.default_rng(5)
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    spread = turn @ np.diag([0.25, 0.01]) @ turn.T
    at = np.array([[0.1, 0.2], [0.9, 0.0], [2.0, 2.0]])
    drawn = random.multivariate_normal((0, 0), spread, 200_000)
    for off, sure in zip(at, within(at, np.tile(spread, (3, 1, 1)), 1.0), strict=True):
        assert sure == pytest.approx((np.hypot(*(drawn + off).T) <= 1.0).mean(), abs=0.03)
    near = memory.query(MemoryQuery(place=(0.5, 0.3), radius=1.0, limit=1000)).keyframes
    assert near[0].confidence == 1 > near[-1].confidence > 0.5  # 2 cm and 5 cm of drift, 0.1 m and 0.97 m away
    assert all(k.confidence == 1 for k in memory.query(MemoryQuery(place=(0.5, 0.3))).keyframes)
    assert math.isnan(memory.query(MemoryQuery()).keyframes[0].confidence)


def test_never_seen_is_told_from_seen(tmp_path):
    """Three rooms of which two were seen; in each, views from 100 poses."""
    random = np.random.default_rng(4)
    mixing = random.normal(0, 0.6, (4, 64))
    poses = random.uniform((-2, -2, -3), (2, 2, 3), (3, 100, 3))
    rooms = random.normal(0, 1.0, (3, 64))

    def view(room: int, poses: np.ndarray) -> np.ndarray:
        keys = np.stack([poses[..., 0], poses[..., 1], np.cos(poses[..., 2]), np.sin(poses[..., 2])], -1)
        return np.sin(keys @ mixing + rooms[room]).astype(np.float32)

    with VisualMemory(tmp_path / "memory.sqlite", MODEL, ALL) as memory:
        for t in range(200):  # one room after the other, each pose and another one beside it
            room, number = divmod(t, 100)
            pose = poses[room, number // 2] + (0.2, 0.1, 0.1) * (number % 2 * np.ones(3))
            memory.consider(state_at(t, pose, speed=9.0), latent_at(t, view(room, pose)))
        memory.flush()
        seen = [memory.query(MemoryQuery(latent_at(0, view(1, p + 0.1)))) for p in poses[1, :50]]
        unseen = [memory.query(MemoryQuery(latent_at(0, view(2, p)))) for p in poses[2]]
        assert np.mean([a.never_seen for a in seen]) < 0.1
        assert np.mean([a.never_seen for a in unseen]) > 0.9
        assert len({a.threshold for a in seen + unseen}) == 1
        assert np.mean([a.keyframes[0].confidence for a in seen]) > 0.8
        assert np.mean([a.keyframes[0].confidence for a in unseen]) < 0.2
        assert memory.query(MemoryQuery(place=(900.0, 0.0), radius=1.0)).never_seen
        assert not memory.query(MemoryQuery(place=(900.0, 0.0))).never_seen  # the nearest there is


def test_views_that_are_the_same_to_the_bit_do_not_spoil_the_confidence():
    random = np.random.default_rng(0)
    same, other = np.concatenate([np.zeros(40), random.uniform(0, 1, 160)]), random.uniform(1, 2, 200)
    nats = Curve.between(same, other, 20)(np.array([0.0, 0.5, 1.5]))
    assert nats[0] >= nats[1] > 2 and nats[2] < -2
    assert Curve.between(np.zeros(40), np.zeros(40), 20) is None


def test_equal_error_is_where_both_mistakes_are_as_frequent():
    random = np.random.default_rng(5)
    known, new = random.normal(1.0, 0.5, 1000), random.normal(3.0, 1.0, 500)
    threshold = equal_error(known, new)
    assert np.mean(known > threshold) == pytest.approx(np.mean(new <= threshold), abs=0.003)
    assert threshold == pytest.approx(1 + 2 / 3, abs=0.06)  # as many standard deviations from either


def test_a_memory_that_holds_little_calls_nothing_never_seen(tmp_path, walk):
    with VisualMemory(tmp_path / "memory.sqlite", MODEL, ALL) as memory:
        assert memory.query(MemoryQuery(latent_at(0, walk[2][0]))).never_seen  # it holds nothing at all
        memory.consider(state_at(1.0), latent_at(1.0, walk[2][0]))
        memory.flush()
        assert not memory.query(MemoryQuery(latent_at(0, walk[2][0] + 9))).never_seen
    with VisualMemory(tmp_path / "memory.sqlite", MODEL, replace(ALL, never_seen_distance=1.0)) as memory:
        assert memory.query(MemoryQuery(latent_at(0, walk[2][0] + 9))).never_seen


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
        memory.consider(state_at(3e9), latent_at(3e9, vector, OTHER))
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
