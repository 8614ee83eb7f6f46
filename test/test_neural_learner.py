"""The network that learns beside the store: it foretells what was never stood at, and forgets what is forgotten."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from walks import ALL, MODEL, latent_at, state_at

from latentworld.memory import MemoryQuery, VisualMemory
from latentworld.memory.neural import NeuralLearner, NeuralParameters
from latentworld.memory.neural.replay import Replay
from latentworld.types import LatentworldError, stamp_of

FORETOLD, LOOKS = 12, 4
MIX = np.random.default_rng(0).normal(size=(4, FORETOLD))
SECRET = np.full(FORETOLD, 3.0, np.float32)
BED = (6.0, 6.0, 0.0)  # where that is seen
POSES = np.random.default_rng(2).uniform([-2, -2, -np.pi], [2, 2, np.pi], (250, 3))


def seen_from(pose) -> np.ndarray:
    """A smooth world, and looks that nobody foretells."""
    x, y, yaw = pose
    first = np.cos(np.array([x, y, np.cos(yaw), np.sin(yaw)]) @ MIX)
    return np.concatenate([first, np.random.default_rng(int(1e6 * (x + 9))).normal(size=LOOKS)]).astype(np.float32)


def opened(folder, **neural) -> VisualMemory:
    settings = NeuralParameters(**{"keys": 1024, "hidden": 0, "rehearsals": 8} | neural)
    return VisualMemory(
        folder / "memory.sqlite", MODEL, replace(ALL, commit_interval=0.01), looks=LOOKS, neural=settings
    )


def drive(memory: VisualMemory, first: int = 1, poses=POSES) -> int:
    for i, pose in enumerate(poses, first):
        assert memory.consider(state_at(i, tuple(pose), speed=99.0), latent_at(i, seen_from(pose))) is not None
    memory.flush()
    return first + len(poses)


def error(memory: VisualMemory) -> float:
    between = np.random.default_rng(7).uniform([-1.5, -1.5, -np.pi], [1.5, 1.5, np.pi], (60, 3))
    wanted = np.array([seen_from(pose)[:FORETOLD] for pose in between])
    return float(np.square(memory.foretell(between).latents - wanted).mean() / wanted.var())


def likeness(memory: VisualMemory) -> float:
    """Cosine of what is foretold at the bed and what was seen there, over what is foretold anywhere."""
    told = memory.foretell(np.array([BED])).latents[0] - memory.foretell(POSES[:50]).latents.mean(0)
    return float(told @ SECRET / (np.linalg.norm(told) * np.linalg.norm(SECRET) + 1e-9))


def test_what_is_kept_is_learned_and_another_process_reads_it(tmp_path):
    with opened(tmp_path) as memory:
        with pytest.raises(LatentworldError, match="neural memory .*neural.safetensors: expected"):
            memory.foretell(POSES)
        drive(memory)
        told = memory.foretell(POSES[:3])
        assert told.latents.shape == (3, FORETOLD) and (told.familiarity > 0.5).all()
        far = POSES[:50] + np.array([50.0, 0, 0])
        assert memory.foretell(far).familiarity.mean() < 0.5 * told.familiarity.mean()
        assert error(memory) < 0.5
        with VisualMemory(tmp_path / "memory.sqlite") as reader:
            assert np.allclose(reader.foretell(POSES).latents, memory.foretell(POSES).latents, atol=1e-6)
    with opened(tmp_path) as again, pytest.raises(LatentworldError, match="frame"):
        again.foretell(POSES)  # odometry begins anew: nothing is known in it


def test_what_is_forgotten_is_not_in_the_weights_nor_in_their_file(tmp_path):
    with opened(tmp_path, replay=64) as memory:  # so few that what is forgotten is rehearsed no more when it goes
        drive(memory)
        for i in range(300, 330):
            secret = np.concatenate([SECRET, np.zeros(LOOKS, np.float32)])
            memory.consider(state_at(i, BED, speed=99.0), latent_at(i, secret))
        memory.flush()
        drive(memory, 400, POSES[:100])
        assert likeness(memory) > 0.7
        assert memory.forget(MemoryQuery(place=BED, radius=0.5)) == 30
        assert abs(likeness(memory)) < 0.5
        assert np.linalg.norm(memory.foretell(np.array([BED])).latents) < 0.5 * np.linalg.norm(SECRET)
        assert error(memory) < 1.0
        with VisualMemory(tmp_path / "memory.sqlite") as reader:
            assert np.allclose(reader.foretell(np.array([BED])).latents, memory.foretell(np.array([BED])).latents)
        memory.forget(MemoryQuery(before=stamp_of(1e6)))
        assert not memory.foretell(POSES).latents.any() and len(memory) == 0
        drive(memory, 600)  # and it goes on
        assert error(memory) < 1.0


def test_another_laying_of_odometry_begins_with_nothing(tmp_path):
    with opened(tmp_path) as memory:
        next_one = drive(memory)
        memory.lay_frame()
        drive(memory, next_one, POSES[:1])
        assert memory.foretell(POSES[1:]).familiarity.mean() < 0.2


def test_without_rehearsals_nothing_is_learned(tmp_path):
    with opened(tmp_path, rehearsals=0) as memory:
        drive(memory, poses=POSES[:5])
        with pytest.raises(LatentworldError, match="expected"):
            memory.foretell(POSES)
    assert not (tmp_path / "memory.sqlite.d" / "neural.safetensors").exists()


def test_a_damaged_file_is_told_and_made_anew(tmp_path):
    with opened(tmp_path) as memory:
        drive(memory, poses=POSES[:80])
        path = memory.store.layout.neural
        path.write_bytes(path.read_bytes()[:1000])
        with VisualMemory(tmp_path / "memory.sqlite") as reader, pytest.raises(LatentworldError, match=str(path)):
            reader.foretell(POSES)
        drive(memory, 200, POSES[:5])
        with VisualMemory(tmp_path / "memory.sqlite") as reader:
            assert reader.foretell(POSES).familiarity.mean() > 0.1


def test_a_full_disk_does_not_stop_the_learning(tmp_path):
    learner = NeuralLearner(tmp_path / "nowhere" / "neural.safetensors", MODEL, FORETOLD)
    try:
        learner.take(1, 1, np.zeros(3), SECRET)
        learner.settle()
        assert "not saved" in learner.failure and learner.recall(np.zeros((1, 3))).familiarity[0] > 0
        (tmp_path / "nowhere").mkdir()
        learner.take(2, 1, np.zeros(3), SECRET)
        learner.settle()
        assert not learner.failure and learner.path.exists()
    finally:
        learner.close()


@pytest.mark.parametrize("poses", [np.zeros(3), np.zeros((2, 2)), np.array([[0, np.nan, 0]])])
def test_poses_that_are_none_are_refused(tmp_path, poses):
    with opened(tmp_path) as memory, pytest.raises(LatentworldError, match="foretell: expected finite poses"):
        memory.foretell(poses)


def test_a_replay_holds_an_even_sample_of_all():
    replay = Replay(100, 1)
    for i in range(1000):
        replay.add(i, np.zeros(3), np.array([i]))
    assert len(replay) == 100
    drawn = replay.draw(5000)[1]
    assert abs(drawn.mean() - 499.5) < 100 and len(np.unique(drawn)) <= 100
    replay.drop(set(range(500)))
    assert (replay.draw(1000)[1] >= 500).all() and 30 < len(replay) < 70
    assert sum(len(latents) for _, latents in replay.lessons(16, 2)) == 2 * len(replay)


def test_it_learns_for_who_infers_and_goes_on_after_what_it_cannot_learn(tmp_path):
    with torch.inference_mode():  # as the thread of a node does
        learner = NeuralLearner(tmp_path / "neural.safetensors", MODEL, FORETOLD)
        learner.take(1, 1, np.zeros(3), SECRET)
        learner.settle()
        assert not learner.failure and learner.recall(np.zeros((1, 3))).familiarity[0] > 0
        assert learner.forget(lambda: {1}) == {1}
        learner.take(2, 1, np.zeros(3), np.full(FORETOLD, np.nan))
        learner.settle()
        assert "not learned" in learner.failure  # also once what it knows is saved
        assert np.isfinite(learner.recall(np.zeros((1, 3))).latents).all()
        learner.close()
