"""A robot that labels its own drives: out of a bag, held against what the simulator knows to be true."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from own_recordings import record

from latentworld import robot_file
from latentworld.model.losses import laplace
from latentworld.ros.bag_drives import moments
from latentworld.ros.bag_frames import Topics
from latentworld.training.driving.objective import _of_labelled
from latentworld.training.driving.own_labels import FAR, free_space_labels
from latentworld.training.driving.own_rows import LEAST, Moment, drives, evenly
from latentworld.types import Action, Frame, LatentworldError, Odometry, RangeScan

D435 = "trials/d435"


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    """Half a minute of a robot whose camera sees nothing of the floor within 1.3 m: bag, and its rows in one piece."""
    robot = robot_file.load(D435)
    made = record(tmp_path_factory.mktemp("bag") / "drive.mcap", robot, 15, 300, pressed=range(50, 53))
    parts = list(drives(moments(made.path, Topics(), "/bumper"), robot, 0))
    assert [name for name, _ in parts] == ["train", "validation"]
    return made, dict(parts)


def truth(made, rows, query):
    """(N, M) clearance at the labelled points, as the simulator knows it."""
    found = []
    for (x, y, yaw), points in zip(made.poses[rows], query[..., :2].astype(float), strict=True):
        c, s = np.cos(yaw), np.sin(yaw)
        found.append(made.world.clearance(points @ np.array([[c, s], [-s, c]]) + [x, y]))
    return np.clip(found, -1, FAR)


def test_a_bag_becomes_rows(drive):
    made, parts = drive
    train, held_out = parts["train"], parts["validation"]
    rows = len(made.poses)
    assert len(held_out["action"]) == LEAST and len(train["action"]) == rows - LEAST
    for name, kind, shape in (
        ("pixels", np.uint8, (64, 64, 3)), ("depth", np.uint16, (64, 64)), ("known", np.uint8, (64, 8)),
        ("flat", np.uint8, (64, 64, 3)), ("flat_known", np.uint8, (64, 8)), ("action", np.float32, (2,)),
        ("odometry", np.float32, (5,)), ("contact", np.bool_, ()), ("drop", np.bool_, ()),
        ("query", np.float16, (48, 4)),
    ):  # fmt: skip
        assert train[name].dtype == kind and train[name].shape[1:] == shape, name
    assert train["contact"][50:54].all() and not train["contact"][40:50].any()
    off = np.hypot(*(train["odometry"][:, :2] - made.poses[: rows - LEAST, :2]).T)
    assert off.max() < 0.08, "the poses are corrected by what was seen"
    forward = train["action"][:, 0]
    assert np.corrcoef(forward[:-3], train["odometry"][3:, 3])[0, 1] > 0.5, "commands come before the motion"


def test_labels_are_what_the_simulator_knows(drive):
    made, parts = drive
    rows = slice(0, len(parts["train"]["query"]))
    query = parts["train"]["query"]
    true, label = truth(made, rows, query), query[..., 2].astype(float)
    labelled = np.isfinite(label)
    error = np.abs(label - true)
    assert labelled.mean() > 0.3
    assert np.median(error[labelled]) <= 0.04 and np.quantile(error[labelled], 0.9) <= 0.12
    assert np.isnan(query[..., 3]).all(), "a depth camera does not know ledges"

    bearing = np.arctan2(query[..., 1], query[..., 0].astype(float))
    unseen = labelled & (np.abs(bearing) > 1.2)  # the camera sees 0.6 rad to either side
    early = unseen & (np.arange(len(query)) < 30)[:, None]  # no time yet to have looked there: it is seen later
    for which, least in ((unseen, 500), (early, 20)):
        assert which.sum() > least
        assert np.median(error[which]) <= 0.04 and np.quantile(error[which], 0.9) <= 0.12
    inside = labelled & (true < -0.03)
    assert inside.sum() > 50 and (label[inside] < 0.07).mean() > 0.9


def wall_at(metres):
    """A sensor that sees all around: a round wall, or nothing as far as 3 m."""
    every = np.ones(256, np.float32)
    return RangeScan(np.zeros(2), every * metres, every * 0.1, every * min(metres, 3.0), every * np.inf, every * np.inf)


def test_what_moved_unseen_is_not_labelled_and_what_stays_is():
    base = robot_file.load().base
    rng, poses = np.random.default_rng(0), np.zeros((40, 3))
    stays = free_space_labels([wall_at(1.5)] * 40, poses, base, rng, 200).astype(float)
    away = np.hypot(stays[..., 0], stays[..., 1])
    near = away < 1.4
    assert np.isfinite(stays[near, 2]).mean() > 0.95
    assert np.nanmax(np.abs(stays[near, 2] - np.minimum(1.5 - away[near], FAR))) < 0.12
    assert np.isnan(stays[away > 1.8, 2]).all(), "what is behind a wall is not known"

    # A thing that is there at first, and gone later: known while it was looked at, and not in between.
    none = np.full(256, np.inf, np.float32)
    blind = RangeScan(np.zeros(2), none, none, np.zeros(256, np.float32), none, none)
    scans = [wall_at(1.0)] * 20 + [blind] * 20 + [wall_at(np.inf)] * 20
    moved = free_space_labels(scans, np.zeros((60, 3)), base, rng, 200).astype(float)
    away = np.hypot(moved[..., 0], moved[..., 1])
    beside = np.abs(away - 0.9) < 0.05
    assert np.isnan(moved[25:35, :, 2][beside[25:35]]).all()


def moment(milliseconds, contact=False):
    stamp = milliseconds * 1_000_000
    picture = np.zeros((2, 2, 3), np.uint8)
    return Moment(Frame(stamp, picture), Odometry(stamp, np.zeros(3), 0, 0), Action(stamp, 0, 0), contact)


@pytest.mark.parametrize("period", [33, 66, 99, 101, 103])
def test_rows_are_evenly_apart_at_any_rate_of_pictures(period):
    rows = list(evenly(moment(i * period, contact=i == 4) for i in range(600)))
    stamps = np.array([m.frame.stamp for m, _ in rows]) / 1e9
    assert sum(begins for _, begins in rows) == 1
    assert abs(np.diff(stamps).mean() - 0.1) < 0.004 and (np.diff(stamps) > 0).all()
    assert sum(m.contact for m, _ in rows) == 1, "a bump between two rows is not lost"


def test_a_drive_ends_where_pictures_are_missing_and_where_the_clock_goes_back():
    times = [*range(0, 5000, 100), *range(6000, 9000, 100), *range(100, 900, 100)]
    begun = [m.frame.stamp // 1_000_000 for m, begins in evenly(map(moment, times)) if begins]
    assert begun == [0, 6000, 100]


def test_points_without_a_label_do_not_count_in_the_loss():
    generator = torch.Generator().manual_seed(0)
    mean, target = torch.randn(5, 7, generator=generator), torch.randn(5, 7, generator=generator)
    spread = torch.rand(5, 7, generator=generator) + 0.1
    known = torch.rand(5, 7, generator=generator) < 0.6
    mean.requires_grad_(True)
    lacking = target.masked_fill(~known, torch.nan)
    loss = _of_labelled(mean, spread, lacking)
    assert torch.equal(loss, laplace(mean[known], spread[known], target[known]))
    loss.backward()
    assert mean.grad.isfinite().all() and (mean.grad[~known] == 0).all()
    assert torch.equal(_of_labelled(mean, spread, target), laplace(mean, spread, target))
    assert _of_labelled(mean, spread, target * torch.nan) == 0


def test_a_robot_that_measures_nothing_level_is_refused():
    robot = robot_file.load(D435)
    blind = replace(robot, cameras=(replace(robot.camera, depth=None),))
    for other, said in ((blind, "a camera with depth"), (robot_file.load("ar_glasses"), "fixed to its base")):
        with pytest.raises(LatentworldError, match=said):
            list(drives([], other, 0))
