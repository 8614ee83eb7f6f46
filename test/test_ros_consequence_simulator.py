"""The service simulate: the same answer in process, in bulk and in words; what cannot be answered is said."""

import time

import numpy as np
import pytest
from latentworld_ros.srv import Simulate
from ros_graph import Graph, overrides, random_checkpoint

from latentworld.consequence.simulator import ConsequenceSimulator
from latentworld.model.checkpoint import load
from latentworld.ros.codecs import consequences_from_messages, sequence_to_message, state_to_message
from latentworld.ros.consequence_simulator import TENSORS, ConsequenceSimulatorNode
from latentworld.ros.node import ManagedNode
from latentworld.ros.remote_simulator import RemoteSimulator
from latentworld.ros.tensors import from_tensor, to_tensor
from latentworld.ros.worker import Worker
from latentworld.types import ActionSequence, LatentworldError, WorldState

CANDIDATES = np.random.default_rng(2).uniform(-0.15, 0.5, (32, 15, 2)).astype(np.float32)


@pytest.fixture
def scene():
    with Graph() as graph:
        graph.start(ConsequenceSimulatorNode, **overrides())
        graph.faculty = ConsequenceSimulator(load(random_checkpoint()))
        model = graph.faculty.model
        belief = np.random.default_rng(3).normal(size=model.config.belief_dim).astype(np.float32)
        graph.state = WorldState(
            10**9,
            10**9,
            model.model_id,
            np.array([1.0, 2.0, 0.3]),
            np.float32([0.1, 0.2, 0.0]),
            np.zeros(3, np.float32),
            belief,
        )
        graph.expected = graph.faculty.simulate(graph.state, CANDIDATES, 0.2, latents=True)
        yield graph


def test_in_words(scene):
    request = Simulate.Request(state=state_to_message(scene.state))
    request.candidates = [sequence_to_message(ActionSequence(0.2, values)) for values in CANDIDATES]
    answer = scene.call(Simulate, "simulate", request)
    assert answer.success and answer.model_id == scene.state.model_id
    got = consequences_from_messages(answer.consequences)
    for name in TENSORS:
        assert np.allclose(getattr(got, name), getattr(scene.expected, name), atol=1e-5), name


def test_in_bulk_through_the_remote_faculty(scene):
    """As the action_selector uses it: from the faculties' thread, while the executor spins on this one."""
    node = scene.add(ManagedNode("asker", context=scene.context))
    remote, worker, got = RemoteSimulator(node, scene.faculty.model), Worker(), []
    scene.wait_for(remote._client.service_is_ready)
    remote.give_up_at = time.monotonic() + 10.0
    worker.submit(lambda: got.append(remote.simulate(scene.state, CANDIDATES, 0.2, latents=True)), got.append)
    scene.wait_for(lambda: got)
    for name in (*TENSORS, "latents"):
        assert np.allclose(getattr(got[0], name), getattr(scene.expected, name), atol=1e-5), name
    remote.give_up_at = 0.0
    worker.submit(lambda: remote.simulate(scene.state, CANDIDATES, 0.2), got.append)
    scene.wait_for(lambda: len(got) == 2)
    assert isinstance(got[1], LatentworldError) and "before the deadline" in str(got[1])
    worker.close()
    remote.destroy()


def test_a_base_that_moves_sideways_has_a_third_axis():
    axes = ("linear.x", "angular.z", "linear.y")
    still, aside = (np.tile(np.float32([0.0, 0.0, lateral]), (10, 1)) for lateral in (0.0, 0.3))
    with Graph() as graph:
        node = graph.start(ConsequenceSimulatorNode, **overrides(robot="omnidirectional"))
        config, model_id = node._simulator.model.config, node._simulator.model.model_id
        nothing = np.zeros(3, np.float32)
        state = WorldState(1, 1, model_id, nothing, nothing, nothing, np.zeros(config.belief_dim, np.float32))
        request = Simulate.Request(state=state_to_message(state), values=to_tensor(np.stack([still, aside])), dt=0.2)
        poses = from_tensor(graph.call(Simulate, "simulate", request).poses, "poses")
        assert np.allclose(poses[0], 0, atol=1e-5) and poses[1, -1, 1] > 0.3
        request = Simulate.Request(state=request.state, candidates=sequences(ActionSequence(0.2, aside, axes)))
        words = consequences_from_messages(graph.call(Simulate, "simulate", request).consequences)
        assert np.allclose(words.poses[0], poses[1], atol=1e-5)
        request.candidates = sequences(ActionSequence(0.2, aside[:, :2]))
        said = "candidates[0]: expected names linear.x, angular.z, linear.y, got linear.x, angular.z"
        assert said in graph.call(Simulate, "simulate", request).message


def sequences(*of):
    return [sequence_to_message(sequence) for sequence in of]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (dict(), "expected candidates or values, got neither"),
        (dict(state=None), "expected a state, got none and no world_state has come yet"),
        (
            dict(candidates=[((0.2, 3)), (0.2, 4)]),
            "candidates[1]: expected 3 steps of 0.200 s as in candidates[0], got 4 of 0.200 s",
        ),
        (dict(values=np.zeros((2, 3, 3), np.float32)), "values: expected shape (any, any, 2), got (2, 3, 3)"),
        (dict(values=np.full((2, 3, 2), np.nan, np.float32)), "expected finite speeds"),
        (dict(values=np.zeros((2, 3, 2), np.float32), dt=9.0), "expected dt within"),
        (dict(values=np.zeros((2, 3, 2), np.float32), model_id="0123456789ab"), "got 0123456789ab"),
    ],
)
def test_what_cannot_be_answered_is_said(scene, change, said):
    request = Simulate.Request(dt=change.get("dt", 0.2))
    if "state" not in change:
        request.state = state_to_message(scene.state)
    if "model_id" in change:
        request.state.model_id = change["model_id"]
    if "values" in change:
        request.values = to_tensor(change["values"])
    request.candidates = sequences(*(ActionSequence(dt, np.zeros((h, 2))) for dt, h in change.get("candidates", ())))
    answer = scene.call(Simulate, "simulate", request)
    assert not answer.success and said in answer.message and "\n" not in answer.message
