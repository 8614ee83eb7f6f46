"""Nodes of one process hand nouns over by reference; messages are made only for listeners outside."""

import numpy as np
import pytest
from latentworld_ros.msg import LatentObservation
from ros_graph import Graph

from latentworld.ros import qos
from latentworld.ros.channel import Bus
from latentworld.ros.codecs import LATENT
from latentworld.ros.node import ManagedNode
from latentworld.types import Latent

LATENTS = [Latent(k, "m", np.full(4, k, np.float32)) for k in range(3)]


class Speaker(ManagedNode):
    def configure(self):
        self.out = self.output(LATENT, "latent_observation", qos.latent())


class Listener(ManagedNode):
    def activate(self):
        self.heard = []
        self.input(LATENT, "latent_observation", qos.latent(), self.heard.append)


def make(graph, kind, name, bus):
    return graph.add(kind(name, bus, context=graph.context))


def start(*nodes):
    for node in nodes:
        node.trigger_configure()
    for node in nodes:
        node.trigger_activate()


@pytest.fixture
def graph():
    with Graph() as graph:
        yield graph


def test_by_reference_and_without_a_message_where_all_share_a_process(graph):
    bus = Bus()
    speaker, listener = make(graph, Speaker, "speaker", bus), make(graph, Listener, "listener", bus)
    start(listener, speaker)  # in either order
    speaker.out.publish(LATENTS[0])
    assert listener.heard[0] is LATENTS[0]
    assert graph.node.count_subscribers("/latent_observation") == 0


def test_outside_listeners_get_messages_too_and_inside_ones_hear_nothing_twice(graph):
    bus = Bus()
    speaker, listener = make(graph, Speaker, "speaker", bus), make(graph, Listener, "listener", bus)
    start(speaker, listener)
    outside = graph.listen(LatentObservation, "latent_observation")
    graph.wait_for(speaker.out._publisher.get_subscription_count)
    for latent in LATENTS:
        speaker.out.publish(latent)
        graph.wait_for(lambda n=latent.stamp: len(outside) == n + 1)
    assert [latent.stamp for latent in listener.heard] == [0, 1, 2]


def test_apart_it_is_a_topic(graph):
    speaker, listener = make(graph, Speaker, "speaker", Bus()), make(graph, Listener, "listener", Bus())
    start(speaker, listener)
    graph.wait_for(speaker.out._publisher.get_subscription_count)
    speaker.out.publish(LATENTS[2])
    graph.wait_for(lambda: listener.heard)
    assert listener.heard[0] is not LATENTS[2] and np.array_equal(listener.heard[0].vector, LATENTS[2].vector)


def test_a_listener_turns_to_the_outside_when_the_speaker_in_its_process_goes(graph):
    bus = Bus()
    speaker, listener = make(graph, Speaker, "speaker", bus), make(graph, Listener, "listener", bus)
    other = make(graph, Speaker, "other", Bus())
    start(speaker, listener, other)
    speaker.trigger_deactivate()
    speaker.trigger_cleanup()
    graph.wait_for(other.out._publisher.get_subscription_count)
    other.out.publish(LATENTS[1])
    graph.wait_for(lambda: listener.heard)


def test_an_inactive_speaker_is_silent(graph):
    bus = Bus()
    speaker, listener = make(graph, Speaker, "speaker", bus), make(graph, Listener, "listener", bus)
    start(speaker, listener)
    speaker.trigger_deactivate()
    speaker.out.publish(LATENTS[0])
    assert not listener.heard
