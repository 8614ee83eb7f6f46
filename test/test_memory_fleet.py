"""Many robots' memories on one Qdrant: the embedded one here, the same calls for a server or a cluster.

QDRANT_URL=http://… runs all of it against a server.
"""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from qdrant_client import QdrantClient
from typer.testing import CliRunner
from walks import ALL, DIMENSIONS, MODEL, latent_at, state_at, walk_through

from latentworld.cli import app
from latentworld.memory import MemoryQuery, Trajectory, VisualMemory
from latentworld.memory.fleet import FleetMemory
from latentworld.types import LatentworldError, stamp_of

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect")
SEAL = 120


@pytest.fixture
def fleet():
    url = os.environ.get("QDRANT_URL")
    client = QdrantClient(url) if url else QdrantClient(":memory:")
    fleet = FleetMemory(client, MODEL)
    client.delete_collection(fleet.collection)
    yield fleet
    client.close()


def remembers(path, begin: float = 0.0) -> VisualMemory:
    """A walk of 400 keyframes, sealed but for the last 40."""
    often = replace(ALL, commit_interval=0.01, commit_rows=40)
    memory = VisualMemory(path / "memory.sqlite", MODEL, often, seal_rows=SEAL)
    times, poses, vectors = walk_through()
    for i, (t, pose, vector) in enumerate(zip(times, poses, vectors, strict=True)):
        memory.consider(state_at(t + begin, pose, speed=99.0), latent_at(t + begin, vector))
        if i % 40 == 39:
            memory.store.writer.settle()
    return memory


@pytest.fixture
def memory(tmp_path):
    with remembers(tmp_path) as memory:
        yield memory


def ids(answer) -> list[int]:
    return [keyframe.id for keyframe in answer.keyframes]


def test_what_is_sealed_is_sent_once_and_the_rest_when_asked(fleet, memory):
    assert fleet.query(MemoryQuery()).never_seen
    assert fleet.sync(memory, "anna") == 360
    assert fleet.sync(memory, "anna") == 0
    assert fleet.sync(memory, "anna", young=True) == 40
    assert fleet.robots() == {"anna": 400}


def test_the_fleet_answers_as_the_memory_itself_does(fleet, memory):
    fleet.sync(memory, "anna", young=True)
    times, poses, vectors = walk_through()
    for key in (7, 133, 399):
        latent, place = latent_at(0, vectors[key]), tuple(poses[key, :2])
        middle = stamp_of(times[key])
        for query in (
            MemoryQuery(latent, limit=7),
            MemoryQuery(latent, place, 0.4, limit=7),
            MemoryQuery(latent, after=middle, limit=7),
            MemoryQuery(place=place, limit=7),
            MemoryQuery(place=place, radius=0.3, limit=50),
            MemoryQuery(after=middle - stamp_of(20), before=middle + stamp_of(20), limit=7),
            MemoryQuery(before=middle, limit=7),
            MemoryQuery(limit=7),
        ):
            own, theirs = memory.query(query), fleet.query(query, frame="anna/odom#1")
            assert ids(theirs) == ids(own), query
            for one, other in zip(own.keyframes, theirs.keyframes, strict=True):
                np.testing.assert_allclose(other.pose, one.pose)
                np.testing.assert_allclose(other.covariance, one.covariance)
                assert (other.stamp, other.robot) == (one.stamp, "anna")
                assert other.latent_distance == pytest.approx(one.latent_distance, abs=1e-4, nan_ok=True)
                assert other.place_distance == pytest.approx(one.place_distance, abs=1e-6, nan_ok=True)


def test_robots_are_told_apart_and_share_what_is_in_a_map(fleet, memory, tmp_path):
    (tmp_path / "other").mkdir()
    with remembers(tmp_path / "other", begin=5000.0) as other:
        fleet.sync(memory, "anna")
        fleet.sync(other, "bert")
        vector = walk_through()[2][50]
        found = fleet.query(MemoryQuery(latent_at(0, vector), limit=2))
        assert {(k.robot, k.id) for k in found.keyframes} == {("anna", 51), ("bert", 51)}
        assert {k.robot for k in fleet.query(MemoryQuery(latent_at(0, vector), limit=9), "bert").keyframes} == {"bert"}
        assert {
            k.robot for k in fleet.query(MemoryQuery(place=(0.0, 0.0), limit=9), frame="bert/odom#1").keyframes
        } == {"bert"}
        for name, one, begin in (("anna", memory, 0.0), ("bert", other, 5000.0)):
            stamps = np.array([stamp_of(1.7e9 + begin), stamp_of(1.7e9 + begin + 1000)])
            one.correct(Trajectory(stamps, np.zeros((2, 3)), "map"))
            assert fleet.sync(one, name) == 360
        there = fleet.query(MemoryQuery(place=(0.0, 0.0), limit=50), frame="map").keyframes
        assert {k.robot for k in there} == {"anna", "bert"} and {k.frame_id for k in there} == {"map"}
        fleet.leave("anna")
        assert fleet.robots() == {"bert": 360}


def test_what_a_robot_forgets_the_fleet_forgets(fleet, memory):
    fleet.sync(memory, "anna")
    vector = walk_through()[2][50]
    assert memory.forget(MemoryQuery(latent_at(0, vector)), within=0.1) == 1
    fleet.sync(memory, "anna")
    assert fleet.robots() == {"anna": 359}
    found = fleet.query(MemoryQuery(latent_at(0, vector), limit=1)).keyframes[0]
    assert found.id != 51 and found.latent_distance > 0.1


def test_of_two_robots_of_one_name_the_newer_keyframe_stays(fleet, memory, tmp_path):
    (tmp_path / "other").mkdir()
    with remembers(tmp_path / "other", begin=5000.0) as newer:
        assert fleet.sync(newer, "anna") == 360
        assert fleet.sync(memory, "anna") == 0
        assert min(k.stamp for k in fleet.query(MemoryQuery(limit=400)).keyframes) >= stamp_of(1.7e9 + 5000)


def test_a_lost_note_of_what_was_sent_costs_time_and_nothing_else(fleet, memory):
    fleet.sync(memory, "anna")
    (memory.store.layout.folder / "fleet").write_text("{")
    assert fleet.sync(memory, "anna") == 360
    assert fleet.robots() == {"anna": 360}


def test_the_shell_sends_and_asks(tmp_path, memory):
    memory.flush()
    path, folder = tmp_path / "memory.sqlite", tmp_path / "qdrant"
    said = shell("sync", folder, "--robot", "anna", "--path", path)
    assert said.exit_code == 0 and "360 keyframes sent" in said.output and "anna 360" in said.output
    asked = shell("ask", "--qdrant", folder, "--path", path, "--limit", "3", "--sheet", tmp_path / "sheet.png")
    assert asked.exit_code == 0 and asked.output.count("anna") == 6 and "360" in asked.output


def shell(*words):
    return CliRunner().invoke(app, ["memory", *map(str, words)], env={"COLUMNS": "120"})


def test_bad_questions_are_said_in_a_line(fleet, memory):
    fleet.sync(memory, "anna")
    other = latent_at(0, np.zeros(DIMENSIONS, np.float32), "ffffffffffff")
    for said, ask in {
        "expected the frame that the place is in": lambda: fleet.query(MemoryQuery(place=(0.0, 0.0))),
        f"expected a latent of model {MODEL}, got model ffffffffffff": lambda: fleet.query(MemoryQuery(other)),
        "ask its memory": lambda: fleet.query(MemoryQuery(object=1)),
        f"expected keyframes of model other, got {MODEL}": lambda: FleetMemory(fleet._client, "other").sync(
            memory, "a"
        ),
    }.items():
        with pytest.raises(LatentworldError, match=said):
            ask()
