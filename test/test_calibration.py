"""Surprise of a robot that the model does not know: silent before it was calibrated, right after."""

import numpy as np
import pytest

from latentworld import robot_file
from latentworld.evaluation.calibration import events, scores
from latentworld.tracking.calibration import LEAST, Calibration, is_the_models_own, robot_id
from latentworld.tracking.surprise import VIOLATION, SurpriseScale
from latentworld.types import LatentworldError

FOREIGN = robot_file.load("turtlebot4")


def ordinary(n, seed, shift=0.0):
    """Scores as they are met: most about zero, an exponential tail."""
    rng = np.random.default_rng(seed)
    return rng.exponential(0.4, n) - 0.4 + shift


def test_few_frames_are_refused_and_many_are_kept_with_the_robot(tmp_path):
    with pytest.raises(LatentworldError, match=f"expected {LEAST} frames or more of ordinary driving, got 10"):
        Calibration.of(ordinary(10, 0), FOREIGN, "abc")
    made = Calibration.of(ordinary(3000, 0), FOREIGN, "abc")
    made.save(tmp_path / "c.safetensors")
    again = Calibration.load(tmp_path / "c.safetensors")
    assert (again.robot, again.robot_id, again.model_id, again.frames) == (
        "TurtleBot 4",
        robot_id(FOREIGN),
        "abc",
        3000,
    )
    assert np.allclose(again.quantiles, made.quantiles)
    again.check(FOREIGN, "abc")
    with pytest.raises(LatentworldError, match="c.safetensors: expected one of latentworld .* got one of TurtleBot 4"):
        again.check(robot_file.load(), "abc")
    with pytest.raises(LatentworldError, match="expected one for the model xyz, got one for abc"):
        again.check(FOREIGN, "xyz")


def test_files_that_are_no_calibration_are_named(tmp_path):
    with pytest.raises(LatentworldError, match="nothing.safetensors: no such file; `latentworld calibrate` makes one"):
        Calibration.load(tmp_path / "nothing.safetensors")
    (tmp_path / "junk.safetensors").write_bytes(b"junk" * 20)
    with pytest.raises(LatentworldError, match="junk.safetensors: expected a safetensors file"):
        Calibration.load(tmp_path / "junk.safetensors")


def test_an_uncalibrated_robot_is_never_surprised():
    scale = SurpriseScale(np.linspace(-1, 1, 513), calibrated=False)
    said = scale.judge(0, 1e3)
    assert (said.p_value, said.violation, said.calibrated, said.excess) == (1.0, False, False, 1e3)
    assert SurpriseScale(np.linspace(-1, 1, 513)).judge(0, 1e3).violation


def test_ten_minutes_of_what_it_was_calibrated_on_pass_in_peace():
    """And what is as far out as a thing that vanished is still noticed. The model's own scale lies elsewhere."""
    counts = []
    for seed in range(20):
        scale = Calibration.of(ordinary(3000, seed, 1.0), FOREIGN, "abc").scale()
        p_values = np.array([scale.p_value(s) for s in ordinary(6000, 100 + seed, 1.0)])
        counts.append(events(p_values, VIOLATION))
        assert scale.p_value(1.0 + 0.4 * 16) < VIOLATION
    assert np.mean(counts) < 0.7 and np.mean(np.array(counts) > 1) <= 0.1
    foreign = SurpriseScale(Calibration.of(ordinary(3000, 0, -1.0), FOREIGN, "abc").quantiles)
    assert events(np.array([foreign.p_value(s) for s in ordinary(6000, 1, 1.0)]), VIOLATION) > 10


def test_only_the_robot_that_the_model_was_validated_on_is_calibrated_as_it_ships():
    assert is_the_models_own(robot_file.load()) and not is_the_models_own(FOREIGN)


def test_scores_of_a_drive_are_finite_and_repeat():
    first, again = (scores("turtlebot4", None, 1_000_777, frames=25) for _ in range(2))
    assert len(first) == 20 and np.isfinite(first).all() and np.array_equal(first, again)
