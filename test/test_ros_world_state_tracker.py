"""The world_state_tracker over DDS: beliefs by stamps, predictions over dropped frames, a fresh start when asked."""

import numpy as np
import pytest
from geometry_msgs.msg import TwistStamped
from latentworld_ros.msg import LatentObservation, Surprise, WorldState
from nav_msgs.msg import Odometry as OdometryMessage
from ros_graph import Graph, overrides, random_checkpoint
from std_srvs.srv import Trigger

from latentworld.model.checkpoint import load
from latentworld.perception.encoder import PerceptionEncoder
from latentworld.ros import qos
from latentworld.ros.codecs import (
    from_time,
    latent_to_message,
    odometry_to_message,
    stamped_from_action,
    state_from_message,
)
from latentworld.ros.world_state_tracker import WorldStateTrackerNode
from latentworld.types import Action, Frame, Latent, Odometry

MS = 1_000_000


@pytest.fixture
def scene(request):
    """The parameter, if any: a robot."""
    with Graph() as graph:
        graph.watch_diagnostics()
        graph.states = graph.listen(WorldState, "world_state", keep=state_from_message)
        graph.surprises = graph.listen(Surprise, "surprise")
        make = graph.node.create_publisher
        graph.latents = make(LatentObservation, "latent_observation", qos.latent())
        graph.odom = make(OdometryMessage, "odom", qos.odometry_driver())
        graph.commands = make(TwistStamped, "cmd_vel", qos.command())
        graph.tracker = graph.start(WorldStateTrackerNode, **overrides(robot=getattr(request, "param", "latentworld")))
        publishers = (graph.latents, graph.odom, graph.commands, graph.tracker._states._publisher)
        graph.wait_for(lambda: all(p.get_subscription_count() for p in publishers))
        model = load(random_checkpoint())
        rgb = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        graph.vector = PerceptionEncoder(model).encode(Frame(0, rgb, np.ones((64, 64), np.float32))).vector
        graph.model_id = model.model_id
        yield graph


def now(graph):
    return graph.node.get_clock().now().nanoseconds


def locate(graph, stamp, x=1.0):
    graph.odom.publish(odometry_to_message(Odometry(stamp, np.array([x, 2.0, 0.5]), 0.3, 0.1, 0.05)))
    graph.wait_for(lambda: graph.tracker._located)


def see(graph, stamp, model_id=None):
    graph.latents.publish(latent_to_message(Latent(stamp, model_id or graph.model_id, graph.vector)))


def test_a_belief_for_each_latent_at_its_stamp(scene):
    stamp = now(scene)
    locate(scene, stamp - 10 * MS)
    scene.commands.publish(stamped_from_action(Action(stamp - 20 * MS, 0.4, -0.2, 0.1)))
    scene.wait_for(lambda: len(scene.tracker._tracker.actions))
    see(scene, stamp)
    state = scene.wait_for(lambda: scene.states)[0]
    assert (state.stamp, state.observation_stamp, state.model_id) == (stamp, stamp, scene.model_id)
    assert state.pose[:2] == pytest.approx([1.0, 2.0], abs=0.01)
    assert state.velocity == pytest.approx([0.3, 0.1, 0.05])
    assert state.command == pytest.approx([0.4, -0.2, 0.1])
    see(scene, stamp + 100 * MS)
    surprise = scene.wait_for(lambda: scene.surprises)[0]  # nothing foretold the first frame
    assert from_time(surprise.header.stamp) == stamp + 100 * MS


def test_predictions_bridge_dropped_frames_and_say_how_old_the_observation_is(scene):
    stamp = now(scene)
    locate(scene, stamp)
    see(scene, stamp)
    scene.wait_for(lambda: len(scene.states) >= 6)
    stamps = [state.stamp for state in scene.states]
    assert stamps == sorted(set(stamps)) and stamps[-1] - stamp > 400 * MS
    assert {state.observation_stamp for state in scene.states} == {stamp}
    late = stamp + 100 * MS  # a frame that was delayed, not lost
    see(scene, late)
    seen = scene.wait_for(lambda: [s for s in scene.states if s.observation_stamp == late])
    assert seen[0].stamp > stamps[-1]


def test_a_late_frame_is_carried_on_to_where_the_robot_is_now(scene):
    stamp = now(scene)
    locate(scene, stamp - 150 * MS, 1.0)
    scene.odom.publish(odometry_to_message(Odometry(stamp, np.array([1.5, 2.0, 0.5]), 0.3, 0.1)))
    scene.wait_for(lambda: len(scene.tracker._tracker.odometries) == 2)
    see(scene, stamp - 150 * MS)
    state = scene.wait_for(lambda: scene.states)[0]
    assert (state.stamp, state.observation_stamp) == (stamp, stamp - 150 * MS)
    assert state.pose[:2] == pytest.approx([1.5, 2.0])


@pytest.mark.parametrize("scene", ["trials/fps_5"], indirect=True)
def test_between_frames_of_a_slow_camera_the_belief_goes_on_in_time(scene):
    """The gate allows 0.16 s without a plan."""
    stamp = now(scene)
    locate(scene, stamp)
    see(scene, stamp)
    scene.wait_for(lambda: len(scene.states) >= 2)
    assert scene.tracker._patience < 0.1 and scene.states[1].stamp - stamp < 160 * MS


def test_a_latent_of_another_model_is_named(scene):
    stamp = now(scene)
    locate(scene, stamp)
    see(scene, stamp, "0123456789ab")
    scene.wait_for(
        lambda: scene.says("world_state_tracker", f"latent: expected model {scene.model_id}, got 0123456789ab")
    )
    assert not scene.states


def test_what_does_not_come_is_named(scene):
    for said in ("no odometry on /odom for", "no latent on /latent_observation for"):
        scene.wait_for(lambda said=said: scene.says("world_state_tracker", said), 6)


def test_odometry_that_is_not_a_number_is_named(scene):
    scene.odom.publish(odometry_to_message(Odometry(now(scene), np.array([np.nan, 0.0, 0.0]), 0.0, 0.0)))
    scene.wait_for(lambda: scene.says("world_state_tracker", "/odom: odometry: expected finite numbers"))


def test_reset_forgets(scene):
    stamp = now(scene)
    locate(scene, stamp)
    see(scene, stamp)
    scene.wait_for(lambda: scene.states)
    assert scene.call(Trigger, "world_state_tracker/reset", Trigger.Request()).success
    assert scene.tracker._tracker.observed is None
    locate(scene, stamp - 1000 * MS)
    see(scene, stamp - 1000 * MS)  # stamps from before are welcome again
    scene.wait_for(lambda: any(s.observation_stamp == stamp - 1000 * MS for s in scene.states))
