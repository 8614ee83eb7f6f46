"""The price of pixels: what runs are compared by, and one whole comparison, small."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from latentworld.evaluation import efficiency_rooms, efficiency_scenes
from latentworld.evaluation.efficiency import THRESHOLDS, figures, ratio
from latentworld.evaluation.efficiency_rooms import RoomStudy
from latentworld.evaluation.efficiency_runs import ARMS, Run
from latentworld.evaluation.efficiency_scenes import SceneStudy
from latentworld.training.driving.task import DrivingTask
from latentworld.training.scenes.clips import Clips
from latentworld.training.scenes.task import SceneTask
from latentworld.types import LatentworldError

BENCHMARK = Path(__file__).resolve().parents[1] / "benchmark" / "efficiency.py"


def run(arm: str, seconds_to_half: float, seed: int = 0, place: str = "still", best: float = 1.0) -> Run:
    """It knows half after so many seconds, and twice as much after twice as many; never more than ``best``."""
    seconds = [seconds_to_half * f for f in (0.5, 1.0, 2.0)]
    return Run(
        arm, place, seed,
        [
            dict.fromkeys((*THRESHOLDS, "error_of_copy_last_2_frames", "error_of_copy_last_6_frames"), min(v, best))
            | {"step": n, "seconds": s, "samples": 10 * n, "flops": 100 * n}
            for n, s, v in zip((1, 2, 4), seconds, (0.25, 0.5, 1.0), strict=True)
        ],
    )  # fmt: skip


def test_a_threshold_is_reached_between_two_points_or_never():
    some = run("latent", 8.0)
    assert some.reached("position_r2", 0.5) == pytest.approx(8.0)
    assert some.reached("position_r2", 0.75) == pytest.approx(8.0 * math.sqrt(2))
    assert some.reached("position_r2", 0.1) == 4.0 and some.at_first("position_r2", 0.1)
    assert not some.at_first("position_r2", 0.5)
    assert some.reached("position_r2", 0.5, "samples") == pytest.approx(20)
    assert run("latent", 8.0, best=0.4).reached("position_r2", 0.5) == math.inf


def test_what_is_lost_again_was_not_reached():
    points = [{"position_r2": v, "step": n, "seconds": n} for n, v in ((1, 0.1), (2, 0.6), (3, 0.2), (4, 0.9))]
    assert Run("latent", "still", 0, points).reached("position_r2", 0.5) == pytest.approx(3 * (4 / 3) ** (3 / 7))
    unknown = [{"position_r2": v, "step": n, "seconds": n} for n, v in ((1, math.nan), (2, 0.6))]
    assert Run("latent", "still", 0, unknown).reached("position_r2", 0.5) == 2


def test_the_ratio_is_of_geometric_means_with_an_interval_about_it():
    runs = [run(arm, t * (6 if arm == "pixels" else 1), s) for s, t in enumerate((1, 2, 3)) for arm in ARMS[:2]]
    found = ratio(runs, "pixels", "position_r2", 0.5)
    assert found.ratio == pytest.approx(6) and found.low == pytest.approx(6) and found.high == pytest.approx(6)
    assert (found.arrived, found.latent_arrived, found.runs) == (3, 3, 3)
    runs += [run("latent", 1.0, 3), run("pixels", 1.0, 3)]
    found = ratio(runs, "pixels", "position_r2", 0.5)
    assert found.ratio == pytest.approx(6**0.75) and found.low < found.ratio < found.high
    error = np.log([6, 6, 6, 1]).std(ddof=1) / 2
    assert found.high == pytest.approx(6**0.75 * np.exp(3.182 * error))
    again = ratio([*runs, *(Run(r.arm, "drifting", r.seed, r.points) for r in runs)], "pixels", "position_r2", 0.5)
    assert again.runs == 8 and again.high == pytest.approx(found.high), "places of one seed are not independent"


def test_runs_that_never_arrive_are_said_to_be_and_bound_the_ratio():
    runs = [run("latent", 1.0), run("pixels", 10.0, best=0.3)]
    found = ratio(runs, "pixels", "position_r2", 0.5)
    assert found.arrived == 0 and found.high is None and str(found).startswith("≥ ")
    assert found.ratio == pytest.approx(20.0)  # all that it spent
    told = figures(runs)
    assert told["ratio_position_r2_0.5"] == pytest.approx(20.0) and "ratio_position_r2_0.5_high" not in told
    assert told["ratio_position_r2_0.5_arrived"] == 0.0
    neither = ratio([run("latent", 1.0, best=0.3), runs[1]], "pixels", "position_r2", 0.5)
    assert neither.ratio is None and str(neither) == "–"
    ours = ratio([run("latent", 1.0, best=0.3), run("pixels", 1.0)], "pixels", "position_r2", 0.5)
    assert ours.low is None and str(ours).startswith("≤ ") and ours.ratio == pytest.approx(0.5)
    early = ratio([run("latent", 1.0), run("pixels", 2.0)], "pixels", "position_r2", 0.2)
    assert early.ratio is None, "both were there when first asked"


def test_nothing_to_compare_is_an_error():
    with pytest.raises(LatentworldError, match="expected runs of latent and of pixels, got none"):
        ratio([run("latent", 1.0)], "pixels", "position_r2", 0.5)


def test_arms_of_one_seed_begin_alike():
    films = Clips([np.zeros((24, 64, 64, 3), np.uint8)])
    scenes = [SceneTask(efficiency_scenes.recipe(SceneStudy(), arm, "still", 3), films).model for arm in ARMS]
    rooms = [DrivingTask(efficiency_rooms.recipe(RoomStudy(), arm, "rooms", 3), None).model for arm in ARMS]
    alike = (
        (scenes, ("encoder.look.0.weight", "gates.weight", "candidate.weight")),
        (rooms, ("encoder.project.weight", "recurrence.cell.weight_ih", "map.lift.0.linear.weight")),
    )
    for (one, *others), names in alike:
        for other in others:
            assert type(other) is not type(one)
            for name in names:
                assert torch.equal(one.state_dict()[name], other.state_dict()[name])


def test_a_whole_comparison(tmp_path):
    command = [
        sys.executable, str(BENCHMARK), "--json", "e.json", "--picture", "e.png", "--seeds", "1", "--steps", "2",
        "--looks", "2", "--clips", "20", "--held-out", "8", "--pairs", "1", "--batch", "2", "--room-steps", "2",
        "--rooms", "2", "--held-out-rooms", "2", "--room-looks", "2", "--trials", "1",
    ]  # fmt: skip
    first = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=500)
    assert first.returncode == 0, first.stderr
    document = json.loads((tmp_path / "e.json").read_text())
    assert document["settings"]["runs"] == 3 * len(ARMS)
    told = document["figures"]
    assert 0 <= told["ratio_pairwise_0.8_arrived"] <= 1 and 0 <= told["ratio_planning_0.7_arrived"] <= 1
    assert not [name for name in told if "drifting" in name and "planning" in name]
    assert all(np.isfinite(told[f"{arm}_final_pairwise_mean"]) for arm in ARMS)
    assert (tmp_path / "e.png").stat().st_size > 10_000
    kept = tmp_path / "runs/efficiency/pixels-drifting-0/points.json"
    points, made = json.loads(kept.read_text())["points"], kept.stat().st_mtime_ns
    assert [p["step"] for p in points] == [2] and points[0]["samples"] == 2 * 2 * 12 and points[0]["flops"] > 1e6
    assert told["pixels_final_pairwise_mean"] == points[-1]["pairwise_mean"]
    repeated = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=500)
    assert repeated.returncode == 0 and kept.stat().st_mtime_ns == made, "what is finished is not run again"
    again = json.loads((tmp_path / "e.json").read_text())["figures"]
    assert again.keys() >= {name for name in told if "final" in name}
    assert all(again[name] == told[name] for name in told if "final" in name), "only the seconds are taken anew"
    other = subprocess.run([*command, "--pairs", "2"], cwd=tmp_path, capture_output=True, text=True, timeout=500)
    assert other.returncode and "expected a run made as now" in other.stderr
