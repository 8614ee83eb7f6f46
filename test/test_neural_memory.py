"""The memory that is a network: what it learns at test time, how it forgets, and what becomes of bad input."""

import numpy as np
import pytest

from latentworld.memory.neural import NeuralMemory, NeuralParameters
from latentworld.memory.neural.keys import PoseKeys
from latentworld.types import LatentworldError

D = 24
RNG = np.random.default_rng(0)
MIX = RNG.normal(0, 1, (4, D))


def seen_from(poses):
    """A smooth world: what is seen changes over half a metre, and with the heading."""
    x, y, yaw = np.asarray(poses).T
    return np.cos(np.stack([1.5 * x, 1.5 * y, np.cos(yaw), np.sin(yaw)], 1) @ MIX).astype(np.float32)


def room(count, rng):
    return rng.uniform([-2, -2, -np.pi], [2, 2, np.pi], (count, 3))


def taught(updates=400, **parameters):
    rng = np.random.default_rng(1)
    memory, poses = NeuralMemory(D, NeuralParameters(**{"keys": 512, "hidden": 0} | parameters)), room(300, rng)
    for _ in range(updates):
        some = poses[rng.integers(0, len(poses), 32)]
        memory.write(some, seen_from(some))
    return memory, poses


def error(memory, poses):
    return float(np.square(memory.recall(poses).latents - seen_from(poses)).mean())


def test_keys_of_near_poses_point_the_same_way():
    keys = PoseKeys(4096, 0.5, 0.5)
    at = keys(np.array([[0, 0, 0], [0.1, 0, 0], [0, 0, 0.1], [2.0, 0, 0], [0, 0, np.pi], [0, 0, 2 * np.pi]]))
    products = (at @ at[0]).numpy()
    assert np.allclose(products[[0, 5]], 1, atol=0.06) and (products[1:3] > 0.9).all()
    assert (np.abs(products[3:5]) < 0.06).all()


@pytest.mark.parametrize("hidden, updates, share", [(0, 400, 0.5), (256, 800, 1.0)])
def test_it_says_what_is_seen_where_nothing_was_written_but_near_it(hidden, updates, share):
    memory, poses = taught(updates, keys=2048, hidden=hidden, rate=2.0 if hidden else 1.0)
    between = room(200, np.random.default_rng(5))
    nearest = np.linalg.norm(between[:, None, :2] - poses[:, :2], axis=2) + np.abs(
        (between[:, None, 2] - poses[:, 2] + np.pi) % (2 * np.pi) - np.pi
    )
    by_store = float(np.square(seen_from(poses[nearest.argmin(1)]) - seen_from(between)).mean())
    assert error(memory, between) < share * by_store < seen_from(between).var()


@pytest.mark.parametrize(
    "named",
    [{"bias": "huber"}, {"bias": "lp", "rate": 0.5}, {"retention": "lq", "forgetting": 1e-4}, {"retention": "kl"}],
)
def test_the_variants_of_miras_learn(named):
    memory, poses = taught(300, **named)
    assert error(memory, poses) < 0.5 * seen_from(poses).var()


def test_huber_is_moved_less_by_an_outlier():
    told = {}
    for bias in ("l2", "huber"):
        memory, poses = taught(300, bias=bias, clamp=1e6)
        before = memory.recall(poses).latents
        memory.write(poses[:1], seen_from(poses[:1]) + 50)
        told[bias] = np.abs(memory.recall(poses).latents - before).max()
    assert told["huber"] < 0.3 * told["l2"]


def test_what_surprises_is_written_harder():
    memory, poses = taught()
    known, new = memory.write(poses[:1], seen_from(poses[:1])), memory.write(poses[:1], seen_from(poses[:1]) + 2)
    assert new[0] > 10 * known[0]


def test_it_settles_on_the_average_of_what_is_uncertain_and_still_learns_after_months():
    error_of = {}
    for settling in (0, 100):
        rng = np.random.default_rng(1)
        memory = NeuralMemory(D, NeuralParameters(keys=512, hidden=0, settling=settling))
        poses, noise = room(300, rng) * [0.3, 0.3, 1], rng.normal(0, 1, (300, D)).astype(np.float32)
        for _ in range(600):
            some = rng.integers(0, len(poses), 32)
            memory.write(poses[some], seen_from(poses[some]) + noise[some])
        error_of[settling] = error(memory, poses)
    assert error_of[100] < 0.8 * error_of[0]
    memory.writes = 10**8
    elsewhere = poses[:32] + [40, 0, 0]
    before = error(memory, elsewhere)
    for _ in range(200):
        memory.write(elsewhere, seen_from(elsewhere))
    assert error(memory, elsewhere) < 0.2 * before


def test_forgetting_fades_what_is_not_seen_again():
    kept, poses = taught(forgetting=0.0)
    faded, _ = taught(forgetting=0.05)
    here, there = poses[:8], poses[np.hypot(*(poses[:, :2] - poses[0, :2]).T) > 2.5]
    for memory in (kept, faded):
        for _ in range(200):
            memory.write(here, seen_from(here))
    assert error(faded, there) > 1.5 * error(kept, there)


def test_familiarity_tells_where_it_has_been():
    memory, poses = taught(keys=2048)
    assert memory.recall(poses).familiarity.mean() > 0.8
    assert memory.recall(poses + [20, 0, 0]).familiarity.mean() < 0.2


def test_a_frozen_memory_is_surprised_and_learns_nothing():
    memory, poses = taught(50)
    memory.frozen = True
    before = memory.recall(poses).latents
    assert memory.write(poses[:4], seen_from(poses[:4]) + 1).min() > 0
    assert np.array_equal(memory.recall(poses).latents, before)


def test_rollback_goes_back_to_the_snapshot():
    memory, poses = taught(50)
    memory.snapshot()
    before = memory.recall(poses).latents
    memory.write(poses[:4], seen_from(poses[:4]) + 9)
    assert not np.array_equal(memory.recall(poses).latents, before)
    memory.rollback()
    assert np.array_equal(memory.recall(poses).latents, before)


@pytest.mark.parametrize("large", [1e2, 1e6, 1e30])
def test_no_outlier_however_large_breaks_it(large):
    memory, poses = taught(200)
    before = error(memory, poses)
    memory.write(poses[:1], np.full((1, D), large, np.float32))
    assert error(memory, poses) < 2 * before + 0.1  # nothing learned so far is lost
    for _ in range(300):
        memory.write(poses[:32], seen_from(poses[:32]))
    assert error(memory, poses[:32]) < before  # and it goes on learning


def test_a_checkpoint_goes_on_where_it_was(tmp_path):
    memory, poses = taught(100)
    path = tmp_path / "memory.neural"
    memory.save(path, "abc", 3)
    again = NeuralMemory.load(path, "abc", 3)
    for one in (memory, again):
        one.write(poses[:8], seen_from(poses[:8]))
    assert np.array_equal(memory.recall(poses).latents, again.recall(poses).latents)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["memory.neural"]


@pytest.mark.parametrize("model, frame", [("other", 3), ("abc", 4)])
def test_a_checkpoint_of_another_model_or_frame_is_refused(tmp_path, model, frame):
    memory, _ = taught(5)
    memory.save(tmp_path / "m", "abc", 3)
    with pytest.raises(LatentworldError, match="expected model"):
        NeuralMemory.load(tmp_path / "m", model, frame)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    memory, _ = taught(5)
    path = tmp_path / "m"
    memory.save(path)
    whole = path.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"\x80\x04pickle" * 99):
        path.write_bytes(damaged)
        with pytest.raises(LatentworldError, match="safetensors"):
            NeuralMemory.load(path)


@pytest.mark.parametrize(
    "poses, latents, said",
    [
        (np.zeros((2, 3)), np.zeros((1, D)), "expected poses"),
        (np.zeros((1, 2)), np.zeros((1, D)), "expected poses"),
        (np.zeros((1, 3)), np.zeros((1, D + 1)), "expected poses"),
        (np.full((1, 3), np.nan), np.zeros((1, D)), "finite"),
        (np.zeros((1, 3)), np.full((1, D), np.inf), "finite"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(poses, latents, said):
    memory, known = taught(5)
    before = memory.recall(known).latents
    with pytest.raises(LatentworldError, match=said):
        memory.write(poses, latents)
    assert np.array_equal(memory.recall(known).latents, before)


@pytest.mark.parametrize("named", [{"bias": "l7"}, {"retention": "none"}])
def test_an_unknown_variant_is_named(named):
    with pytest.raises(LatentworldError, match="expected one of"):
        NeuralMemory(D, NeuralParameters(**named))
