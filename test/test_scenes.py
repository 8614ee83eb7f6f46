"""Physics by watching: the clips, the loss, the scale of surprise; a small recipe end to end."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from latentworld.evaluation.physics import evaluate
from latentworld.evaluation.physics_controls import CopyLast, InItsLatents, ShortMemory
from latentworld.model import checkpoint
from latentworld.model.pixel_baseline import PixelBaseline
from latentworld.model.scene_model import CELLS, COLOURS, SceneConfig, SceneModel
from latentworld.model.world_model import WorldModel
from latentworld.sim.stage.clips import possible_clip
from latentworld.sim.stage.properties import PROPERTIES
from latentworld.sim.stage.stage import FRAMES
from latentworld.tracking import scene_surprise
from latentworld.training.scenes.augmentation import other_look
from latentworld.training.scenes.clips import Clips, read_clip
from latentworld.training.scenes.collect import collect
from latentworld.training.scenes.objective import cell_difference, losses
from latentworld.training.scenes.recipe import CALIBRATION_SEED, FilmSettings
from latentworld.training.train import train
from latentworld.types import LatentworldError


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """The smallest recipe, run as a person would."""
    folder = tmp_path_factory.mktemp("smoke")
    path, figures = train("physics-smoke", folder / "data", folder / "runs")
    return folder, path, figures


def test_a_recipe_runs_from_nothing_to_a_calibrated_checkpoint(smoke):
    _, path, figures = smoke
    model = checkpoint.load(path, SceneModel)
    assert all(np.isfinite(value) for value in figures.values())
    assert (model.surprise_scale[1] > 0).all() and not torch.equal(model.surprise_quantiles, torch.linspace(-3, 3, 513))
    assert path.with_suffix(".md").read_text().count("physics-smoke") >= 2
    assert checkpoint.card(path)["recipe"] == "physics-smoke"


def test_one_kind_of_model_is_not_taken_for_another(smoke):
    with pytest.raises(LatentworldError, match="expected a WorldModel, got a SceneModel"):
        checkpoint.load(smoke[1])
    with pytest.raises(LatentworldError, match="expected a SceneModel, got a WorldModel"):
        checkpoint.load(checkpoint.shipped(), SceneModel)
    assert isinstance(checkpoint.load(), WorldModel)


def test_others_clips_train_the_same_recipe(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(6):
        clip = rng.integers(0, 255, (12 + i % 2, 64, 64, 3), dtype=np.uint8)
        np.savez(tmp_path / f"{i}.npz", possible=clip)
    path, _ = train("physics-smoke", runs=tmp_path / "runs", clips=tmp_path)
    assert str(tmp_path) in checkpoint.card(path)["command"]
    assert str(tmp_path) in checkpoint.card(path)["about"]["data"]
    (tmp_path / "5.npz").unlink()
    with pytest.raises(LatentworldError, match="expected more than 5, .* got 5"):
        train("physics-smoke", runs=tmp_path / "few", clips=tmp_path)


def test_what_was_begun_on_other_clips_does_not_go_on(smoke, tmp_path):
    folder, _, _ = smoke
    for i in range(6):
        np.savez(tmp_path / f"{i}.npz", possible=np.full((12, 64, 64, 3), i, np.uint8))
    with pytest.raises(LatentworldError, match="state.safetensors: expected recipe physics-smoke .* remove it"):
        train("physics-smoke", folder / "data", folder / "runs", clips=tmp_path)


def test_weights_that_do_not_ship_are_named_with_the_way_to_make_them(tmp_path):
    with pytest.raises(LatentworldError, match="nothing.safetensors: no such file; .*--recipe physics-small"):
        evaluate(weights=tmp_path / "nothing.safetensors")


def test_a_batch_holds_pieces_of_the_clips():
    rng = np.random.default_rng(0)
    pixels = [rng.integers(0, 255, (n, 64, 64, 3), dtype=np.uint8) for n in (24, 30)]
    batch = Clips(pixels).sample(rng, 16, 24)
    assert batch.shape == (16, 24, 64, 64, 3)
    for piece in batch:
        assert any(np.array_equal(clip[t : t + 24], piece) for clip in pixels for t in range(len(clip) - 23))


def test_another_look_keeps_what_stands_still_still_and_what_moves_moving():
    film = np.full((3, 64, 64, 3), 120, np.uint8)
    film[1:, 28:36, 28:36] = [220, 40, 40]
    looks = [other_look(np.random.default_rng(seed), film, 0.6) for seed in range(40)]
    for look in looks:
        assert look.shape == film.shape and look.dtype == np.uint8
        assert np.array_equal(look[1], look[2])
        changed = (look[0] != look[1]).any(-1)
        assert 36 <= changed.sum() <= 200 and not changed[:, :10].any() and not changed[:10].any()
    assert len({look.tobytes() for look in looks}) == len(looks)
    again = other_look(np.random.default_rng(3), film, 0.6)
    assert np.array_equal(again, looks[3])


def test_clips_on_disk_are_what_was_collected(tmp_path):
    collect(tmp_path / "clips.h5", FilmSettings(3, CALIBRATION_SEED), workers=1)
    clips = Clips.from_dataset(tmp_path / "clips.h5")
    assert len(clips) == 3 and clips.length == FRAMES
    for i, pixels in enumerate(clips.pixels):
        assert np.array_equal(pixels, possible_clip(CALIBRATION_SEED + i).pixels)
    looks = clips.sample(np.random.default_rng(0), 4, 12, stride=2)
    assert clips.sample(np.random.default_rng(0), 4, 12, stride=2, vary=1.0).shape == looks.shape
    assert all(any(np.array_equal(f, g) for c in clips.pixels for g in c) for f in looks[:, 5])


def test_a_cell_differs_where_its_pixels_do():
    one = torch.zeros(2, 64, 64, 3, dtype=torch.uint8)
    other = one.clone()
    other[1, 8:16, 24:32] = 100
    off = cell_difference(one, other)
    assert off.shape == (2, CELLS, CELLS) and off[1, 1, 3] == 100 and off.sum() == 100


def test_a_latent_knows_its_own_patch_and_no_other():
    model = SceneModel().eval()
    pixels = torch.full((1, 1, 64, 64, 3), 100, dtype=torch.uint8)
    changed = pixels.clone()
    changed[0, 0, 28:36:2, 28:36] = 200  # every other line lighter, every other darker: as bright as before
    changed[0, 0, 29:36:2, 28:36] = 0
    off = (model.encode(pixels) - model.encode(changed)).abs().amax(2)[0, 0]
    assert (off > 1e-4).nonzero().tolist() == [[3, 3], [3, 4], [4, 3], [4, 4]]


def test_a_lamp_that_is_dimmed_changes_no_latent():
    model = SceneModel().eval()
    pixels = torch.from_numpy(possible_clip(3).pixels[None, :2] // 2 * 2)
    assert (pixels // 2 != pixels).any()
    assert torch.allclose(model.encode(pixels // 2), model.encode(pixels), atol=1e-4)


def test_two_numbers_of_a_cell_say_its_colour_and_nothing_else():
    model = SceneModel().eval()
    pixels = torch.full((3, 1, 64, 64, 3), 100, dtype=torch.uint8)
    pixels[1, 0, 8:16, 24:32] = torch.tensor([200, 50, 50], dtype=torch.uint8)  # as light, but red
    pixels[2, 0, 8:16, 24:32] = 200  # lighter, as grey
    grey, red, light = model.encode(pixels)[:, 0, -COLOURS:]
    assert ((grey - red).abs().amax(0) > 0.1).nonzero().tolist() == [[1, 3]]
    assert torch.allclose(grey, light, atol=1e-5)


def test_a_wall_is_heard_of_along_its_column():
    torch.manual_seed(0)
    model = SceneModel(SceneConfig(8, 8)).eval()
    latents = torch.zeros(2, 10, CELLS, CELLS)
    latents[1, :, 0, 4] = 3.0  # at the top; after two looks its neighbours' neighbours know by touch, the rest by line
    one, other = model.update(model.start(latents), latents).hidden
    reached = ((one - other).abs().amax(0) > 1e-6).nonzero().tolist()
    assert [7, 4] in reached and [0, 0] in reached and [7, 0] not in reached


def test_a_belief_depends_on_the_past_alone():
    torch.manual_seed(0)
    model = SceneModel(SceneConfig(8, 8)).eval()
    latents = torch.randn(2, 6, 10, CELLS, CELLS)
    later = latents.clone()
    later[:, 4:] += 1
    one, other = model.track(latents).hidden, model.track(later).hidden
    assert torch.equal(one[:, :4], other[:, :4]) and not torch.equal(one[:, 4], other[:, 4])


def test_the_loss_repeats_and_reaches_every_weight():
    torch.manual_seed(0)
    model = SceneModel(SceneConfig(8, 8)).train()
    pixels = torch.randint(0, 255, (2, 12, 64, 64, 3), dtype=torch.uint8)
    terms = [losses(model, pixels, torch.Generator().manual_seed(1)) for _ in range(2)]
    assert all(torch.equal(terms[0][name], terms[1][name]) for name in terms[0])
    sum(terms[0].values()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_surprise_comes_with_what_was_not_foretold():
    torch.manual_seed(0)
    model = SceneModel(SceneConfig(8, 8)).eval()
    nn.init.constant_(model.foresight.doubt[-1].bias, -8.0)  # it takes itself to be right
    pixels = np.zeros((1, 12, 64, 64, 3), np.uint8)
    flash = pixels.copy()
    flash[0, 9] = 255
    quiet, loud = (scene_surprise.misfit(model, film) for film in (pixels, flash))
    assert np.isnan(quiet.excess[0, :4]).all() and np.isfinite(quiet.excess[0, 4:]).all()
    assert (loud.excess[0, 9] > quiet.excess[0, 9]).all()
    quiet, loud = (scene_surprise.frame_scores(of)[0] for of in (quiet, loud))
    assert (loud[:4] == 0).all() and loud[9] > quiet[9] and np.array_equal(loud[:9], quiet[:9])


@pytest.mark.parametrize(
    "clip, said",
    [
        (np.zeros((12, 32, 32, 3), np.uint8), r"expected \(T, 64, 64, 3\), got \(12, 32, 32, 3\)"),
        (np.zeros((12, 64, 64), np.uint8), r"expected \(T, 64, 64, 3\), got \(12, 64, 64\)"),
        (np.zeros((12, 64, 64, 3), np.float32), "expected uint8, got float32"),
        (np.zeros((1, 64, 64, 3), np.uint8), "expected at least 8 frames, got 1"),
        (np.array([{"a": 1}], object), "expected a readable .npz"),
    ],
)
def test_a_bad_clip_is_named(tmp_path, clip, said):
    path = tmp_path / "bad.npz"
    np.savez(path, possible=clip)
    with pytest.raises(LatentworldError, match=f"bad.npz.*{said}"):
        read_clip(path, "possible")


def test_no_clips_and_no_archive_are_named(tmp_path):
    with pytest.raises(LatentworldError, match="expected .*npz files"):
        Clips.from_folder(tmp_path)
    (tmp_path / "junk.npz").write_bytes(b"PK junk")
    with pytest.raises(LatentworldError, match="junk.npz: expected a readable"):
        read_clip(tmp_path / "junk.npz", "possible")
    np.savez(tmp_path / "other.npz", film=np.zeros(3))
    with pytest.raises(LatentworldError, match="expected an array 'possible', got .*film"):
        read_clip(tmp_path / "other.npz", "possible")
    with pytest.raises(LatentworldError, match="learns from drives"):
        train("smoke", runs=tmp_path, clips=tmp_path)


def test_the_suite_is_measured_with_its_controls(smoke, tmp_path):
    folder, path, _ = smoke
    few = FilmSettings(12, CALIBRATION_SEED)
    figures = evaluate(
        1, weights=path, data=folder / "data", json=tmp_path / "f.json", pictures=tmp_path, calibration=few
    )
    assert {path.stem for path in tmp_path.glob("*.png")} == set(PROPERTIES)
    assert json.loads((tmp_path / "f.json").read_text())["figures"] == figures
    for prefix in ("", "shifted_", "untrained_", "copy_", "short_", "pixel_", "pixel_latent_"):
        shares = [figures[f"{prefix}pairwise_{name}"] for name in PROPERTIES]
        assert figures[f"{prefix}pairwise_mean"] == pytest.approx(np.mean(shares))
        assert figures[f"{prefix}pairwise_min"] == min(shares)
        assert 0 <= figures[f"{prefix}auroc_mean"] <= 1
    # Made once: a second run finds the same pairs.
    assert evaluate(1, weights=path, data=folder / "data", calibration=few) == figures


def test_pairs_of_others_are_scored_and_ties_are_lost(smoke, tmp_path):
    rng = np.random.default_rng(0)
    for name in ("gravity", "magic"):
        (tmp_path / name).mkdir()
        for i in range(3):
            film = np.zeros((20, 64, 64, 3), np.uint8)
            other = film.copy()
            if name == "gravity":
                other[12:, 20:40, 20:40] = rng.integers(100, 255)
            np.savez(tmp_path / name / f"{i}.npz", possible=film, impossible=other)
    figures = evaluate(clips=tmp_path, weights=smoke[1])
    assert figures["pairwise_magic"] == 0.0 and figures["auroc_magic"] == 0.5
    assert figures["pairwise_gravity"] == 1.0
    np.savez(tmp_path / "magic" / "x.npz", possible=film, impossible=film[:12])
    with pytest.raises(LatentworldError, match="x.npz: expected as many frames in both, got 20 possible, 12"):
        evaluate(clips=tmp_path, weights=smoke[1])
    with pytest.raises(LatentworldError, match="<property>/<id>.npz"):
        evaluate(clips=tmp_path / "nowhere", weights=smoke[1])


def test_short_memory_sees_three_frames_and_no_more():
    torch.manual_seed(0)
    model = SceneModel(SceneConfig(8, 8)).eval()
    latents = torch.randn(1, 8, 10, CELLS, CELLS)
    other = latents.clone()
    other[:, :3] += 1
    one, two = (ShortMemory(model).track(x).hidden for x in (latents, other))
    assert torch.equal(one[:, 5:], two[:, 5:]) and not torch.equal(one[:, 4], two[:, 4])


def test_copy_last_is_surprised_by_change_alone():
    model = CopyLast(SceneModel(SceneConfig(8, 8)).eval())
    pixels = np.zeros((1, 12, 64, 64, 3), np.uint8)
    still = scene_surprise.misfit(model, pixels)
    pixels[0, 6:] = 200
    changed = scene_surprise.misfit(model, pixels)
    assert (still.excess[0, 4:] == 0).all() and (changed.excess[0, 4:6] == 0).all()
    assert (changed.excess[0, 6:10] > 0).all()
    assert scene_surprise.score(model, pixels) > scene_surprise.score(model, np.zeros_like(pixels))


def test_what_is_wrong_for_a_moment_in_one_place_is_found_there():
    excess, expected = np.zeros((1, 6, 8, 8)), np.full((1, 6, 8, 8), 25.0)
    excess[0, 3, 5, 2] = 400.0
    scores = scene_surprise.frame_scores(scene_surprise.Misfit(excess, expected))[0]
    assert (scores[:3] == 0).all()
    assert scores[3:] == pytest.approx(np.log1p(400 / np.sqrt(3 * 25 + 25)))  # of three frames, and the floor
    worst, whole = scene_surprise.statistics(scene_surprise.Misfit(excess, expected))[0]
    assert worst == pytest.approx(scores[3:].mean()) and whole == pytest.approx(np.log1p(400 / np.sqrt(384 * 25 + 25)))


def test_the_pixel_baseline_foretells_frames_and_learns_by_the_same_loss():
    torch.manual_seed(0)
    model = PixelBaseline(SceneConfig(8, 8))
    pixels = torch.randint(0, 255, (2, 12, 64, 64, 3), dtype=torch.uint8)
    frames = torch.nn.functional.pixel_shuffle(model.encode(pixels)[0], 8)
    assert torch.allclose(frames, (pixels[0].permute(0, 3, 1, 2) / 127.5 - 1) / 0.3, atol=1e-5)
    terms = losses(model, pixels, torch.Generator().manual_seed(1))
    assert set(terms) == {"predict", "doubt"}
    sum(terms.values()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    assert scene_surprise.score(model.eval(), pixels.numpy()).shape == (2,)


def test_a_pixel_baseline_can_be_surprised_in_its_latents():
    """By what its encoder tells apart, and by nothing else."""
    torch.manual_seed(0)
    model = PixelBaseline(SceneConfig(8, 8)).eval()
    for layer in (model.foresight.change[-1], model.foresight.doubt[-1]):
        torch.nn.init.zeros_(layer.weight), torch.nn.init.zeros_(layer.bias)  # it foretells that all stays as it is
    control = InItsLatents(model)
    film = np.full((1, 12, 64, 64, 3), 90, np.uint8)
    assert np.nanmax(scene_surprise.misfit(control, film).excess) == 0
    film[0, 6:, 16:24, 32:40, 0] = 200
    excess = scene_surprise.misfit(control, film).excess[0, 7]
    assert excess[2, 4] > 0 and excess[6, 1] < 1e-6
    frames = model.encode(torch.from_numpy(film))
    codes = model.codes(frames)
    assert torch.equal(codes, model.track(frames).codes)
