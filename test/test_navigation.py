"""The loop without ROS: the shipped model drives unseen rooms, and the figures say so."""

import json

import numpy as np
import pytest

from latentworld.agent import Agent
from latentworld.evaluation.episodes import EpisodeResult
from latentworld.evaluation.navigation import FIRST_TEST_SEED, evaluate, summarise
from latentworld.perception.encoder import PerceptionEncoder, square
from latentworld.sim.world import World
from latentworld.types import Action, Frame, Goal, GoalKind, LatentworldError, PlanStatus


def test_evaluate_navigation_drives_and_writes_figures(tmp_path):
    path = tmp_path / "figures.json"
    evaluate(rooms=6, trials=("pose",), controllers=("world_model", "blind"), json=path)
    document = json.loads(path.read_text())
    figures = document["figures"]
    assert set(document) == {"figures", "settings", "machine"}
    assert figures["pose_clean"] >= 0.6 and figures["pose_drop"] == 0
    assert figures["pose_clean_blocked"] > figures["blind_pose_clean_blocked"]
    assert 0 < figures["plan_ms_p50"] <= figures["plan_ms_p99"]
    assert {"blind_pose_contact", "pose_contact"} <= set(figures)
    assert all(isinstance(value, float) for value in figures.values())
    first = document["settings"]["episodes"]["world_model pose"][0]
    assert first["seed"] == FIRST_TEST_SEED


def test_summary_counts_what_it_says():
    def episode(blocked, success, contact, dropped=False):
        return EpisodeResult(0, blocked, success, success and not contact, contact, dropped, 1.0, 0.1)

    figures = summarise(
        [episode(True, True, True), episode(True, True, False), episode(False, False, False, True)], "x_"
    )
    assert figures["x_success"] == pytest.approx(2 / 3) and figures["x_clean"] == pytest.approx(1 / 3)
    assert figures["x_clean_blocked"] == 0.5 and figures["x_drop"] == pytest.approx(1 / 3)


def test_the_readme_loop():
    world, agent = World(FIRST_TEST_SEED + 2, blocked=False), Agent.load()
    goal, action, closest = Goal(GoalKind.POSE, np.array([*world.goal[:2], np.nan])), None, np.inf
    for _ in range(150):
        state = agent.observe(world.frame(), world.odometry(), action)
        plan = agent.plan(goal, deadline=0.2)
        if plan.status != PlanStatus.OK:
            break
        action = Action(state.stamp, *plan.sequence.values[0].tolist())
        world.step(action.linear, action.angular)
        closest = min(closest, np.hypot(*(world.truth().pose[:2] - world.goal[:2])))
    assert plan.status == PlanStatus.GOAL_REACHED and closest < 0.4


def test_what_is_behind_it_stays_in_the_belief():
    """An obstacle seen, then turned away from, is still where it was: the belief of the shipped model is a memory."""
    agent, errors, blind = Agent.load(), [], []
    for seed in range(FIRST_TEST_SEED + 50, FIRST_TEST_SEED + 58):
        world = World(seed)
        agent.reset()
        action = None
        seen = None
        for step in range(45):
            state = agent.observe(world.frame(), world.odometry(), action)
            if step == 9:
                ahead = np.stack(np.meshgrid(np.linspace(0.5, 1.4, 7), np.linspace(-0.5, 0.5, 5)), -1).reshape(-1, 2)
                c, s = np.cos(state.pose[2]), np.sin(state.pose[2])
                seen = ahead @ np.array([[c, s], [-s, c]]) + state.pose[:2]
            command = (0.0, 0.0) if step < 10 else (0.0, 1.0)
            action = Action(state.stamp, *command)
            world.step(*command)
        assert abs(state.pose[2]) > 1.8  # what was ahead is out of sight
        space = agent.simulator.free_space(state)
        column, row = np.rint((seen - space.origin) / space.cell).astype(int).T
        truth = np.minimum(np.minimum(world.clearance(seen), world.drop_distance(seen)), 1.0) - 0.2
        errors.append(np.abs(space.clearance[row, column] - truth))
        blind.append(np.abs(np.median(truth) - truth))
    assert np.mean(errors) < 0.2 and np.mean(errors) < 0.9 * np.mean(blind) + 0.05


def test_a_camera_of_another_size_sees_the_same():
    agent = Agent.load()
    small, large = World(FIRST_TEST_SEED, image_size=64), World(FIRST_TEST_SEED, image_size=128)
    a, b = agent.encoder.encode(small.frame()), agent.encoder.encode(large.frame())
    assert np.square(a.vector - b.vector).mean() < 0.25


def test_frames_are_cut_square_about_the_middle():
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, 10:50] = 200
    assert (square(image, 40, 0) == 200).all()


@pytest.mark.parametrize(
    "rgb, depth, message",
    [
        (np.zeros((64, 64), np.uint8), None, "expected rgb"),
        (np.zeros((64, 64, 4), np.uint8), None, "expected rgb"),
        (np.zeros((64, 64, 3), np.float32), None, "expected rgb"),
        (np.zeros((4, 4, 3), np.uint8), None, "8 pixels"),
        (np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.uint16), "expected depth"),
    ],
)
def test_frames_that_are_not_frames_are_refused(rgb, depth, message):
    encoder = PerceptionEncoder(Agent.load().model)
    with pytest.raises(LatentworldError, match=message):
        encoder.encode(Frame(0, rgb, depth))
