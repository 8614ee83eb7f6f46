"""After a restart odometry begins elsewhere: what was remembered comes to lie where it is, or stays where it was."""

from __future__ import annotations

import numpy as np
import pytest
from rooms_of_looks import MODEL, state, vector, way

from latentworld.memory import Join, MemoryQuery, Relocaliser, Trajectory, VisualMemory, relocaliser
from latentworld.memory.submaps import placed
from latentworld.types import Latent, LatentworldError, stamp_of

HERE = np.zeros(3)
ELSEWHERE = np.array([5.0, -2.0, 1.0])  # where odometry has the room's corner after a restart


def drive(memory: VisualMemory, begin: float, poses: np.ndarray, room: int, odometry: np.ndarray = HERE) -> Join | None:
    """Keep what is seen from poses (N, 3) of a room, a second apart, and lay earlier ones to where they are."""
    homing, first = Relocaliser(memory), None
    for i, (pose, driven) in enumerate(zip(poses, placed(odometry, poses), strict=True)):
        latent = Latent(stamp_of(begin + i), MODEL, vector(pose, room))
        memory.consider(state(latent.stamp, driven), latent)
        if (join := homing.observe(driven, latent)) is not None:
            assert first is None  # it is told once
            memory.join(join)
            first = join
    memory.flush()
    return first


@pytest.fixture
def path(tmp_path):
    """Of a memory of room 2 alone."""
    with VisualMemory(tmp_path / "memory.sqlite", MODEL) as memory:
        assert drive(memory, 1e9, way(2, 400), 2) is None
    return tmp_path / "memory.sqlite"


def test_what_was_seen_before_is_found_by_its_place_in_the_odom_of_now(path):
    for start, odometry in enumerate((ELSEWHERE, np.array([-3.0, 1.0, -2.0])), 1):
        with VisualMemory(path, MODEL) as memory:
            join = drive(memory, 1e9 + 1e5 * start, way(7 + start, 40), 2, odometry)
            assert (join.frame, join.into) == (start, start + 1)
            room = np.array([memory.get(id).pose for id in range(1, 400, 17)])
            off = room - placed(odometry, way(2, 400)[:400:17])
            assert np.hypot(*off[:, :2].T).mean() < 0.3  # two restarts later too
            corner = placed(odometry, np.array([[1.0, 1.0, 0.0]]))[0]
            found = memory.query(MemoryQuery(place=corner, radius=1.0, limit=50)).keyframes
            assert {k.frame for k in found} == {start + 1} and min(k.id for k in found) <= 400 < max(
                k.id for k in found
            )


def test_a_room_that_was_never_seen_moves_nothing(path):
    with VisualMemory(path, MODEL) as memory:
        assert drive(memory, 2e9, way(8, 120), 0, ELSEWHERE) is None
        assert memory.get(1).frame == 1


def test_a_life_too_large_to_be_looked_through_while_others_ask_is_left_alone(path, monkeypatch):
    with VisualMemory(path, MODEL) as memory:
        assert memory.earlier_runs() > 50
        monkeypatch.setattr(relocaliser, "LARGEST", 50)
        assert drive(memory, 2e9, way(8, 60), 2, ELSEWHERE) is None


def test_it_is_done_once_and_not_to_itself(path):
    with VisualMemory(path, MODEL) as memory:
        join = drive(memory, 2e9, way(8, 60), 2, ELSEWHERE)
        assert drive(memory, 2e9 + 60, way(8, 120)[60:], 2, ELSEWHERE) is None  # as a node that is activated again
        assert memory.laying.frame == 2
        for wrong in (join, join._replace(frame=2), join._replace(frame=2, into=1)):
            with pytest.raises(LatentworldError, match="memory join: expected another one"):
                memory.join(wrong)


def test_what_lies_farther_from_where_that_was_known_is_the_less_certain(path):
    with VisualMemory(path, MODEL) as memory:
        before = [memory.get(id) for id in range(1, 400, 7)]
        join = drive(memory, 2e9, way(8, 60), 2, ELSEWHERE)
        kept = [memory.get(k.id) for k in before]
        away = np.array([np.hypot(*(k.pose - join.pose)[:2]) for k in kept])
        added = [np.trace((k.covariance - b.covariance)[:2, :2]) for k, b in zip(kept, before, strict=True)]
        assert np.corrcoef(away, added)[0, 1] > 0.5
        assert min(added) > 0.5 * np.trace(join.covariance[:2, :2])


def test_what_was_joined_goes_along_when_localisation_comes(path):
    with VisualMemory(path, MODEL) as memory:
        poses = way(8, 60)
        assert drive(memory, 2e9, poses, 2, ELSEWHERE) is not None
        stamps = np.array([stamp_of(2e9 + i) for i in range(60)])
        number = memory.correct(Trajectory(stamps, poses, "map"))
        room = [memory.get(id) for id in range(1, 400, 17)]
        assert {k.frame for k in room} == {number}
        off = np.array([k.pose for k in room]) - way(2, 400)[:400:17]
        assert np.hypot(*off[:, :2].T).mean() < 0.3
        assert memory.laying.localised


def test_what_localisation_has_placed_stays(path):
    with VisualMemory(path, MODEL) as memory:
        stamps = np.array([stamp_of(1e9), stamp_of(1e9 + 400)])
        number = memory.correct(Trajectory(stamps, np.array([[0.0, 0, 0], [4.0, 0, 0]]), "map"))
        assert drive(memory, 2e9, way(8, 60), 2, ELSEWHERE) is None
        assert memory.get(1).frame == number


def test_it_is_known_again_although_the_clock_has_begun_anew(path):
    with VisualMemory(path, MODEL) as memory:
        assert drive(memory, 1e9 - 1e5, way(8, 60), 2, ELSEWHERE) is not None
