"""Motion models: what a base does with a sequence of commands, against the simulator's physics."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from latentworld import robot_file
from latentworld.consequence.motion import DelayedMotion, DriveTrain, Response
from latentworld.robot import BaseKind
from latentworld.sim.episode import Episode
from latentworld.sim.room import Room
from latentworld.sim.world import World

STEPS, DT = 10, 0.2


def test_without_lag_or_delay_a_command_is_the_speed():
    weights = Response(1.0, 0.0, 0.0).weights(6, DT)
    assert np.allclose(weights[1:, 3:], np.eye(6)[1:, 1:], atol=0.11)  # what is left is the least lag
    assert np.allclose(weights.sum(1), 1.0, atol=1e-9)


def test_a_delay_keeps_the_last_command_in_force():
    weights = Response(1.0, 2 * DT, 0.0).weights(6, DT)
    assert np.allclose(weights[1, :2], [0, 1], atol=1e-3) and weights[:2, 2:].max() < 1e-6
    assert weights[2, 2] == pytest.approx(0.9, abs=0.02)


def test_a_gain_scales_what_is_reached():
    weights = Response(0.8, 0.0, 0.05).weights(40, 0.1)
    assert weights[-1, 1:].sum() == pytest.approx(0.8, abs=1e-3)


ROBOTS = ["latentworld", "turtlebot4", "jackal", "trials/slow", "trials/ackermann", "trials/omni"]


@pytest.mark.parametrize("name", ROBOTS)
def test_it_predicts_where_the_simulated_base_goes(name):
    """On open ground, with commands that change, at a middling speed: within a tenth of the way."""
    robot = robot_file.load(name)
    robot = replace(robot, base=replace(robot.base, slip=0.0, drift=0.0))
    world, rng = World(0, image_size=16, robot=robot), np.random.default_rng(0)
    empty, start = Room(0, (30.0, 30.0), (), None), np.zeros(3)
    world.begin(Episode(empty, start, start, start[None, :2], False))
    base, motion = robot.base, DelayedMotion(DriveTrain.of(robot.base))
    off, went = [], []
    for _ in range(6):
        values = np.zeros((STEPS, 3), np.float32)
        values[:, 0] = base.max_linear * rng.uniform(0.5, 1.0)
        values[:, 1] = np.repeat(rng.uniform(-0.3, 0.3, 5), 2) * (0.3 if base.kind == BaseKind.ACKERMANN else 1)
        values[:, 2] = rng.uniform(-0.1, 0.1) if base.kind == BaseKind.OMNIDIRECTIONAL else 0
        axes = len(base.axes)
        poses = motion(torch.zeros(axes), torch.zeros(axes), torch.from_numpy(values[None, :, :axes]), DT)[0].numpy()
        world.set_pose(0.0, 0.0, rng.uniform(-0.5, 0.5))
        before = world.truth().pose
        for action in values:
            world.step(*action, period=DT)
        x, y = world.truth().pose[:2] - before[:2]
        c, s = np.cos(before[2]), np.sin(before[2])
        off.append(np.hypot(*(poses[-1, :2] - [c * x + s * y, c * y - s * x])))
        went.append(np.hypot(x, y))
    world.close()
    assert np.mean(off) < 0.1 * np.mean(went) + 0.01, (off, went)


def test_an_ackermann_base_does_not_turn_on_the_spot_nor_tighter_than_it_can():
    base = robot_file.load("trials/ackermann").base
    motion = DelayedMotion(DriveTrain.of(base))
    spot = torch.tensor([[[0.0, 2.0]] * STEPS])
    assert motion(torch.zeros(2), torch.zeros(2), spot, DT).abs().max() == 0
    arc = motion(torch.zeros(2), torch.zeros(2), torch.tensor([[[0.4, 2.0]] * STEPS]), DT)[0]
    way = torch.hypot(*(arc[1:, :2] - arc[:-1, :2]).T).sum()
    assert float(way / arc[-1, 2].sub(arc[0, 2])) >= 0.97 * base.turning_radius
