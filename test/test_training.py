"""From nothing to a checkpoint, small: the data, the batches, and a loop that can be stopped anywhere."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

from latentworld.model import checkpoint
from latentworld.model.config import ModelConfig
from latentworld.model.latent_map import relative
from latentworld.model.view_matcher import Match
from latentworld.model.world_model import WorldModel
from latentworld.training.driving import collect as driving_collect
from latentworld.training.driving import course, validation
from latentworld.training.driving.batches import sample
from latentworld.training.driving.collect import CollectSettings, collect
from latentworld.training.driving.drives import Drives
from latentworld.training.driving.gallery import Gallery, GallerySettings, look
from latentworld.training.driving.gallery import collect as collect_views
from latentworld.training.driving.objective import _tried
from latentworld.training.driving.recipe import RECIPES
from latentworld.training.driving.task import DrivingTask
from latentworld.training.driving.validation import validate
from latentworld.training.driving.views import match_losses, sample_views, told_apart
from latentworld.training.episodes import EpisodeWriter
from latentworld.training.scores import auroc
from latentworld.training.train import recipe_named
from latentworld.training.trainer import SAVE_EVERY, Trainer
from latentworld.types import LatentworldError

SETTINGS = CollectSettings(rooms=3, first_seed=40, rows=60, queries=8)


VIEWS = GallerySettings(rooms=2, first_seed=40, places=4)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "gallery.h5"
    collect_views(path, VIEWS, workers=2)
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "small.h5"
    collect(path, SETTINGS, workers=2)
    return path


def test_the_dataset_has_the_layout_that_other_tools_read(data):
    with h5py.File(data, "r", swmr=True) as file:
        lengths, offsets = file["ep_len"][:], file["ep_offset"][:]
        assert len(lengths) == 3 and (offsets == np.concatenate([[0], lengths.cumsum()[:-1]])).all()
        rows = lengths.sum()
        assert file["pixels"].shape == (rows, 64, 64, 3) and file["pixels"].dtype == np.uint8
        assert file["action"].shape == (rows, 2) and file["depth"].dtype == np.uint16
        assert file["pixels"][:].std() > 10 and 300 < np.median(file["depth"][:]) < 6001
        assert all(len(file[name]) == rows for name in file if not name.startswith("ep_"))


def test_collecting_repeats_and_resumes(data, tmp_path):
    """One worker, in two goes, makes the same bytes as two workers in one."""
    path = tmp_path / "again.h5"
    collect(path, replace(SETTINGS, rooms=1), workers=1)
    collect(path, SETTINGS, workers=1)
    with h5py.File(data, "r") as a, h5py.File(path, "r") as b:
        for name in a:
            assert np.array_equal(a[name][:], b[name][:]), name
    with pytest.raises(LatentworldError, match="begun with"):
        collect(path, replace(SETTINGS, rows=61), workers=1)


def test_what_a_killed_process_had_written_is_gone_on_with(tmp_path):
    path = tmp_path / "drives.h5"
    program = (
        "import sys, numpy as np; from latentworld.training.episodes import EpisodeWriter\n"
        "writer = EpisodeWriter(sys.argv[1])\n"
        "for n in (3, 4): writer.write({'action': np.full((n, 2), n, np.float32)})\n"
        "print('written', flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "written\n"
    child.kill()
    child.wait()
    with EpisodeWriter(path) as writer:
        assert len(writer) == 2
        writer.write({"action": np.zeros((5, 2), np.float32)})
    with h5py.File(path, "r") as file:
        assert file["ep_len"][:].tolist() == [3, 4, 5] and file["action"][:7, 0].tolist() == [3] * 3 + [4] * 4


def test_what_is_there_whole_may_be_read_while_it_is_asked_for_again(data):
    """Runs side by side each ask for the data that they share."""
    with h5py.File(data, "r") as file:
        collect(data, SETTINGS, workers=1)
        collect(data, replace(SETTINGS, rooms=2), workers=1)  # more than enough
        assert len(file["ep_len"]) == 3
    with pytest.raises(LatentworldError, match="begun with"):
        collect(data, replace(SETTINGS, rooms=2, rows=61), workers=1)


def test_a_batch_agrees_with_the_rows_it_came_from(data):
    drives = Drives(data)
    batch = sample(drives, np.random.default_rng(0), 6, 10, 2)
    assert batch.clip.pixels.shape == (6, 10, 64, 64, 3)
    for clip in range(6):
        for t in range(10):
            row = int(batch.rows[clip, t])
            assert np.array_equal(batch.clip.pixels[clip, t].numpy(), drives.pictures[0][row])


def test_clips_come_from_as_many_rooms_as_are_asked_for(data):
    drives, rng = Drives(data), np.random.default_rng(0)
    assert {int(e) for _ in range(20) for e in drives.starts(rng, 4, 8, rooms=2)[1]} == {0, 1}
    assert {int(e) for _ in range(40) for e in drives.starts(rng, 4, 8)[1]} == set(range(len(drives)))


def test_the_first_rooms_of_a_fleet_are_of_many_kinds(monkeypatch):
    asked = []

    def stop(world, seed, fleet, wide):
        asked.append(wide)
        raise LatentworldError("enough")

    monkeypatch.setattr(driving_collect, "world_for", stop)
    for seed in (100, 102, 103):
        with pytest.raises(LatentworldError):
            driving_collect.drive(CollectSettings(rooms=5, first_seed=100, fleet=True, wide=3), seed)
    assert asked == [True, True, False]


def test_free_space_labels_agree_with_contacts(data):
    drives = Drives(data)
    query = drives.query[:].astype(np.float32)
    touching = drives.small["contact"]
    at_robot = np.hypot(query[..., 0], query[..., 1]) < 0.12
    clearance = query[..., 2]
    if touching.any() and at_robot[touching].any():
        assert np.median(clearance[touching][at_robot[touching]]) < 0.35
    assert clearance[at_robot].min() > 0.0  # never inside an obstacle
    assert (query[..., 3] <= 2).all()


def test_training_repeats_bit_for_bit_and_resumes_where_it_was_stopped(data, gallery, tmp_path, monkeypatch):
    recipe = replace(RECIPES["smoke"], train=SETTINGS)
    torch.set_num_threads(1)
    whole = Trainer(DrivingTask(recipe, Drives(data), Gallery(gallery)), tmp_path / "whole").run()
    monkeypatch.setattr("latentworld.training.trainer.SAVE_EVERY", 2)
    broken = Trainer(DrivingTask(recipe, Drives(data), Gallery(gallery)), tmp_path / "broken")
    learn, count = broken._learn, []

    def stop_in_the_second_stage(*args):
        count.append(1)
        if len(count) == 6:
            raise KeyboardInterrupt
        return learn(*args)

    broken._learn = stop_in_the_second_stage
    with pytest.raises(KeyboardInterrupt):
        broken.run()
    resumed = Trainer(DrivingTask(recipe, Drives(data), Gallery(gallery)), tmp_path / "broken").run()
    assert checkpoint.model_id(whole) == checkpoint.model_id(resumed)
    lines = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert [(line["stage"], line["step"]) for line in lines] == [
        (stage, step) for stage in range(3) for step in (1, 2, 3)
    ]
    with pytest.raises(LatentworldError, match="expected recipe"):
        Trainer(DrivingTask(replace(recipe, seed=5), Drives(data)), tmp_path / "whole").run()
    assert SAVE_EVERY >= 10


def test_surprise_is_scaled_by_drives_of_the_shipped_robot_where_a_recipe_has_them(data, tmp_path, monkeypatch):
    monkeypatch.setattr(validation, "CLIPS", validation.AT_ONCE)
    recipe = replace(RECIPES["smoke"], validation=SETTINGS, stages=RECIPES["smoke"].stages[:1])
    own = replace(SETTINGS, rooms=2, first_seed=60)
    shutil.copy(data, tmp_path / "smoke-validation.h5")
    collect(tmp_path / "smoke-calibration.h5", own, workers=1)
    model, other = WorldModel(recipe.model), WorldModel(recipe.model)
    other.load_state_dict(model.state_dict())
    figures = course.validate(model, replace(recipe, calibration=own), tmp_path)
    expected = validate(other, Drives(tmp_path / "smoke-calibration.h5"))
    assert figures["shipped_robot_clearance_error_m"] == expected["clearance_error_m"] != figures["clearance_error_m"]
    assert torch.equal(model.surprise_quantiles, other.surprise_quantiles)
    course.validate(model, recipe, tmp_path)
    assert not torch.equal(model.surprise_quantiles, other.surprise_quantiles)


def test_the_encoder_rests_in_the_second_stage(data, tmp_path):
    recipe = replace(RECIPES["smoke"], train=SETTINGS)
    only_first = Trainer(DrivingTask(replace(recipe, stages=recipe.stages[:1]), Drives(data)), tmp_path / "a").run()
    both = Trainer(DrivingTask(replace(recipe, stages=recipe.stages[:2]), Drives(data)), tmp_path / "b").run()
    for name, tensor in only_first.encoder.state_dict().items():
        assert torch.equal(tensor, both.encoder.state_dict()[name]), name
    assert not torch.equal(only_first.recurrence.cell.weight_hh, both.recurrence.cell.weight_hh)


def test_appearance_is_learned_beside_what_drives(data, gallery, tmp_path):
    recipe = replace(RECIPES["smoke"], train=SETTINGS)
    two = Trainer(DrivingTask(replace(recipe, stages=recipe.stages[:2]), Drives(data)), tmp_path / "a").run()
    three = Trainer(DrivingTask(recipe, Drives(data), Gallery(gallery)), tmp_path / "b").run()
    before = two.state_dict()
    changed = {name for name, tensor in three.state_dict().items() if not torch.equal(tensor, before[name])}
    learned = {name for name, _ in three.named_parameters() if name.startswith(("appearance.", "views."))}
    assert changed - learned <= {name for name, _ in three.named_buffers() if name.startswith("appearance.")}
    assert {name for name in learned if name.endswith("weight")} <= changed
    with pytest.raises(LatentworldError, match="learned from a gallery, got none"):
        Trainer(DrivingTask(recipe, Drives(data)), tmp_path / "c").run()


def test_a_stage_that_does_not_fit_the_drives_is_refused_before_any_is_trained(data):
    stages = (RECIPES["smoke"].stages[0], replace(RECIPES["smoke"].stages[1], length=400))
    with pytest.raises(LatentworldError, match="recipe smoke: expected drives of 1600 rows for clips of 400, longest"):
        DrivingTask(replace(RECIPES["smoke"], train=SETTINGS, stages=stages), Drives(data))


def test_a_gallery_shows_one_heading_from_side_by_side(gallery):
    views = Gallery(gallery)
    assert len(views) == VIEWS.rooms
    for number in range(len(views)):
        (pixels, depth, *_), poses = views.room(number)
        assert len(pixels) == len(depth) == len(poses) == VIEWS.places * VIEWS.views
        assert pixels.std() > 10 and 300 < np.median(depth) < 6001
        clusters = torch.from_numpy(poses).unflatten(0, (VIEWS.places, VIEWS.views))
        off = relative(clusters[:, :1], clusters[:, 1:])
        assert (off[:, :, :2].norm(dim=2) < 1.01).all() and (off[:, 0].abs() < 0.21).all()  # the second view
        assert off[..., 1].abs().max() > 0.4  # to the side of its place, under much the same heading
    again = look(VIEWS, VIEWS.first_seed)
    assert np.array_equal(again["pixels"], views.room(0)[0].pixels) and set(again["light"]) == {0, 1}
    with pytest.raises(LatentworldError, match="expected a gallery"):
        Gallery(gallery.parent / "nothing.h5")


def test_views_are_paired_within_a_room(gallery):
    views = sample_views(Gallery(gallery), np.random.default_rng(0), 2, 50)
    assert views.pairs.shape == (2, 100) and len(views.images.pixels) == len(views.poses)
    one, other = views.pairs
    assert (one != other).all() and torch.equal(views.rooms[one], views.rooms[other])
    off = relative(views.poses[one], views.poses[other])
    same = (off[:, :2].norm(dim=1) < 0.2) & (off[:, 2].abs() < 0.2)
    assert 0.1 < same.float().mean() < 0.5
    again = sample_views(Gallery(gallery), np.random.default_rng(0), 2, 50)
    assert torch.equal(views.pairs, again.pairs) and torch.equal(views.images.pixels, again.images.pixels)


def test_the_worst_mistake_counts_as_much_as_all_others():
    fine = torch.full((100,), -8.0)
    wrong = fine.clone()
    wrong[5] = 8.0
    alike = torch.tensor([8.0])
    assert told_apart(alike, fine) < 0.01 < 3 < told_apart(alike, wrong)


def test_a_pose_is_learned_of_views_near_each_other_alone():
    true = torch.tensor([[0.1, 0.0, 0.1], [0.5, 0.3, 0.2], [3.0, 0.0, 0.0]])
    told = Match(torch.tensor([5.0, -5.0, -5.0]), torch.tensor([5.0, 5.0, -5.0]), true.clone(), torch.zeros(3, 3))
    right = match_losses(told, true)
    assert right["pose"] == 0 and right["same"] < 0.05 and right["near"] < 0.05
    far, near = true.clone(), true.clone()
    far[2] += 1
    near[1] += 1
    assert match_losses(told._replace(pose=far), true)["pose"] == 0
    assert match_losses(told._replace(pose=near), true)["pose"] > 1


@pytest.mark.parametrize("arm, taught_by", [("pixels", {"predict"}), ("decoder", {"paint", "recall", "sigreg"})])
def test_what_is_taught_by_pixels_drives_without_its_decoder(data, arm, taught_by):
    smoke = RECIPES["smoke"]
    task = DrivingTask(replace(smoke, train=SETTINGS, arm=arm, stages=smoke.stages[:1]), Drives(data))
    stage = task.recipe.stages[0]
    learned = task.begin(stage)
    batch = next(iter(task.batches(stage, 0, range(1))))
    loss, terms = task.losses(stage, batch, torch.Generator().manual_seed(1))
    assert taught_by <= set(terms) and ("sigreg" in terms) == (arm == "decoder")
    loss.backward()
    still = {name for name, p in task.model.named_parameters() if p.grad is None}
    doubts = {name for name, _ in task.model.named_parameters() if name.startswith("predictor.doubt")}
    later = {name for name, _ in task.model.named_parameters() if name.startswith(("views.", "appearance."))}
    assert doubts and still == later | (doubts if arm == "pixels" else set())
    assert len(learned) == len(list(task.model.parameters())) - len(later)
    alone, rgb = task.model.eval().without_decoder().eval(), batch.clip.pixels[0]
    assert torch.equal(alone.encode(rgb), task.model.encode(rgb))
    assert task.model.paint(alone.encode(rgb)).shape == (len(rgb), 4, 64, 64)


def test_auroc():
    labels = np.array([0, 0, 1, 1, np.nan])
    assert auroc(np.array([0.1, 0.2, 0.3, 0.4, 9]), labels) == 1.0
    assert auroc(np.array([0.4, 0.3, 0.2, 0.1, 9]), labels) == 0.0
    assert np.isnan(auroc(np.zeros(2), np.zeros(2)))
    assert auroc(np.zeros(4), labels[:4]) == 0.5


def test_bad_data_is_named(tmp_path, data):
    with pytest.raises(LatentworldError, match="no such file"):
        Drives(tmp_path / "nothing.h5")
    (tmp_path / "junk.h5").write_bytes(b"junk" * 100)
    with pytest.raises(LatentworldError, match="junk.h5: expected an HDF5 file"):
        Drives(tmp_path / "junk.h5")
    with EpisodeWriter(tmp_path / "half.h5") as writer:
        writer.write({"action": np.zeros((5, 2), np.float32)})
    with pytest.raises(LatentworldError, match="missing .*pixels"):
        Drives(tmp_path / "half.h5")
    with pytest.raises(LatentworldError, match="expected an episode of 999 rows"):
        sample(Drives(data), np.random.default_rng(0), 1, 999, 1)
    with pytest.raises(LatentworldError, match="recipe: expected one of"):
        recipe_named("nav-huge")


def test_the_shipped_model_is_what_its_card_says(tmp_path):
    """The card's held-out figures, measured again on a tenth of rooms never trained on, hold within wide bounds."""
    path = tmp_path / "validation.h5"
    collect(path, CollectSettings(rooms=12, first_seed=1_000_000), workers=2)
    model = checkpoint.load()
    quantiles = model.surprise_quantiles.clone()
    figures, card = validate(model, Drives(path)), checkpoint.card()["held_out"]
    assert figures["latent_error_0.5s"] < 0.75 * figures["copy_last_error_0.5s"]
    assert figures["clearance_error_m"] < 2 * card["clearance_error_m"]
    assert figures["occupied_auroc"] > 0.9
    assert not torch.equal(quantiles, torch.linspace(-3, 3, 513))


def test_training_can_begin_with_other_weights(tmp_path):
    torch.manual_seed(3)
    base = WorldModel(ModelConfig(opinions=1))
    checkpoint.save(base, tmp_path / "base.safetensors")
    model = WorldModel()
    left = checkpoint.begin_with(model, str(tmp_path / "base.safetensors"))
    assert left and all(name.startswith("free_space.others") for name in left)
    assert torch.equal(model.encoder.project.weight, base.encoder.project.weight)
    with pytest.raises(LatentworldError, match="no such file"):
        checkpoint.begin_with(model, str(tmp_path / "none.safetensors"))
    with pytest.raises(LatentworldError, match="expected weights of a WorldModel, got a SceneModel"):
        checkpoint.begin_with(model, "physics-small")
    with pytest.raises(LatentworldError, match="begins from nothing"):
        recipe, course = recipe_named("physics-small")
        course.with_base(recipe, "x")


def test_the_likelihood_of_a_place_cannot_be_won_by_being_narrow():
    """However sure a score is of the true pose, it is worth no more than the samples about it let be seen."""
    poses, density = _tried(torch.zeros(3, 3), 2.8, torch.Generator().manual_seed(0))
    assert (poses[:, 0] == 0).all() and (density[:, 0] > density[:, -1]).all()
    for sharp in (1e2, 1e6):
        score = torch.full(poses.shape[:2], -sharp)
        score[:, 0] = sharp
        likelihood = score[:, 0] - (score - density.log() - np.log(poses.shape[1])).logsumexp(1)
        assert (likelihood < 7.5).all()


def test_most_goals_lie_within_reach(data):
    drives = Drives(data)
    batch = sample(drives, np.random.default_rng(0), 16, 12, 1, images=False)
    assert batch.goal_rows.shape == (16, 4) and batch.goal_pose.shape == (16, 4, 3)
    off = (batch.goal_pose[:, 2:, :2] - batch.odometry[:, -1:, :2]).norm(dim=-1)
    assert ((off > 0.4) & (off < 3.0)).float().mean() > 0.6
