"""Finding where a goal image was taken: real rooms, the shipped model."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from latentworld.agent import Agent
from latentworld.model import checkpoint
from latentworld.selection.locator import GoalLocator
from latentworld.selection.way import WayToGoal
from latentworld.sim.world import World
from latentworld.types import Action, LatentworldError

SEED = 1_000_900  # validation rooms


@pytest.fixture(scope="module")
def world():
    world = World(SEED)
    yield world
    world.close()


@pytest.fixture(scope="module")
def agent():
    torch.set_num_threads(1)
    return Agent.load()


def look_around(agent, world, seed):
    """A turn on the spot; the belief after it."""
    world.reset(seed)
    agent.reset()
    action = None
    for _ in range(50):
        state = agent.observe(world.frame(), world.odometry(), action)
        action = Action(state.stamp, 0.0, 1.25)
        world.step(0.0, 1.25)
    return agent.observe(world.frame(), world.odometry(), action)


def ways(agent, state):
    return WayToGoal(agent.simulator.free_space(state), state.pose, 0.08)


def test_a_goal_seen_a_moment_ago_is_known_to_be_here(agent, world):
    found = 0
    for seed in range(SEED, SEED + 6):
        state = look_around(agent, world, seed)
        here = np.append(world.truth().pose[:2], world.telling_view(world.truth().pose)[2])
        goal = agent.image_goal(world.view(here)).latent
        place = GoalLocator(agent.model).locate(state, goal, ways(agent, state))
        assert 0 <= place.here <= 1 and 0 <= place.probability <= 1
        found += np.hypot(*(place.pose[:2] - state.pose[:2])) < 0.3
    assert found >= 5


def test_what_is_looked_at_and_is_not_the_goal_speaks_against_the_place(agent, world):
    state = look_around(agent, world, SEED + 1)
    elsewhere = np.append(world.goal[:2], world.telling_view(world.goal)[2])
    goal = agent.image_goal(world.view(elsewhere)).latent
    locator = GoalLocator(agent.model)
    before = locator.locate(state, goal, ways(agent, state)).here
    for _ in range(3):
        after = locator.locate(state, goal, ways(agent, state)).here
    assert after <= before
    assert locator._looks.evidence.min() < -1  # nats


def test_a_turn_in_vain_speaks_against_all_that_is_near_and_for_where_it_has_room_to_stand(agent, world):
    world.reset(SEED + 3)
    agent.reset()
    elsewhere = np.append(world.goal[:2], world.telling_view(world.goal)[2])
    goal, locator, action = agent.image_goal(world.view(elsewhere)).latent, GoalLocator(agent.model), None
    for _ in range(50):
        state = agent.observe(world.frame(), world.odometry(), action)
        place = locator.locate(state, goal, ways(agent, state))
        action = Action(state.stamp, 0.0, 1.25)
        world.step(0.0, 1.25)
    against = locator._nearby.weighed(np.s_[:, :, :])
    assert (against <= 0).all() and (against < -2).any(0).sum() > 20  # cells, not only the one it stands on
    space = agent.simulator.free_space(state)
    column, row = np.round((place.pose[:2] - space.origin) / space.cell).astype(int)
    assert space.clearance[row, column] > -0.2 or space.uncertainty[row, column] > 0.25


def test_of_places_as_likely_the_one_at_hand_comes_first(agent, world):
    state = look_around(agent, world, SEED + 1)
    goal, locator, way = agent.image_goal(world.goal_frame()).latent, GoalLocator(agent.model), ways(agent, state)
    locator.locate(state, goal, way)
    locator._score[np.isfinite(locator._score)] = 0.0  # the map tells nothing
    for layer in (locator._nearby, locator._looks):
        layer.evidence[:] = layer.looked[:] = 0.0
    locator._held = None
    place = locator._best(state, way)
    assert way(place.pose[None, :2])[0] < 1.5  # metres, in a room of several


def test_a_place_looked_about_in_vain_is_held_to_be_another(agent, world):
    state = look_around(agent, world, SEED + 1)
    locator = GoalLocator(agent.model)
    locator.refute(np.zeros(3))  # nothing is known yet, so nothing can be refuted
    goal = agent.image_goal(world.goal_frame()).latent
    place = locator.locate(state, goal, ways(agent, state))
    for _ in range(4):
        locator.refute(place.pose)
    after = locator.locate(state, goal, ways(agent, state))
    assert np.hypot(*(after.pose[:2] - place.pose[:2])) > 0.3
    locator.reset()
    assert np.allclose(locator.locate(state, goal, ways(agent, state)).pose, place.pose)


def test_what_the_map_left_is_kept_until_the_grid_leaves_it(agent, world):
    state = look_around(agent, world, SEED + 2)
    goal = agent.image_goal(world.goal_frame()).latent
    locator = GoalLocator(agent.model)
    locator.locate(state, goal, ways(agent, state))
    known = np.isfinite(locator._score[0]).sum()
    cells = agent.model.config.map_cells
    assert known == cells**2

    def moved(metres):
        return replace(state, pose=state.pose + np.array([metres, 0, 0], state.pose.dtype))

    score = locator._score.copy()
    locator.locate(moved(1.0), goal, ways(agent, moved(1.0)))  # 5 cells on
    assert np.isfinite(locator._score[0]).sum() == known + 5 * cells
    kept = np.isfinite(score) & ~np.isin(np.arange(locator.side), np.arange(cells, 2 * cells) + 5)
    assert np.array_equal(locator._score[kept], score[kept])
    place = locator.locate(moved(100.0), goal, ways(agent, moved(100.0)))
    assert np.isfinite(locator._score[0]).sum() == known and np.isfinite(place.pose).all()
    locator.reset()
    assert not np.isfinite(locator._score).any()


def test_a_latent_of_another_model_is_refused(agent, world):
    state = look_around(agent, world, SEED)
    goal = agent.image_goal(world.goal_frame()).latent
    with pytest.raises(LatentworldError, match="goal latent: expected model .* got other"):
        GoalLocator(agent.model).locate(state, replace(goal, model_id="other"), ways(agent, state))


def test_views_of_one_place_are_told_from_others_by_the_shipped_model(world):
    model = checkpoint.load()
    same, others, aside = [], [], []
    with torch.inference_mode():
        for seed in range(SEED, SEED + 12):
            world.reset(seed)
            there = np.append(world.goal[:2], world.telling_view(world.goal)[2])
            close = there + (0.08, -0.06, 0.05)
            frames = [world.view(pose) for pose in (there, close, np.zeros(3))]
            rgb, depth = (torch.from_numpy(np.stack([getattr(f, part) for f in frames])) for part in ("rgb", "depth"))
            one, again, other = model.encode(rgb, depth).split(1)
            match = model.views(one, other)
            assert torch.isclose(match.same, model.views(other, one).same, atol=1e-4)
            same.append(model.views(one, again).same.item())
            others.append(match.same.item())
            beside = world.view(there + (*(0.4 * np.array([-np.sin(there[2]), np.cos(there[2])])), 0.0))
            beside = model.encode(torch.from_numpy(beside.rgb)[None], torch.from_numpy(beside.depth)[None])
            aside.append(model.views(one, beside).pose[0, :2].numpy())
    assert np.mean(np.array(same) > 0) >= 0.8 and np.mean(np.array(others) < 0) >= 0.9
    assert np.median(np.hypot(*(np.array(aside) - (0.0, 0.4)).T)) < 0.15  # metres; half a metre aside is another view
