"""Learning depth from colour: labels agree with measured depth, and the recipe runs from nothing to a checkpoint."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from latentworld import robot_file
from latentworld.model.checkpoint import load
from latentworld.model.depth_estimator import ABOVE, BELOW, FLOOR, DepthConfig, DepthEstimator, Estimate
from latentworld.perception.estimated_depth import Cells, ground_scan
from latentworld.perception.level_view import CELL, COLUMNS, ROWS, LevelView
from latentworld.perception.range_scan import range_scan
from latentworld.sim import World
from latentworld.training.depth import pretrained
from latentworld.training.depth.collect import EXACT, NOTHING, labels, look
from latentworld.training.depth.objective import Views, losses
from latentworld.training.depth.recipe import RECIPES, ViewSettings
from latentworld.training.train import train
from latentworld.types import LatentworldError

ROOM = 1_680_200


@pytest.mark.parametrize("name", ["turtlebot4", "trials/d435", "trials/service"])
def test_labels_agree_with_measured_depth(name):
    described = robot_file.load(name)
    camera = replace(described.camera, depth=EXACT)
    exact = replace(described, cameras=(camera,))
    world = World(ROOM, image_size=min(320, camera.intrinsics.width), robot=exact)
    apart, missed, columns = [], 0, 0
    for seed in range(ROOM, ROOM + 6):
        world.reset(seed)
        frame, measured = world.frame(), range_scan(world.frame(), exact)
        level = LevelView(camera, frame.rgb.shape)
        kind, near = labels(frame.depth, world.camera, level)
        told = np.stack([kind == k for k in (FLOOR, ABOVE, BELOW)]).astype(np.float32)
        cells = Cells(told, level.height * np.exp(-near.astype(np.float32)), np.zeros(kind.shape), kind != NOTHING)
        scan = ground_scan(cells, level, exact, camera)
        near_ones = measured.nearest < 1.2
        both = near_ones & np.isfinite(scan.nearest)
        apart += list(np.abs(scan.nearest[both] - measured.nearest[both]))
        missed += int((scan.far > measured.nearest + 0.3)[near_ones].sum())
        columns += int(near_ones.sum())
    world.close()
    assert columns > 60 and len(apart) > 0.8 * columns and np.median(apart) < 0.06 and missed < 0.1 * columns


def test_views_of_a_room():
    settings = ViewSettings(1, 0, cameras=3, views=2, photographs=False)
    views = look(settings, 5)
    assert views["pixels"].shape == (6, ROWS, COLUMNS, 3) and views["pixels"].dtype == np.uint8
    assert views["kind"].shape == views["nearness"].shape == (6, ROWS // CELL, COLUMNS // CELL)
    assert ((views["height"] > 0.09) & (views["height"] < 1.9)).all()
    shown = views["kind"] != NOTHING
    assert set(np.unique(views["kind"])) <= {FLOOR, ABOVE, BELOW, NOTHING} and shown.any((1, 2)).all()
    # What is told about is shown.
    seen = (views["pixels"] > 0).any(-1).reshape(6, ROWS // CELL, CELL, COLUMNS // CELL, CELL).any((2, 4))
    assert (seen | ~shown).mean() > 0.99
    again = look(settings, 5)
    assert all(np.array_equal(views[name], again[name]) for name in views)


def test_recipe_runs_from_nothing_to_a_checkpoint(tmp_path):
    path, figures = train("depth-smoke", tmp_path / "data", tmp_path / "runs")
    model = load(path, DepthEstimator)
    assert 0 <= figures["cell_accuracy"] <= 1 and np.isfinite(figures["log_distance_error"])
    assert "depth-smoke" in path.with_suffix(".md").read_text()
    said = model(torch.zeros(1, ROWS, COLUMNS, 3, dtype=torch.uint8), torch.tensor([0.3]))
    assert said.kind.shape == (1, 3, ROWS // CELL, COLUMNS // CELL) and torch.isfinite(said.nearness).all()


def test_level_view_is_the_one_that_the_network_reads():
    config = DepthConfig()
    assert (config.rows, config.columns) == (ROWS, COLUMNS)


def test_loss_is_least_for_the_truth():
    kind = torch.full((1, 4, 4), FLOOR)
    kind[0, :2] = ABOVE
    near = torch.linspace(-1, 1, 16).view(1, 4, 4)
    views = Views(torch.zeros(1, 8, 8, 3), kind, near, torch.ones(1))
    logits = torch.nn.functional.one_hot(kind, 3).permute(0, 3, 1, 2) * 8.0
    right = losses(Estimate(logits, near, torch.full_like(near, -3.0)), views)
    wrong = losses(Estimate(-logits, near + 1, torch.full_like(near, -3.0)), views)
    assert right["kind"] < 0.01 < wrong["kind"] and right["near"] < wrong["near"] and right["error"] < 1e-6
    # Cells of which nothing is known change nothing.
    kind[0, 0, 0] = NOTHING
    hidden = losses(Estimate(logits, near, torch.full_like(near, -3.0)), views._replace(kind=kind))
    near = near.clone()
    near[0, 0, 0] = 9
    assert torch.equal(losses(Estimate(logits, near, torch.full_like(near, -3.0)), views)["near"], hidden["near"])


def test_pretrained_weights_come_from_the_package_or_are_asked_for():
    model = DepthEstimator()
    before = model.stem.weight.clone()
    try:
        pretrained.begin(model)
        assert not torch.equal(model.stem.weight, before)
    except LatentworldError as error:
        assert "tools/pretrained.txt" in str(error)


def test_no_other_file_of_weights_is_opened(tmp_path):
    torch.save({"_conv_stem.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(LatentworldError, match="other.pth: expected the file of sha256"):
        pretrained.read(tmp_path / "other.pth")


def test_shipped_recipe_is_what_the_card_names():
    recipe = RECIPES["depth-small"]
    assert recipe.pretrained and recipe.train.photographs and recipe.validation.first_seed >= 1_000_000
