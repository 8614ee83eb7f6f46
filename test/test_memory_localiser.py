"""Where in what it remembers is the robot, in rooms that look the same but for a corner?"""

from __future__ import annotations

import numpy as np
import pytest
from rooms_of_looks import MODEL, SIZE, state, vector, way

from latentworld.memory import MemoryLocaliser, MemoryQuery, VisualMemory
from latentworld.memory.submaps import placed
from latentworld.types import Latent, LatentworldError, stamp_of


def latent(pose: np.ndarray, room: int) -> Latent:
    return Latent(0, MODEL, vector(pose, room))


@pytest.fixture(scope="module")
def memory(tmp_path_factory):
    with VisualMemory(tmp_path_factory.mktemp("memory") / "memory.sqlite", MODEL) as memory:
        stamp = stamp_of(1e9)
        for room in range(3):
            memory.lay_frame()
            for pose in way(room, 400):
                stamp += stamp_of(1.0)
                seen = latent(pose, room)
                memory.consider(state(stamp, pose), Latent(stamp, MODEL, seen.vector))
            stamp += stamp_of(3600)
        memory.lay_frame()
        memory.flush()
        yield memory


@pytest.mark.parametrize("room", [0, 1])
def test_what_was_seen_on_the_way_tells_rooms_apart_that_one_view_does_not(memory, room):
    poses = way(7, 33)  # to the corner that differs, and back to what looks the same
    localiser = MemoryLocaliser(memory)
    for pose, odometry in zip(poses, placed(np.array([5.0, -2.0, 1.0]), poses), strict=True):
        place = localiser.observe(odometry, latent(pose, room))
    assert pose[0] < 1 and np.array_equal(latent(pose, 0).vector, latent(pose, 1).vector)
    alike = memory.query(MemoryQuery(latent(pose, room), limit=20)).keyframes
    assert {k.frame for k in alike} == {1, 2}  # as far as one view tells, it may be in both
    assert place.frame == room + 1 and place.probability > 0.5
    assert np.hypot(*(place.pose[:2] - pose[:2])) < 0.4 and abs(np.angle(np.exp(1j * (place.pose[2] - pose[2])))) < 0.3
    view = memory.get(place.keyframe)
    assert view.frame == place.frame and np.hypot(*(view.pose[:2] - pose[:2])) < 0.6


def test_what_is_seen_now_is_not_what_was_seen_before(tmp_path):
    with VisualMemory(tmp_path / "memory.sqlite", MODEL) as memory:
        localiser, stamp = MemoryLocaliser(memory), stamp_of(1e9)
        for pose in way(0, 60):
            stamp += stamp_of(1.0)
            seen = Latent(stamp, MODEL, latent(pose, 0).vector)
            memory.consider(state(stamp, pose), seen)
            memory.flush()
            assert localiser.observe(pose, seen) is None  # all there is was kept in the frame that is laid now


def test_a_pose_that_is_none_and_a_latent_of_another_model_are_told(memory):
    localiser = MemoryLocaliser(memory)
    with pytest.raises(LatentworldError, match="localiser: expected a finite pose"):
        localiser.observe(np.array([np.nan, 0, 0]), latent(np.zeros(3), 0))
    with pytest.raises(LatentworldError, match="expected model m, got model other"):
        localiser.observe(np.zeros(3), Latent(0, "other", np.zeros(SIZE, np.float32)))


def test_where_it_is_does_not_count_as_use_of_what_it_saw(memory, monkeypatch):
    used: list[int] = []
    monkeypatch.setattr(memory.store, "answered", used.extend)
    assert MemoryLocaliser(memory).observe(np.zeros(3), latent(np.zeros(3), 0)) is not None
    assert not used  # or all that is about it would be kept for having been looked at
    assert memory.query(MemoryQuery(latent(np.zeros(3), 0), limit=3)).keyframes and len(used) == 3
