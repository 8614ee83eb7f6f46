"""What a robot recorded while it drove -> rows at 10 Hz, with labels that it measured itself (``own_labels.py``).

Each unbroken drive is an episode. It ends where no picture came for a while or odometry was started anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from latentworld.perception.canonical_view import CanonicalView
from latentworld.perception.range_scan import range_scan
from latentworld.robot import Base, BaseKind, Robot
from latentworld.tracking.odometry_correction import OdometryCorrection
from latentworld.training.driving.collect import CollectSettings, seen
from latentworld.training.driving.own_labels import free_space_labels
from latentworld.types import Action, Frame, LatentworldError, Odometry, RangeScan, stamp_of, turn

PERIOD, NEAR = stamp_of(0.1), stamp_of(0.06)  # ns from row to row, and from a picture to when it is due at most
PULL = 0.2  # share by which the clock of the rows follows that of the pictures
LEAST, MOST = 40, 3000  # rows of an episode; a longer drive is cut
HELD_OUT = 10  # the last one of so many parts of an episode is for validation
QUERIES = CollectSettings().queries  # free-space labels a row
JUMP, JUMP_TURN = 0.3, 0.5  # metres, radians a row beyond what a base can do: odometry was started anew


@dataclass(frozen=True, slots=True)
class Moment:
    """A frame and what held at its exposure. odometry: as the wheels say it. command: the newest one by then, None
    where none was recorded. contact: the bumper was pressed since the frame before.
    """

    frame: Frame
    odometry: Odometry
    command: Action | None
    contact: bool = False


@dataclass(slots=True)
class _Episode:
    columns: dict[str, list]
    scans: list[RangeScan]
    correction: OdometryCorrection
    last: Odometry | None = None  # as the wheels say it

    @classmethod
    def begin(cls, base: Base) -> _Episode:
        return cls({}, [], OdometryCorrection(base))


def drives(moments: Iterable[Moment], robot: Robot, seed: int) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """("train" or "validation", columns of ``training.driving.drives``) of each unbroken drive of 4 s or more; the last
    tenth of each of 8 s or more, 4 s at least, is for validation. Nothing measured in that labels what is learned.

    Raises LatentworldError for frames that are not the robot's.
    """
    rng = np.random.default_rng(seed)
    for episode in _episodes(moments, robot):
        rows = len(episode.scans)
        cut = rows - max(rows // HELD_OUT, LEAST)
        parts = {"train": slice(0, cut), "validation": slice(cut, rows)} if cut >= 2 * LEAST else {"train": slice(rows)}
        columns = {name: np.stack(values) for name, values in episode.columns.items()}
        # What was in force at a row was commanded at the row before.
        columns["action"] = np.concatenate([columns["action"][1:], columns["action"][-1:]])
        for name, part in parts.items():
            measured = slice(0, part.stop)  # what is learned must not be labelled by what is held out
            poses = columns["odometry"][measured, :3].astype(float)
            query = free_space_labels(episode.scans[measured], poses, robot.base, rng, QUERIES)[part]
            yield name, {key: values[part] for key, values in columns.items()} | {"query": query}


def _episodes(moments: Iterable[Moment], robot: Robot) -> Iterator[_Episode]:
    if robot.camera.depth is None:
        raise LatentworldError(f"robot {robot.name}: expected a camera with depth, which measures free space; got none")
    if robot.base.kind == BaseKind.HEAD:
        raise LatentworldError(f"robot {robot.name}: expected a camera that is fixed to its base, got one on a head")
    eye, episode = CanonicalView(robot), _Episode.begin(robot.base)
    for moment, begins in evenly(moments):
        if begins or len(episode.scans) == MOST or _jumped(episode.last, moment.odometry, robot.base):
            if len(episode.scans) >= LEAST:
                yield episode
            episode = _Episode.begin(robot.base)
        _add(episode, moment, robot, eye)
    if len(episode.scans) >= LEAST:
        yield episode


def _add(episode: _Episode, moment: Moment, robot: Robot, eye: CanonicalView) -> None:
    scan = range_scan(moment.frame, robot)
    episode.correction.observe(scan.points(), moment.odometry)
    odometry, command = episode.correction.correct(moment.odometry), moment.command
    measured = np.array([odometry.linear, odometry.angular], np.float32)
    row = seen(eye, moment.frame) | {
        # What moves without commands that were recorded is taken to do as it was told.
        "action": measured if command is None else np.array([command.linear, command.angular], np.float32),
        "odometry": np.array([*odometry.pose, *measured], np.float32),
        "contact": np.bool_(moment.contact),
        "drop": np.False_,
    }
    for name, value in row.items():
        episode.columns.setdefault(name, []).append(value)
    episode.scans.append(scan)
    episode.last = moment.odometry


def _jumped(last: Odometry | None, now: Odometry, base: Base) -> bool:
    """Whether no motion leads from one row to the next."""
    if last is None:
        return False
    speed = max(base.max_linear, base.max_lateral, abs(last.linear), abs(now.linear))
    angular = max(base.max_angular, abs(last.angular), abs(now.angular))
    period = 2 * PERIOD * 1e-9
    moved, turned = math.dist(last.pose[:2], now.pose[:2]), abs(turn(now.pose[2] - last.pose[2]))
    return moved > JUMP + period * speed or turned > JUMP_TURN + period * angular


def evenly(moments: Iterable[Moment]) -> Iterator[tuple[Moment, bool]]:
    """Moments 0.1 s apart, each the nearest one to when it is due, and whether a drive begins with it: where none is
    within 0.06 s of that. The clock follows the pictures slowly, as no camera keeps 10 Hz for long.
    """
    due, held, touched = 0, None, False

    def use(moment: Moment, begins: bool) -> tuple[Moment, bool]:
        """It also answers for the frames between, which are left out."""
        nonlocal touched
        contact, touched = moment.contact or touched, False
        return Moment(moment.frame, moment.odometry, moment.command, contact), begins

    newest = None
    for moment in moments:
        stamp = moment.frame.stamp
        if newest is None or stamp <= newest:  # the first, or the clock went back
            yield use(moment, True)
            due, held, newest = stamp + PERIOD, None, stamp
            continue
        newest = stamp
        while moment is not None and stamp >= due:
            nearest = min((m for m in (held, moment) if m is not None), key=lambda m: abs(m.frame.stamp - due))
            off = nearest.frame.stamp - due
            begins = abs(off) > NEAR
            used, held = moment if begins else nearest, None
            yield use(used, begins)
            due = stamp + PERIOD if begins else due + PERIOD + round(PULL * off)
            if used is moment:
                moment = None
        if moment is not None:
            touched |= moment.contact
            held = moment
