"""Hours of evaluation that were cut off go on where they were, and never mix with what something else made."""

import json

import pytest

from latentworld.evaluation.kept import Kept
from latentworld.evaluation.navigation import FIRST_TEST_SEED, run
from latentworld.types import LatentworldError


def test_an_evaluation_goes_on_and_ends_as_if_it_had_not_been_cut_off(tmp_path):
    path = tmp_path / "kept" / "episodes.jsonl"
    tasks = [(name, "pose", FIRST_TEST_SEED + i, bool(i % 2)) for name in ("blind", "reactive") for i in range(3)]
    whole = run(tasks, workers=1, quiet=True, keep=path)
    lines = path.read_text().splitlines()
    assert len(lines) == 1 + len(tasks)
    path.write_text("\n".join(lines[:3]) + "\n" + lines[3][:20])  # two whole episodes and a torn one
    assert run(tasks, workers=1, quiet=True, keep=path) == whole
    assert path.read_text().splitlines() == lines


def test_what_something_else_made_is_refused(tmp_path):
    path = tmp_path / "kept.jsonl"
    Kept(path, {"model_id": "a"}).close()
    with pytest.raises(LatentworldError, match="'model_id': 'b'.*'model_id': 'a'.*another file"):
        Kept(path, {"model_id": "b"})
    for text in ("not JSON\n", json.dumps({"model_id": "b"}) + "\n[1]\n"):
        path.write_text(text)
        with pytest.raises(LatentworldError, match="kept.jsonl: expected kept results"):
            Kept(path, {"model_id": "b"})
        assert path.read_text() == text
