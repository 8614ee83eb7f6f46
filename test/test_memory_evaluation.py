"""The figures of the memory, on a few rooms: real frames, the shipped model, a real memory."""

import json
import math

from latentworld.evaluation.memory import MemorySettings, evaluate
from latentworld.evaluation.memory_objects import ObjectSettings


def test_figures_of_a_few_rooms(tmp_path):
    settings = MemorySettings(rooms=2, first_seed=1_650_000, frames=300, return_frames=250, asked=16)
    things = ObjectSettings(frames=400, frames_after=200)
    figures = evaluate(settings, json=tmp_path / "memory.json", things=things)
    assert json.loads((tmp_path / "memory.json").read_text())["figures"] == figures
    assert all(math.isfinite(value) for value in figures.values())
    assert figures["keyframes"] > 20 and figures["places_asked"] > 5
    assert figures["place_recall_at_1"] > 0.5
    assert figures["last_seen_accuracy"] > 0.5 and figures["things_asked"] > 5 and figures["things_moved"] > 0
    assert figures["neural_error"] < figures["copy_error"]
