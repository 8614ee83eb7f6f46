"""Other people's tasks: a model of a dot that moves, learned from its pictures; planning to a picture; theirs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from latentworld.evaluation.stable_worldmodel import evaluate
from latentworld.interop import stable_worldmodel
from latentworld.model import checkpoint
from latentworld.model.task_model import TaskConfig, TaskModel
from latentworld.selection.task_planner import TaskPlanner
from latentworld.training.episodes import EpisodeWriter
from latentworld.training.tasks.clips import Episodes
from latentworld.training.tasks.collect import episode
from latentworld.training.tasks.course import about
from latentworld.training.tasks.recipe import RECIPES, TaskStage
from latentworld.training.tasks.task import PictureTask
from latentworld.training.tasks.validation import validate
from latentworld.training.trainer import Trainer
from latentworld.types import LatentworldError

STEP = 0.05  # of the picture's side, with an action of 1
RECIPE = replace(
    RECIPES["task-smoke"],
    name="dot",
    stages=(
        TaskStage(150, encoder=True, clips=16, length=3, rate=3e-3, warm_up=10),
        TaskStage(300, encoder=False, clips=32, length=3, pairs=256, rate=3e-3, warm_up=10),
    ),
    model=TaskConfig(channels=(8, 16, 16), latent_dim=8, hidden=64, action_block=2, distance_dim=16),
)


def picture(place: np.ndarray) -> np.ndarray:
    """(..., 2) in 0-1 -> (..., 64, 64, 3) uint8: a red dot on white."""
    grid = np.linspace(0, 1, 64)
    off = (grid - place[..., :1])[..., None, :] ** 2 + (grid - place[..., 1:])[..., :, None] ** 2
    dot = np.exp(-off / (2 * 0.06**2))[..., None]
    return (255 * (1 - dot * np.array([0, 1, 1]))).astype(np.uint8)


def move(place: np.ndarray, action: np.ndarray) -> np.ndarray:
    return np.clip(place + STEP * action, 0.1, 0.9)


@pytest.fixture(scope="module")
def dots(tmp_path_factory):
    """Random walks of a dot, as a dataset."""
    path, rng = tmp_path_factory.mktemp("dots") / "dots.h5", np.random.default_rng(0)
    with EpisodeWriter(path) as writer:
        for _ in range(40):
            actions = rng.uniform(-1, 1, (8, 2)).repeat(5, 0).astype(np.float32)
            places = [rng.uniform(0.1, 0.9, 2)]
            for action in actions[:-1]:
                places.append(move(places[-1], action))
            writer.write({"pixels": picture(np.stack(places)), "action": actions})
    return path


@pytest.fixture(scope="module")
def learned(dots, tmp_path_factory):
    trainer = Trainer(PictureTask(RECIPE, Episodes(dots)), tmp_path_factory.mktemp("run"))
    return trainer.run(quiet=True)


def test_a_batch_agrees_with_the_rows_it_came_from(dots):
    episodes = Episodes(dots)
    batch = episodes.sample(np.random.default_rng(0), 8, 3, 2, 64, images=True)
    assert batch.pixels.shape == (8, 4, 64, 64, 3) and batch.actions.shape == (8, 3, 4)
    rows, pairs = batch.rows.numpy(), batch.pairs.numpy()
    assert np.array_equal(batch.pixels[2, 1].numpy(), episodes.pixels[rows[2, 1]])
    assert np.array_equal(batch.actions[2, 1].reshape(2, 2).numpy(), episodes.action[rows[2, 1] : rows[2, 1] + 2])
    assert (rows // 40 == rows[:, :1] // 40).all() and (pairs[:, 0] // 40 == pairs[:, 1] // 40).all()
    assert np.array_equal(batch.apart.numpy(), pairs[:, 1] - pairs[:, 0]) and batch.apart.min() >= 0
    with pytest.raises(LatentworldError, match="more than 40 rows, got 40"):
        episodes.starts(40)


def test_a_distance_is_one_whatever_was_learned():
    torch.manual_seed(0)
    model = TaskModel(RECIPE.model)
    a, b, c = torch.randn(3, 100, 8)
    d = model.distance
    assert (d(a, b) >= 0).all() and (d(a, a) < 0.01).all()
    assert (d(a, c) <= d(a, b) + d(b, c) + 1e-3).all() and not torch.allclose(d(a, b), d(b, a))


def test_a_model_of_a_dot_is_learned_and_plans_to_a_picture(dots, learned):
    figures = validate(learned, Episodes(dots))
    assert figures["error_of_copy_last_4_steps"] < 0.5 and figures["distance_rank_correlation"] > 0.4
    reached = 0
    for start, end in (((0.2, 0.2), (0.7, 0.6)), ((0.8, 0.3), (0.3, 0.5)), ((0.5, 0.8), (0.5, 0.3))):
        place, planner = np.array(start), TaskPlanner(learned)
        goal = learned.encode(torch.from_numpy(picture(np.array(end))[None]))[0].detach()
        near = np.inf
        for _ in range(15):
            now = learned.encode(torch.from_numpy(picture(place)[None]))[0].detach()
            action = planner.plan(now, goal).best[0]
            for _ in range(RECIPE.model.action_block):
                place = move(place, action)
                near = min(near, np.hypot(*(place - end)))
        reached += near < 0.12
    assert reached >= 2


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(dots, tmp_path):
    stages = (replace(RECIPE.stages[0], steps=2), replace(RECIPE.stages[1], steps=2))
    recipe = replace(RECIPE, stages=stages)
    whole = Trainer(PictureTask(recipe, Episodes(dots)), tmp_path / "whole").run(quiet=True)
    cut = Trainer(PictureTask(recipe, Episodes(dots)), tmp_path / "cut")

    def stop():
        cut.save()
        if (cut.stage, cut.step) == (1, 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut.run(stop, quiet=True)
    again = Trainer(PictureTask(recipe, Episodes(dots)), tmp_path / "cut").run(quiet=True)
    for one, other in zip(whole.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_a_checkpoint_comes_back_as_it_went(learned, tmp_path):
    identity = checkpoint.save(learned, tmp_path / "dot.safetensors", {"recipe": "dot"})
    back = checkpoint.load(tmp_path / "dot.safetensors", TaskModel)
    assert back.model_id == identity and back.config == RECIPE.model
    pixels = torch.from_numpy(picture(np.array([[0.3, 0.6]])))
    assert torch.equal(back.encode(pixels), learned.encode(pixels))
    with pytest.raises(LatentworldError, match="expected a WorldModel, got a TaskModel"):
        checkpoint.load(tmp_path / "dot.safetensors")


def test_what_cannot_be_evaluated_is_said_in_one_line(tmp_path):
    with pytest.raises(LatentworldError, match="expected one of two_room, push_t, got maze"):
        evaluate("maze")
    with pytest.raises(LatentworldError, match="latentworld train --recipe two-room"):
        evaluate("two_room", weights=tmp_path / "none.safetensors")


def test_the_peers_environment_is_collected_and_evaluated(tmp_path):
    try:
        stable_worldmodel()
    except LatentworldError as error:
        pytest.skip(str(error))
    recipe = RECIPES["task-smoke"]
    one, again = (episode(recipe.train, 3) for _ in range(2))
    assert one["pixels"].shape == (len(one["action"]), 64, 64, 3) and np.isfinite(one["action"]).all()
    assert all(np.array_equal(one[name], again[name]) for name in one)
    moved, asked = np.diff(one["state"], axis=0), 5 * one["action"][:-1]
    assert np.median(np.abs(moved - asked)) < 0.01  # an action leads from its row to the next
    path = tmp_path / "untrained.safetensors"
    checkpoint.save(TaskModel(recipe.model), path)
    measured = evaluate("two_room", 2, path, json=tmp_path / "figures.json")
    assert 0 <= measured["success"] <= 1 and (tmp_path / "figures.json").is_file()
    assert "TwoRoom" in about(recipe)["data"]
