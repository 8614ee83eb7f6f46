"""The stage on which physics is shown and broken: real MuJoCo, real pictures."""

from __future__ import annotations

import numpy as np
import pytest

from latentworld.sim.camera import Renderer
from latentworld.sim.stage.clips import pair_of_clips, possible_clip
from latentworld.sim.stage.looks import LEARNED, SEEN, SHIFTED, Looks
from latentworld.sim.stage.properties import PROPERTIES
from latentworld.sim.stage.properties.permanence import appear, vanish
from latentworld.sim.stage.stage import FRAMES, Prop, Stage, Start

KINDS = [(name, kind) for name, kinds in PROPERTIES.items() for kind in kinds]


def test_nine_properties():
    assert len(PROPERTIES) == 9


@pytest.mark.parametrize("style", [SEEN, SHIFTED], ids=lambda style: style.name)
@pytest.mark.parametrize("name, kind", KINDS)
def test_a_pair_is_the_same_until_the_event_and_differs_after(name, kind, style):
    for seed in range(3):
        possible, impossible = pair_of_clips(name, kind, seed, style)
        assert possible.pixels.shape == impossible.pixels.shape == (FRAMES, 64, 64, 3)
        event, off = impossible.event, np.abs(possible.pixels.astype(int) - impossible.pixels).max((1, 2, 3))
        assert possible.event == -1 and 3 <= event < FRAMES - 2
        assert (off[:3] == 0).all()
        assert off[event] > 25


@pytest.mark.parametrize("draw", [vanish, appear])
def test_no_single_frame_tells(draw):
    """Every frame of the impossible clip is one of a possible clip: with the prop all along, or never."""
    renderer = Renderer()
    pair = draw(np.random.default_rng(5), SEEN)
    other = pair.impossible[FRAMES - 1] if draw is vanish else pair.possible[FRAMES - 1]
    with_prop = pair.possible if draw is vanish else None
    frames = pair.stage.draw(pair.impossible, renderer)
    there = ~np.isnan(pair.impossible[:, 0, 0])
    assert there.any() and not there.all()
    assert np.isnan(other[0]).all()
    if with_prop is not None:
        assert (pair.stage.draw(with_prop, renderer)[there] == frames[there]).all()
    gone = pair.impossible.copy()
    gone[:, 0] = np.nan
    assert (pair.stage.draw(gone, renderer)[~there] == frames[~there]).all()
    # And where the two are joined the prop is out of sight.
    at = int(np.flatnonzero(np.diff(there))[0])
    whole = pair.possible if draw is vanish else pair.impossible
    assert pair.stage.hidden(whole, 0)[at if there[at] else at + 1]


def test_things_that_are_let_go_fall_as_gravity_says():
    stage = Stage(Looks.draw(np.random.default_rng(0), SEEN), (Prop("ball", 0.2, np.ones(3)),))
    motion = stage.simulate({0: Start(0.0, 2.0)}, frames=8)
    t = np.arange(8) / 15
    assert np.allclose(motion[:, 0, 1], 2.0 - 9.81 / 2 * t**2, atol=0.02)


@pytest.mark.parametrize("shape", sorted({*LEARNED.shapes, *SHIFTED.shapes}))
def test_a_prop_rests_on_its_foot(shape):
    prop = Prop(shape, 0.25, np.ones(3), grip=False)
    stage = Stage(Looks.draw(np.random.default_rng(0), SEEN), (prop,))
    motion = stage.simulate({0: Start(0.0, prop.foot)}, frames=8)
    assert np.abs(motion[:, 0] - [0.0, prop.foot, 0.0]).max() < 0.03
    without = np.full_like(motion, np.nan)
    off = np.abs(stage.draw(motion, Renderer())[0].astype(int) - stage.draw(without, Renderer())[0]).max(-1)
    assert 30 < (off > 10).sum() < 200


def test_the_picture_shows_a_prop_where_project_says():
    red = Prop("ball", 0.2, np.array([1.0, 0.0, 0.0]))
    looks = Looks.draw(np.random.default_rng(3), SEEN)
    stage = Stage(looks, (red,))
    motion = stage.simulate({0: Start(0.5, 1.2)}, frames=1)
    with_it, without_it = (stage.draw(m, Renderer())[0].astype(int) for m in (motion, np.full_like(motion, np.nan)))
    v, u = np.nonzero(np.abs(with_it - without_it).max(-1) > 20)
    seen = np.array([(u.mean() + 0.5) / 32 - 1, 1 - (v.mean() + 0.5) / 32])
    assert np.abs(seen - looks.project(np.array([0.5, 0.0, 1.2]))).max() < 0.04


def test_a_seed_is_one_film():
    assert (possible_clip(7).pixels == possible_clip(7).pixels).all()
    assert (possible_clip(7).pixels != possible_clip(8).pixels).any()


def test_a_prop_behind_a_screen_is_not_to_be_seen():
    for seed in range(4):
        stage, motion = (pair := vanish(np.random.default_rng(seed), SEEN)).stage, pair.possible
        gone = motion.copy()
        gone[:, 0] = np.nan
        off = np.abs(stage.draw(motion, Renderer()).astype(int) - stage.draw(gone, Renderer())).max((1, 2, 3))
        assert off[stage.hidden(motion, 0)].max() < 12
        assert off[stage.clear(motion, 0)].min() > 20
