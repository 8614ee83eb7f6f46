"""Glasses on a head by ROS: frames and odometry become warnings; what is missing is named."""

from itertools import count

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from latentworld_ros.msg import LatentObservation
from latentworld_ros.msg import WayWarning as WayWarningMessage
from nav_msgs.msg import Odometry as OdometryMessage
from ros_graph import Graph, overrides
from sensor_msgs.msg import Image
from test_way_ahead import GLASSES, PERIOD, SPEED, depth_of, nodding
from transforms3d.euler import euler2quat

from latentworld.perception.encoder import PerceptionEncoder
from latentworld.ros import codecs, qos
from latentworld.ros.consequence_simulator import ConsequenceSimulatorNode
from latentworld.ros.images import to_image
from latentworld.ros.models import world_model
from latentworld.ros.perception_encoder import PerceptionEncoderNode
from latentworld.ros.world_state_tracker import WorldStateTrackerNode
from latentworld.types import Frame, WayWarning, stamp_of


def test_a_warning_goes_through_its_message():
    warning = WayWarning(stamp_of(12.5), 0.75, 0.25, 1.25, 0.5, False, True, "something in the way in 1.2 s")
    assert codecs.WAY_WARNING.decode(codecs.WAY_WARNING.encode(warning)) == warning


class Wearer:
    """Publishes what glasses say on a way to a wall."""

    def __init__(self, graph):
        self.graph, self.rgb = graph, np.random.default_rng(0).integers(90, 160, (60, 90, 3), np.uint8)
        self.start = graph.node.get_clock().now().nanoseconds
        publisher, driver = graph.node.create_publisher, qos.camera_driver()
        self.colour = publisher(Image, "camera/image_raw", driver)
        self.depth = publisher(Image, "camera/depth/image_raw", driver)
        self.odom = publisher(OdometryMessage, "odom", qos.odometry_driver())

    def expose(self, t, wall):
        """A frame ``t`` seconds after the start, a wall so many metres ahead."""
        stamp, attitude = self.start + stamp_of(t), nodding(t)
        self.colour.publish(to_image(self.rgb, stamp, "camera"))
        self.depth.publish(to_image(depth_of(attitude, wall), stamp, "camera"))
        return Frame(stamp, self.rgb, depth_of(attitude, wall)), attitude

    def locate(self, t, x, height=None):
        """Odometry at that time."""
        attitude = nodding(t)
        message = OdometryMessage(header=codecs.to_header(self.start + stamp_of(t), "odom"), child_frame_id="base_link")
        at, q = message.pose.pose.position, message.pose.pose.orientation
        at.x, at.z = x, attitude.height if height is None else height
        q.w, q.x, q.y, q.z = map(float, euler2quat(attitude.roll, attitude.pitch, 0.0, "sxyz"))
        self.odom.publish(message)

    def heard(self):
        return all(p.get_subscription_count() for p in (self.colour, self.depth, self.odom))


@pytest.fixture
def graph():
    with Graph() as graph:
        graph.watch_diagnostics()
        yield graph


def test_a_warning_comes_out_of_the_nodes(graph):
    robot, wearer = {"checkpoint": "", "robot": "ar_glasses"}, Wearer(graph)  # known before the nodes connect to it
    latents = graph.listen(LatentObservation, "latent_observation", 10, codecs.latent_from_message)
    warnings = graph.listen(WayWarningMessage, "way_warning", 10, codecs.way_warning_from_message)
    encoder = graph.start(PerceptionEncoderNode, **overrides(**robot, camera_timeout=60.0))
    tracker = graph.start(WorldStateTrackerNode, **overrides(**robot, prediction_limit=0.0, input_timeout=60.0))
    simulator = graph.start(ConsequenceSimulatorNode, **overrides(**robot))
    outputs = [encoder._latents, tracker._states, simulator._warnings]
    graph.wait_for(lambda: wearer.heard() and wearer.odom.get_subscription_count() == 2)
    graph.wait_for(lambda: all(output._publisher.get_subscription_count() for output in outputs))

    def send(t, x):
        wearer.locate(t - 0.04, x)
        exposed = wearer.expose(t, 4.0 - x)
        wearer.locate(t + 0.01, x)
        return exposed

    calls, standing = count(), count()
    # Until all have found each other; then nothing is lost.
    graph.wait_for(lambda: next(calls) % 25 == 0 and send(PERIOD * next(standing), 0.0) and None or warnings)
    begin, before = next(standing) + 1, len(warnings)
    for i in range(40):
        frame, attitude = send((begin + i) * PERIOD, i * PERIOD * SPEED)
        graph.wait_for(lambda stamp=frame.stamp: warnings[-1].stamp >= stamp)
        if warnings[-1].warn:
            break
    assert not any(warning.warn for warning in warnings[:before])
    expected = PerceptionEncoder(world_model(""), GLASSES).encode(frame, attitude)
    assert latents[-1].stamp == frame.stamp and np.corrcoef(latents[-1].vector, expected.vector)[0, 1] > 0.98
    assert warnings[-1].reason.startswith("something in the way in 1.") and warnings[-1].stamp >= frame.stamp
    assert not warnings[-1].violation and warnings[-1].p_value == 1.0  # nothing is known about these glasses
    graph.wait_for(lambda: graph.says("consequence_simulator", "something in the way in 1."))
    assert graph.diagnostics["consequence_simulator"].level == DiagnosticStatus.WARN


def test_a_frame_without_odometry_is_left_out_and_said(graph):
    wearer = Wearer(graph)
    encoder = graph.start(PerceptionEncoderNode, **overrides(robot="ar_glasses", camera_timeout=60.0))
    latents = graph.listen(LatentObservation, "latent_observation")
    graph.wait_for(wearer.heard)
    said = "/odom: expected odometry within 0.1 s of each exposure on /camera/image_raw, got "
    calls, head = count(), encoder._head

    def expose(t):
        """Until it has come: whoever was not found yet hears nothing."""
        came = lambda: head._waiting and head._waiting[0].stamp == wearer.start + stamp_of(t)  # noqa: E731
        graph.wait_for(lambda: next(calls) % 50 == 0 and wearer.expose(t, 3.0) and None or came())

    expose(0.0)
    expose(0.1)
    graph.wait_for(lambda: graph.says("perception_encoder", f"{said}none: the frame is left out"))
    graph.wait_for(lambda: next(calls) % 50 == 0 and wearer.locate(19.75, 0.0) or head._history.newest)
    expose(20.0)
    expose(20.1)
    graph.wait_for(lambda: graph.says("perception_encoder", f"{said}the nearest 0.25 s away"))
    assert not latents
    wearer.locate(50.0, 0.0, height=0.04)
    graph.wait_for(lambda: graph.says("perception_encoder", "/odom: attitude: expected glasses 0.3 to 2.5 m above the"))
    wearer.expose(55.0, 3.0)
    wearer.locate(54.99, 0.0)
    wearer.locate(55.01, 0.0)
    graph.wait_for(lambda: latents)
    graph.wait_for(lambda: graph.diagnostics["perception_encoder"].level == DiagnosticStatus.OK)
