"""Recipe nav-own: from recordings of a robot to a model that has learned from them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
from own_recordings import record
from typer.testing import CliRunner

from latentworld import robot_file
from latentworld.cli import app
from latentworld.model import checkpoint
from latentworld.ros import bag_drives
from latentworld.training.driving import own_course, own_drives, validation
from latentworld.training.driving.drives import Drives
from latentworld.training.driving.recipe import Stage
from latentworld.training.train import train
from latentworld.training.trainer import Trainer
from latentworld.types import LatentworldError

ROBOT = "trials/d435"
STEPS = (
    Stage(12, "all", clips=8, length=8, rate=3e-4, starts=2, warm_up=2),
    Stage(2, "belief", clips=4, length=8, rate=1e-4, starts=2, warm_up=1),
)


@pytest.fixture(scope="module", autouse=True)
def one_core():
    """So little is computed at once that a second core would be waited for."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def robot(tmp_path_factory):
    """Its description, as a user has it, in a file of its own."""
    path = tmp_path_factory.mktemp("robot") / "mine.yaml"
    robot_file.save(robot_file.load(ROBOT), path)
    return path


@pytest.fixture(scope="module")
def bags(tmp_path_factory):
    """Recordings of 24 s and of 20 s; the camera of the second one was silent for a second."""
    folder, description = tmp_path_factory.mktemp("recordings"), robot_file.load(ROBOT)
    record(folder / "first.mcap", description, 15, 240)
    (folder / "second").mkdir()
    record(folder / "second" / "second_0.mcap", description, 11, 200, stopped=range(100, 110))
    return folder


@pytest.fixture
def short(monkeypatch):
    """Less is enough: the rest of the test is about what happens then."""
    monkeypatch.setattr(own_drives, "LEAST_MINUTES", 0.4)
    monkeypatch.setattr(validation, "CLIPS", 4)
    monkeypatch.setattr(validation, "AT_ONCE", 4)


def convert(robot, bags, data):
    return bag_drives.convert(str(robot), [bags], {"bumper": "/bumper"}, data)


def test_recordings_become_two_data_sets_once(robot, bags, short, tmp_path, monkeypatch):
    own = convert(robot, bags, tmp_path / "data")
    assert own.files == ("first.mcap", "second_0.mcap") and own.called == "D435, level"
    read = {part: Drives(tmp_path / "data" / f"nav-own-{part}.h5") for part in ("train", "validation")}
    assert read["train"].lengths.tolist() == [200, 100, 90] and read["validation"].lengths.tolist() == [40]
    assert own.minutes == 0.65 and own.held_out == 0.07 and own.labelled > 0.3
    images = read["train"].images(198, 203)
    assert images.pixels.shape == (5, 64, 64, 3) and images.pixels.reshape(5, -1).std(1).min() > 5

    # What was converted is not read again, and lies in one folder that may be moved.
    monkeypatch.setattr(bag_drives, "moments", lambda *_, **__: pytest.fail("read again"))
    assert convert(robot, bags, tmp_path / "data") == own
    shutil.move(tmp_path / "data", tmp_path / "elsewhere")
    moved = Drives(tmp_path / "elsewhere" / "nav-own-train.h5")
    assert np.array_equal(moved.images(198, 203).pixels, images.pixels)


def test_what_it_says_of_free_space_gets_better(robot, bags, short, tmp_path):
    recipe = own_course.with_recordings(own_course.RECIPES["nav-own"], convert(robot, bags, tmp_path))
    recipe = replace(recipe, stages=STEPS)
    assert recipe.model == checkpoint.load().config, "a model like the one that it begins with"
    assert recipe.depth_dropout == 0.4 and recipe.any_light
    task = own_course.task(recipe, tmp_path)
    before = free_space_loss(task)
    model = Trainer(task, tmp_path / "run").run(quiet=True)
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert len(log) == sum(stage.steps for stage in STEPS)
    assert all(np.isfinite(list(line.values())).all() for line in log)
    assert all(weights.isfinite().all() for weights in model.state_dict().values())
    assert free_space_loss(task) < 0.9 * before


@torch.no_grad()
def free_space_loss(task):
    """Of the same few clips every time, seen as they are."""
    stage, found = Stage(4, "all", clips=8, length=12, rate=0.0, starts=2), []
    task.begin(stage)
    task.model.eval()
    for batch in task.batches(stage, 99, range(stage.steps)):
        found.append(task.losses(stage, batch, torch.Generator().manual_seed(0))[1]["field"].item())
    return np.mean(found)


def test_the_checkpoint_says_what_it_learned_from(robot, bags, short, tmp_path, monkeypatch):
    recipe = own_course.RECIPES["nav-own"]
    monkeypatch.setitem(own_course.RECIPES, "nav-own", replace(recipe, stages=(replace(STEPS[0], steps=3),)))
    out = tmp_path / "own.safetensors"
    arguments = ["--robot", robot, "--recordings", bags, "--data", tmp_path / "data", "--runs", tmp_path / "runs"]
    result = CliRunner().invoke(app, ["train", "--recipe", "nav-own", *map(str, arguments), "--output", str(out)])
    assert result.exit_code == 0, (result.output, result.exception)
    card = checkpoint.card(out)
    assert card["about"]["robot"] == f"D435, level ({robot})" and card["about"]["begun with"].endswith("nav-small")
    assert "0.65 minutes of its own driving" in card["about"]["data"] and "not known" in card["about"]["data"]
    assert {"latent_error_0.5s", "base_latent_error_0.5s"} <= set(card["held_out"])
    assert all(np.isfinite(value) for value in card["held_out"].values())
    assert "first.mcap, second_0.mcap" in out.with_suffix(".md").read_text()
    assert checkpoint.load(out).surprise_quantiles.diff().ge(0).all()


def test_from_nothing(robot, bags, short, tmp_path):
    recipe = own_course.with_base(own_course.RECIPES["nav-own"], "none")
    recipe = own_course.with_recordings(recipe, convert(robot, bags, tmp_path))
    shipped, begun = checkpoint.load().state_dict(), own_course.task(recipe, tmp_path).model.state_dict()
    assert begun.keys() == shipped.keys()
    assert not any(np.array_equal(begun[name], shipped[name]) for name in begun if name.endswith("conv.weight"))
    assert own_course.about(recipe)["begun with"] == "nothing"


@pytest.mark.parametrize(
    "more, said",
    [
        ([], "recordings: expected 3 minutes of driving or more with a picture every 0.1 s, got 0.7 in 2 recording"),
        (["--topic", "depth:=/none"], "first.mcap: expected messages on /none, got none"),
        (["--topic", "odom:=/wheels"], "first.mcap: expected messages on /wheels"),
        (["--topic", "bumper:=/camera/image_raw"], "/camera/image_raw: expected std_msgs/Bool, got Image"),
        (["--topic", "wheels:=/odom"], "topic: expected one of image, depth, odom, cmd_vel, bumper, got wheels"),
        (["--recordings", "/none.mcap"], "recordings /none.mcap: expected an MCAP file or a folder with some"),
        (["--recipe", "nav-small"], "recipe nav-small: learns from simulation, not from recordings"),
        (["--robot", "nobody"], "robot: expected a YAML file or one of"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_in_a_line(robot, bags, tmp_path, more, said):
    arguments = ["--recipe", "nav-own", "--robot", robot, "--recordings", bags, "--data", tmp_path, *more]
    result = CliRunner().invoke(app, ["train", *map(str, arguments)])
    assert isinstance(result.exception, LatentworldError) and said in str(result.exception)
    assert "\n" not in str(result.exception)


def test_a_recipe_without_recordings_says_what_it_needs(tmp_path):
    with pytest.raises(LatentworldError, match="nav-own: expected --robot and --recordings"):
        train("nav-own", tmp_path)
    with pytest.raises(LatentworldError, match="nav-own: expected --robot and --recordings"):
        bag_drives.convert(None, [tmp_path], {}, tmp_path)


def test_a_conversion_that_was_cut_off_is_done_anew(robot, bags, short, tmp_path, monkeypatch):
    read, left = bag_drives.moments, [300]

    def cut_off(*arguments, **named):
        for moment in read(*arguments, **named):
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
            yield moment

    monkeypatch.setattr(bag_drives, "moments", cut_off)
    with pytest.raises(KeyboardInterrupt):
        convert(robot, bags, tmp_path)
    assert len(list((tmp_path / "nav-own").glob("*-train.h5"))) == 1
    assert convert(robot, bags, tmp_path).minutes == 0.65
    with h5py.File(tmp_path / "nav-own-train.h5") as file:
        assert len(file["action"]) == file["ep_len"][:].sum() == 390
