"""Surprise measured: rooms in which things go wrong while the robot drives, and what is no violation."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from latentworld.evaluation import surprise_rooms
from latentworld.evaluation.surprise import CONDITIONS, OrdinarySettings, evaluate, film
from latentworld.evaluation.surprise_rooms import Event, RoomSettings, alarms, drive, events, shows, watch
from latentworld.model import checkpoint
from latentworld.model.scene_model import SceneModel
from latentworld.perception.encoder import PerceptionEncoder
from latentworld.sim.world import World
from latentworld.tracking.surprise import VIOLATION
from latentworld.tracking.tracker import WorldStateTracker

SEED = 1_600_000  # of a validation room


@pytest.fixture(scope="module")
def world():
    world = World(SEED)
    yield world
    world.close()


@pytest.fixture(scope="module")
def ordinary(world):
    return drive(world, SEED, 120)


def test_a_drive_repeats_until_something_happens(world, ordinary):
    again = drive(world, SEED, 120, ordinary)
    assert shows(ordinary, again) == -1
    found = events(world, ordinary, np.random.default_rng(0))
    assert {event.kind for event in found} >= {"vanish", "teleport", "through_wall"}
    for event in found:
        film = drive(world, SEED, 120, ordinary, event)
        assert shows(ordinary, film) >= event.start or shows(ordinary, film) == -1
        moved = np.abs(film.obstacles[event.start] - ordinary.obstacles[event.start]).max(1)
        assert moved[event.obstacle] > 0.01 and np.delete(moved, event.obstacle).max(initial=0) < 0.01


def test_what_passes_through_a_wall_ends_beyond_it(world, ordinary):
    event = next(e for e in events(world, ordinary, np.random.default_rng(0)) if e.kind == "through_wall")
    way = world.to_room(np.array([event.where(event.start + t) for t in range(120)]))
    assert (np.abs(way[0]) < np.array(world.room.size) / 2).all()
    assert (np.abs(way[-1]) > np.array(world.room.size) / 2).any()
    assert np.hypot(*np.diff(way, axis=0).T).max() < 0.07


def test_the_shipped_model_notices_that_the_thing_before_it_is_gone(world):
    """A robot at rest looks at an obstacle a metre off; it vanishes."""
    tracker, encoder = (kind(checkpoint.load()) for kind in (WorldStateTracker, PerceptionEncoder))
    shown = noticed = 0
    for seed in range(SEED, SEED + 8):
        calm = drive(world, seed, 20)
        x, y, yaw = calm.poses[0]
        ahead = float(x + 1.2 * np.cos(yaw)), float(y + 1.2 * np.sin(yaw))
        still = calm._replace(commands=[c.__class__(c.stamp, 0.0, 0.0) for c in calm.commands])
        gone = Event("vanish", 0, 0, lambda t, ahead=ahead: ahead if t < 12 else (np.nan, np.nan))
        film = drive(world, seed, 20, still, gone)
        p_values = watch(tracker, encoder, film)
        assert alarms(p_values[4:12]) == 0
        if not np.array_equal(film.frames[11].rgb, film.frames[12].rgb):  # no other thing stood before it
            shown += 1
            noticed += alarms(p_values[12:]) > 0
    assert shown >= 5 and noticed >= 0.8 * shown


def test_alarms_close_together_are_one():
    p_values = np.ones(100)
    assert alarms(p_values) == 0
    p_values[[10, 12, 31, 60]] = VIOLATION / 2
    assert alarms(p_values) == 2
    assert alarms(p_values, threshold=1e-9) == 0


@pytest.mark.parametrize("condition", CONDITIONS)
def test_conditions_change_how_clips_look_and_nothing_else(condition):
    one = film(OrdinarySettings("as learned", 1), 6_000_003)["pixels"]
    other = film(OrdinarySettings(condition, 1), 6_000_003)["pixels"]
    assert other.shape == one.shape and np.array_equal(one, other) == (condition == "as learned")


def test_the_whole_evaluation(tmp_path):
    torch.manual_seed(0)
    checkpoint.save(SceneModel(), tmp_path / "untrained.safetensors")
    figures = evaluate(
        20, 1, RoomSettings(2, SEED, 120), tmp_path / "untrained.safetensors",
        data=tmp_path, workers=1, json=tmp_path / "f.json",
    )  # fmt: skip
    assert json.loads((tmp_path / "f.json").read_text())["figures"] == pytest.approx(figures, nan_ok=True)
    for name in ("false_alarm_rate_at_0.01", "clip_detection_rate_at_0.01", "detection_rate"):
        assert 0 <= figures[name] <= 1
    assert figures["room_minutes"] == pytest.approx(2 * 119 / 600)
    assert figures["false_alarms_per_10min"] >= 0 and surprise_rooms.WAIT * 0.1 >= figures["time_to_detect_s"]
