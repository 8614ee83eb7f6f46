"""The figures of the memory, on a few rooms: real frames, the shipped model, a real memory."""

import json
import math

import numpy as np
import pytest

from latentworld.evaluation.memory import MemorySettings, calibration_error, evaluate
from latentworld.evaluation.memory_objects import ObjectSettings
from latentworld.evaluation.memory_restarts import Restart, figures_of


def test_figures_of_a_few_rooms(tmp_path):
    settings = MemorySettings(rooms=2, first_seed=1_650_000, frames=300, return_frames=250, asked=16)
    things = ObjectSettings(frames=400, frames_after=200)
    figures = evaluate(settings, json=tmp_path / "memory.json", things=things)
    assert json.loads((tmp_path / "memory.json").read_text())["figures"] == figures
    assert all(math.isfinite(value) for value in figures.values())
    assert figures["keyframes"] > 20 and figures["places_asked"] > 5
    assert figures["place_recall_at_1"] > 0.5
    assert figures["last_seen_accuracy"] > 0.5 and figures["things_asked"] > 5 and figures["things_moved"] > 0
    assert figures["restart_wrong"] == 0
    assert figures["neural_error"] < figures["copy_error"]


def test_a_room_that_is_laid_elsewhere_after_a_restart_is_told():
    nothing = Restart(True, False, (math.nan, math.nan))
    starts = [
        nothing,
        Restart(True, True, (0.2, 0.1)),
        Restart(True, True, (6.0, 0.1)),
        Restart(True, True, (0.1, 3.0)),
    ]
    starts += [nothing._replace(known=False), nothing._replace(known=False, joined=True)]
    figures = figures_of(starts)
    assert figures == {"restart_joined": 0.25, "restart_error_m": 0.2, "restart_wrong": 0.5}


def test_calibration_error_is_how_far_probabilities_are_from_what_holds():
    random = np.random.default_rng(0)
    sure = random.uniform(0, 1, 100_000)
    assert calibration_error(sure, random.uniform(0, 1, len(sure)) < sure) < 0.01
    assert calibration_error(np.full(10, 0.9), np.arange(10) < 4) == pytest.approx(0.5)
    assert np.isnan(calibration_error(np.array([]), np.array([])))
