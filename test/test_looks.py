"""Evidence about poses from what was seen near them."""

from __future__ import annotations

import numpy as np
import pytest

from latentworld.selection.looks import LOOKS, Looks

HEADINGS = np.linspace(-np.pi, np.pi, 24, endpoint=False)
FIRST, CELL, SIDE = np.array([-2.0, -2.0]), 0.2, 21
EVERYTHING = np.s_[:, :, :]


def looks(**settings) -> Looks:
    return Looks(HEADINGS, SIDE, CELL, **({"alike": (0.2, 0.25), "steady": 2.0, "caution": 0.5} | settings))


def nats(some: Looks, x: float, y: float, yaw: float) -> float:
    column, row = np.round((np.array([x, y]) - FIRST) / CELL).astype(int)
    return float(some.weighed(EVERYTHING)[np.abs(HEADINGS - yaw).argmin(), row, column])


def test_a_look_speaks_of_poses_near_its_own_alone():
    some = looks()
    some.add(FIRST, np.array([0.4, -0.6, 0.0]), 4.0)
    assert nats(some, 0.4, -0.6, 0.0) == pytest.approx(3.5, abs=0.2)
    assert nats(some, 0.4, -0.6, np.pi / 2) == nats(some, -0.6, 0.4, 0.0) == nats(some, 1.2, -0.6, 0.0) == 0.0
    wide = looks(alike=(0.6, 0.35))
    wide.add(FIRST, np.array([0.4, -0.6, 0.0]), 4.0)
    assert nats(wide, 0.8, -0.6, 0.0) > 1.0 and nats(wide, 1.6, -0.6, 0.0) == 0.0


def test_looks_from_one_pose_are_averaged_and_count_for_few():
    some = looks()
    for i in range(4 * LOOKS):
        some.add(FIRST, np.zeros(3), 3.0 if i % 2 else -1.0)
    assert nats(some, 0.0, 0.0, 0.0) == pytest.approx(2.0 * (1.0 - 0.5), abs=0.2)


def test_a_look_from_the_edge_of_the_grid_or_beyond_it_is_no_error():
    some = looks()
    some.add(FIRST, np.array([-2.0, 2.0, 3.1]), 2.0)
    assert nats(some, -2.0, 2.0, HEADINGS[0]) > 1.0  # just across from 3.1 rad
