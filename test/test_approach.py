"""Homing in on the place of a goal image by relative poses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latentworld.model.view_matcher import Match
from latentworld.selection.approach import FEW, MATCHES, SURE, Approach

GOAL = np.array([2.0, 1.0, 0.5])


def match(pose, spread: float = 0.1, near: float = SURE + 1, off=(0.0, 0.0, 0.0)) -> Match:
    """As had at ``pose`` of the goal, wrong by ``off``."""
    (x, y), turned = GOAL[:2] - pose[:2], GOAL[2] - pose[2]
    c, s = np.cos(pose[2]), np.sin(pose[2])
    told = torch.tensor([[c * x + s * y, c * y - s * x, turned]]) + torch.tensor([off])
    return Match(torch.zeros(1), torch.tensor([near]), told.float(), torch.full((1, 3), np.log(spread)))


def test_it_says_where_the_goal_lies_from_wherever_it_was_seen():
    approach = Approach()
    for pose in ([1.5, 0.8, 0.2], [1.6, 1.2, -0.3], [2.1, 0.7, 1.0])[:FEW]:
        assert approach.pose(GOAL) is None
        approach.note(np.array(pose), match(np.array(pose)))
    assert approach.pose(GOAL + (0.3, -0.2, 0)) == pytest.approx(GOAL, abs=1e-5)
    assert approach.pose(GOAL + (2.0, 0, 0)) is None  # those matches were of another place


def test_the_surer_match_counts_for_more_and_the_unsure_for_nothing():
    approach, pose = Approach(), np.array([1.5, 0.8, 0.2])
    approach.note(pose, match(pose, near=SURE - 1, off=(0.5, 0.0, 0.0)))
    for _ in range(FEW):
        approach.note(pose, match(pose, spread=0.5, off=(0.3, 0.0, 0.0)))
        approach.note(pose, match(pose, spread=0.05))
    assert np.hypot(*(approach.pose(GOAL)[:2] - GOAL[:2])) < 0.02


def test_old_matches_make_room_for_new_ones():
    approach, pose = Approach(), np.array([1.5, 0.8, 0.2])
    for _ in range(MATCHES):
        approach.note(pose, match(pose, off=(0.3, 0.0, 0.0)))
    for _ in range(MATCHES):
        approach.note(pose, match(pose))
    assert approach.pose(GOAL) == pytest.approx(GOAL, abs=1e-5)
