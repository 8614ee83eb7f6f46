"""The tracker aligns by stamp, carries the belief through dropped frames, and refuses what does not belong."""

import math

import numpy as np
import pytest
import torch

from latentworld.model.world_model import WorldModel
from latentworld.tracking.history import History, pose_at
from latentworld.tracking.surprise import SurpriseScale
from latentworld.tracking.tracker import WorldStateTracker
from latentworld.types import Action, Latent, LatentworldError, Odometry, stamp_of


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return WorldModel().eval().requires_grad_(False)


def latent(model, t, seed=0):
    vector = np.random.default_rng(seed).standard_normal(model.config.vector_dim).astype(np.float32)
    return Latent(stamp_of(t), model.model_id, vector)


def odometry(t, x=0.0, y=0.0, yaw=0.0, v=0.0, w=0.0):
    return Odometry(stamp_of(t), np.array([x, y, yaw]), v, w)


def test_pose_between_and_beyond_odometry():
    history = History()
    history.add(odometry(1.0, 0.0, yaw=3.1, v=1.0))
    history.add(odometry(2.0, 1.0, yaw=-3.1, v=2.0))
    pose, (linear, *_) = pose_at(history, stamp_of(1.5))
    assert pose[0] == pytest.approx(0.5) and linear == pytest.approx(1.5)
    assert abs(math.remainder(pose[2] - math.pi, 2 * math.pi)) < 1e-6  # the short way round
    pose, *_ = pose_at(history, stamp_of(2.1))
    assert pose[0] == pytest.approx(1.0 + 0.2 * math.cos(-3.1))
    pose, *_ = pose_at(history, stamp_of(0.5))
    assert pose[0] == 0.0


def test_history_takes_what_comes_late_in_its_place():
    history = History()
    for t in (1.0, 3.0, 2.0):
        history.add(odometry(t, x=t))
    assert [o.pose[0] for o in history.items] == [1.0, 2.0, 3.0]


def test_order_of_arrival_does_not_matter(model):
    """The same things by stamp make the same belief, whether odometry came before the frame or after a later one."""
    states = []
    for late in (False, True):
        tracker = WorldStateTracker(model)
        first = [odometry(0.0), odometry(0.1, 0.05, v=0.5), odometry(0.2, 0.1, v=0.5)]
        if late:
            first[0], first[1] = first[1], first[0]
        for item in first:
            tracker.odometry(item)
        tracker.command(Action(stamp_of(0.05), 0.5, 0.0))
        tracker.observe(latent(model, 0.1, 1))
        states.append(tracker.observe(latent(model, 0.2, 2))[0])
    assert np.array_equal(states[0].belief, states[1].belief)
    assert states[0].pose[0] == pytest.approx(0.1) and states[0].command[0] == np.float32(0.5)


def test_a_later_command_is_not_in_force_yet(model):
    tracker = WorldStateTracker(model)
    tracker.odometry(odometry(0.0))
    tracker.command(Action(stamp_of(0.0), 0.2, 0.1))
    tracker.command(Action(stamp_of(0.15), 0.5, 0.9))
    state, _ = tracker.observe(latent(model, 0.1))
    assert state.command == pytest.approx([0.2, 0.1, 0.0])


def test_prediction_moves_the_belief_but_not_its_observation(model):
    tracker = WorldStateTracker(model)
    tracker.odometry(odometry(0.0))
    seen, _ = tracker.observe(latent(model, 0.0))
    tracker.odometry(odometry(0.3, 0.3, v=1.0))
    ahead = tracker.predict(stamp_of(0.3))
    assert ahead.stamp == stamp_of(0.3) and ahead.observation_stamp == seen.stamp
    assert ahead.pose[0] == pytest.approx(0.3)
    assert not np.array_equal(ahead.belief, seen.belief)
    # A frame after that takes up the belief as it was, not as it was foretold.
    again, _ = tracker.observe(latent(model, 0.4, 5))
    assert again.observation_stamp == stamp_of(0.4)


def test_what_does_not_belong_is_refused_and_the_belief_stays(model):
    tracker = WorldStateTracker(model)
    with pytest.raises(LatentworldError, match="odometry: none"):
        tracker.observe(latent(model, 0.0))
    tracker.odometry(odometry(0.0))
    good, _ = tracker.observe(latent(model, 0.1))
    strange = latent(model, 0.2)
    cases = [
        (Latent(strange.stamp, "0123456789ab", strange.vector), f"expected model {model.model_id}, got 0123456789ab"),
        (Latent(strange.stamp, model.model_id, strange.vector[:7]), "got \\(7,\\)"),
        (Latent(strange.stamp, model.model_id, strange.vector * np.nan), "finite"),
        (latent(model, 0.1), "expected a stamp after 0.100 s"),
        (latent(model, 5.0), "odometry: expected one within"),
    ]
    for bad, message in cases:
        with pytest.raises(LatentworldError, match=message):
            tracker.observe(bad)
    with pytest.raises(LatentworldError, match="finite"):
        tracker.odometry(odometry(0.3, math.nan))
    assert np.array_equal(tracker.predict(stamp_of(0.1)).belief, good.belief)


def test_p_values_are_conformal():
    rng = np.random.default_rng(0)
    scale = SurpriseScale(np.sort(rng.standard_normal(4999)), threshold=0.01)
    fresh = np.array([scale.judge(0, x).p_value for x in rng.standard_normal(20_000)])
    for alpha in (0.01, 0.05, 0.2):
        assert (fresh <= alpha).mean() == pytest.approx(alpha, rel=0.4)
    assert scale.judge(0, 10.0).violation and not scale.judge(0, 0.0).violation


def test_one_frame_in_ten_thousand_is_told_from_one_in_a_thousand():
    rng = np.random.default_rng(0)
    scale = SurpriseScale(np.quantile(rng.laplace(size=100_000), np.linspace(0, 1, 513)), threshold=1e-4)
    for share in (1e-3, 1e-4, 1e-5):
        true = -np.log(2 * share)  # of the Laplace distribution
        assert share / 2 < scale.p_value(true) < share * 2
    raw = np.linspace(-3, 12, 500)
    p_values = [scale.p_value(x) for x in raw]
    assert np.all(np.diff(p_values) <= 0) and scale.judge(0, 12.0).violation and not scale.judge(0, 5.0).violation
