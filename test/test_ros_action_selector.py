"""The action reach_goal over DDS: every way in which a drive can end, with its code and line."""

import math
import time

import numpy as np
import pytest
from action_msgs.msg import GoalStatus
from geometry_msgs.msg import Pose2D
from latentworld_ros.action import ReachGoal
from latentworld_ros.msg import Plan
from latentworld_ros.msg import WorldState as WorldStateMessage
from nav_msgs.msg import Path
from rclpy.action import ActionClient
from ros_graph import Graph, overrides, random_checkpoint
from sensor_msgs.msg import Image

from latentworld.consequence.simulator import ConsequenceSimulator
from latentworld.model.checkpoint import load
from latentworld.ros import qos
from latentworld.ros.action_selector import ActionSelectorNode
from latentworld.ros.channel import Bus
from latentworld.ros.codecs import plan_from_message, state_to_message
from latentworld.ros.images import to_image
from latentworld.selection.parameters import SelectionParameters
from latentworld.types import PlanStatus, WorldState

Result = ReachGoal.Result
RGB = np.random.default_rng(4).integers(0, 256, (64, 64, 3), dtype=np.uint8)
ANY_RISK = {"selection__contact_limit": 1.0, "selection__drop_limit": 1.0, "deadline": 0.02, "trouble_timeout": 0.5}


class WalledIn(ConsequenceSimulator):
    """Foresees contact in whatever is done but the first candidate, which is to stand."""

    def simulate(self, *arguments, **options):
        imagined = super().simulate(*arguments, **options)
        imagined.contact[0], imagined.contact[1:] = 0.0, 0.9
        return imagined


def scene_with(**parameters):
    graph = Graph()
    graph.watch_diagnostics()
    graph.plans = graph.listen(Plan, "plan", keep=plan_from_message)
    graph.states = graph.node.create_publisher(WorldStateMessage, "world_state", qos.belief())
    graph.model = load(random_checkpoint())
    bus = Bus()
    bus.services["/simulate"] = WalledIn(graph.model)
    graph.selector = graph.start(ActionSelectorNode, bus=bus, **overrides(**ANY_RISK | parameters))
    graph.action = ActionClient(graph.node, ReachGoal, "reach_goal")
    graph.wait_for(lambda: graph.states.get_subscription_count() and graph.action.server_is_ready() and graph.plans)
    graph.feedback, graph.told, graph.model_id = [], 0.0, graph.model.model_id
    return graph


@pytest.fixture
def scene():
    with scene_with() as graph:
        yield graph


def tell(graph, pose=(0.0, 0.0, 0.0), seen_ago=0.0):
    """A world state, at most 20 times a second."""
    if time.monotonic() - graph.told < 0.05:
        return
    graph.told = time.monotonic()
    now = graph.node.get_clock().now().nanoseconds
    belief = np.zeros(graph.model.config.belief_dim, np.float32)
    state = WorldState(
        now, now - round(seen_ago * 1e9), graph.model_id, np.array(pose), np.zeros(3), np.zeros(3), belief
    )
    graph.states.publish(state_to_message(state))


def send(graph, **fields):
    fields = dict(kind=ReachGoal.Goal.POSE, pose=Pose2D(x=2.0, y=0.0, theta=math.nan)) | fields
    handle = graph.result(
        graph.action.send_goal_async(ReachGoal.Goal(**fields), feedback_callback=graph.feedback.append)
    )
    assert handle.accepted
    return handle


def end_of(graph, handle, timeout=10.0, **state):
    """The result, while such world states come."""
    future = handle.get_result_async()

    def step():
        tell(graph, **state)
        return future.done()

    graph.wait_for(step, timeout, "the end of the drive")
    return future.result()


def test_without_a_goal_the_gate_hears_so(scene):
    scene.plans.clear()
    scene.wait_for(lambda: len(scene.plans) >= 3)
    assert {plan.status for plan in scene.plans} == {PlanStatus.NO_GOAL}


def test_plans_while_driving_then_reached(scene):
    paths = scene.listen(Path, "plan_path")
    handle = send(scene)
    scene.wait_for(
        lambda: (tell(scene), any(p.status is PlanStatus.OK for p in scene.plans) and scene.feedback and paths)[1]
    )
    plan = next(p for p in scene.plans if p.status is PlanStatus.OK)
    assert plan.sequence.values.shape == (15, 2) and plan.consequence.poses.shape == (1, 15, 3)
    assert plan.samples >= SelectionParameters().samples and plan.deadline == pytest.approx(0.02)
    assert len(plan.candidates.poses) > 1
    assert scene.feedback[0].feedback.distance == pytest.approx(2.0)
    assert len(paths[0].poses) == 15
    answer = end_of(scene, handle, pose=(1.9, 0.1, 0.0))
    assert answer.status == GoalStatus.STATUS_SUCCEEDED
    assert (answer.result.error_code, answer.result.error_msg) == (Result.NONE, "")
    assert answer.result.pose.x == pytest.approx(1.9)


@pytest.mark.parametrize(
    ("goal", "said"),
    [
        (dict(pose=Pose2D(x=math.nan)), "pose: expected finite x and y"),
        (dict(pose=Pose2D(x=math.inf)), "pose: expected finite x and y"),
        (dict(pose=Pose2D(x=30.0)), "pose: expected within 20.0 m of the robot, got 30.0 m"),
        (dict(tolerance=-0.1), "tolerance: expected metres > 0"),
        (dict(tolerance=math.nan), "tolerance: expected metres > 0"),
        (dict(timeout=-1.0), "timeout: expected seconds > 0"),
        (dict(kind=7), "kind: expected POSE (0), IMAGE (1), MEMORY (2) or EXPLORE (3), got 7"),
        (dict(kind=ReachGoal.Goal.IMAGE, image=Image(encoding="yuv422")), "goal image: expected encoding rgb8"),
        (dict(kind=ReachGoal.Goal.IMAGE), "goal image: expected encoding rgb8"),
        (dict(kind=ReachGoal.Goal.IMAGE, image=to_image(RGB[:4, :4], 0, "c")), "frame: expected rgb"),
    ],
)
def test_a_goal_outside_limits_is_named(scene, goal, said):
    answer = end_of(scene, send(scene, **goal))
    assert answer.status == GoalStatus.STATUS_ABORTED
    assert answer.result.error_code == Result.INVALID_GOAL
    assert said in answer.result.error_msg and "\n" not in answer.result.error_msg


def test_a_memory_nobody_keeps(scene):
    answer = end_of(scene, send(scene, kind=ReachGoal.Goal.MEMORY, memory_id=3))
    assert (answer.result.error_code, answer.result.error_msg) == (
        Result.NOT_FOUND,
        "memory_id 3: nobody serves /query_memory",
    )


def test_an_image_goal_is_planned_for(scene):
    handle = send(scene, kind=ReachGoal.Goal.IMAGE, image=to_image(RGB, 0, "camera"), timeout=1.0)
    scene.wait_for(lambda: (tell(scene), any(p.status is PlanStatus.OK for p in scene.plans))[1])
    assert end_of(scene, handle).result.error_code in (Result.TIMEOUT, Result.NONE)


def test_a_new_goal_preempts(scene):
    first = send(scene)
    scene.wait_for(lambda: scene.selector._goals.drive is not None)
    second = send(scene, pose=Pose2D(x=1.0, y=1.0, theta=0.0))
    answer = end_of(scene, first)
    assert (answer.status, answer.result.error_code) == (GoalStatus.STATUS_ABORTED, Result.PREEMPTED)
    assert end_of(scene, second, pose=(1.0, 1.0, 0.0)).result.error_code == Result.NONE


def test_an_invalid_goal_does_not_preempt(scene):
    first = send(scene)
    scene.wait_for(lambda: scene.selector._goals.drive is not None)
    assert end_of(scene, send(scene, pose=Pose2D(x=99.0))).result.error_code == Result.INVALID_GOAL
    assert end_of(scene, first, pose=(2.0, 0.0, 0.0)).result.error_code == Result.NONE


def test_cancel_stops(scene):
    handle = send(scene)
    scene.wait_for(lambda: (tell(scene), scene.plans[-1].status is PlanStatus.OK)[1])
    scene.result(handle.cancel_goal_async())
    answer = end_of(scene, handle)
    assert (answer.status, answer.result.error_code) == (GoalStatus.STATUS_CANCELED, Result.CANCELED)
    scene.wait_for(lambda: scene.plans[-1].status is PlanStatus.NO_GOAL)


@pytest.mark.parametrize(
    ("goal", "state", "parameters", "code", "said"),
    [
        (dict(timeout=0.5), {}, {}, Result.TIMEOUT, "not reached within 0.5 s"),
        ({}, dict(seen_ago=0.9), {}, Result.STALE, "newest frame is 0.90 s old"),
        ({}, {}, dict(selection__contact_limit=0.5, selection__contact_weight=0.0), Result.UNSAFE, "contact within"),
    ],
    ids=["timeout", "stale", "unsafe"],
)
def test_a_drive_is_given_up(goal, state, parameters, code, said):
    with scene_with(**parameters) as scene:
        answer = end_of(scene, send(scene, **goal), **state)
        assert (answer.status, answer.result.error_code) == (GoalStatus.STATUS_ABORTED, code)
        assert said in answer.result.error_msg


def test_no_world_state_at_all(scene):
    answer = scene.result(send(scene).get_result_async())
    assert answer.result.error_code == Result.STALE
    assert answer.result.error_msg.startswith("no world state on /world_state for ")


def test_a_state_of_another_model_fails_and_says_so(scene):
    scene.model_id = "0123456789ab"
    answer = end_of(scene, send(scene))
    assert answer.result.error_code == Result.FAILED and "got 0123456789ab" in answer.result.error_msg


def test_deactivating_ends_the_drive(scene):
    handle = send(scene)
    scene.wait_for(lambda: scene.selector._goals.drive is not None)
    scene.selector.trigger_deactivate()
    answer = scene.result(handle.get_result_async())
    assert (answer.result.error_code, answer.result.error_msg) == (Result.FAILED, "action_selector was deactivated")
