"""The guard: what may reach the wheels."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from latentworld.robot import Base, BaseKind
from latentworld.robot_file import load
from latentworld.selection.guard import Guard, GuardParameters, Reason
from latentworld.types import ActionSequence, LatentworldError, Plan, PlanStatus

MS = 1_000_000
P = GuardParameters()
BASE = Base(radius=0.2, max_linear=0.5, max_reverse=0.2, max_angular=1.5, acceleration=50.0, angular_acceleration=200.0)
OMNI = replace(BASE, kind=BaseKind.OMNIDIRECTIONAL, max_lateral=0.4)
CAR = replace(BASE, kind=BaseKind.ACKERMANN, turning_radius=0.5)


def plan(stamp=0, values=((0.3, 0.5),) * 10, status=PlanStatus.OK, seen=None, **changes):
    sequence = ActionSequence(0.2, np.array(values, np.float32).reshape(-1, 2))
    seen = stamp if seen is None else seen
    return replace(Plan(stamp, seen, "m", status, sequence, None, message="because"), **changes)


def sideways(values, names=("linear.x", "angular.z", "linear.y")):
    return dict(sequence=ActionSequence(0.2, np.array(values, np.float32), names))


def test_sends_the_row_in_force_by_time_since_the_stamp():
    guard = Guard(P, BASE)
    guard.accept(plan(values=[(0.1, 0.0), (0.2, 0.0)] * 5), 50 * MS, 0.0)
    assert guard.tick(50 * MS, 0.0).linear == pytest.approx(0.1)
    assert guard.tick(250 * MS, 0.15).linear == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (dict(values=[(np.nan, 0.0)] * 5), Reason.NOT_FINITE),
        (dict(values=[(0.1, 0.0)] * 4 + [(0.1, np.inf)]), Reason.NOT_FINITE),
        (dict(values=[(1.2, 0.0)] * 5), Reason.OVER_LIMIT),
        (dict(values=[(-0.5, 0.0)] * 5), Reason.OVER_LIMIT),
        (dict(values=[(0.0, -3.2)] * 5), Reason.OVER_LIMIT),
        (dict(values=np.zeros((0, 2))), Reason.BAD_SEQUENCE),
        (dict(status=PlanStatus.UNSAFE), Reason.STATUS),
        (dict(status=PlanStatus.STALE), Reason.STATUS),
        (dict(status=PlanStatus.FAILED), Reason.STATUS),
        (dict(status=PlanStatus.NO_GOAL), Reason.NO_GOAL),
        (dict(status=PlanStatus.GOAL_REACHED), Reason.GOAL_REACHED),
        (dict(seen=-600 * MS), Reason.OBSERVATION_OLD),
        (dict(stamp=900 * MS), Reason.STAMP_AHEAD),
        (dict(stamp=-400 * MS), Reason.PLAN_OLD),
        (
            dict(sequence=ActionSequence(0.2, np.zeros((5, 2), np.float32), ("linear.x", "linear.y"))),
            Reason.BAD_SEQUENCE,
        ),
        (dict(sequence=ActionSequence(float("nan"), np.zeros((5, 2), np.float32))), Reason.BAD_SEQUENCE),
    ],
)
def test_stops_for(bad, reason):
    guard = Guard(P, BASE)
    guard.accept(plan(-500 * MS, seen=-700 * MS), -500 * MS, 0.0)
    assert guard.tick(-500 * MS, 0.0).linear > 0
    guard.accept(plan(**bad), 0, 0.1)
    verdict = guard.tick(0, 0.1)
    assert verdict.reason is reason
    assert verdict.linear < 0.3
    for steady in (0.2, 0.3, 0.4):
        verdict = guard.tick(0, steady)
    assert (verdict.linear, verdict.angular) == (0.0, 0.0)


def test_clips_what_is_slightly_over():
    guard = Guard(P, BASE)
    guard.accept(plan(values=[(0.6, -2.0)] * 5), 0, 0.0)
    verdict = guard.tick(0, 0.0)
    assert verdict.reason is Reason.PLAN
    assert (verdict.linear, verdict.angular) == (pytest.approx(0.5), pytest.approx(-1.5))


def test_stops_when_no_plan_comes_though_the_robots_clock_stands_still():
    guard = Guard(P, BASE)
    guard.accept(plan(), 0, 10.0)
    assert guard.tick(0, 10.15).reason is Reason.PLAN
    verdict = guard.tick(0, 10.17)
    assert verdict.reason is Reason.NO_PLAN
    assert "0.17 s ago" in verdict.detail and "0.16" in verdict.detail


def test_standing_for_a_reason_it_gives_that_reason_until_a_second_has_passed_without_another():
    guard = Guard(P, BASE)
    guard.accept(plan(), 0, 9.9)
    guard.accept(replace(plan(), status=PlanStatus.FAILED, message="it broke"), 0, 10.0)
    for silence in (0.0, 0.2, 0.9):
        verdict = guard.tick(0, 10.0 + silence)
        assert verdict.reason is Reason.STATUS and "it broke" in verdict.detail
    assert guard.tick(0, 11.1).reason is Reason.NO_PLAN
    assert (verdict.linear, verdict.angular) == (0.0, 0.0)


def test_stops_when_the_sequence_is_over():
    guard = Guard(replace(P, plan_timeout=5.0, max_plan_age=5.0, observation_timeout=5.0), BASE)
    guard.accept(plan(values=[(0.3, 0.0)] * 2), 0, 0.0)
    assert guard.tick(390 * MS, 0.1).reason is Reason.PLAN
    assert guard.tick(410 * MS, 0.2).reason is Reason.PLAN_ENDED


def test_refuses_stamps_that_go_back_but_goes_on_with_the_next_good_plan():
    guard = Guard(P, BASE)
    guard.accept(plan(200 * MS), 200 * MS, 0.0)
    guard.accept(plan(100 * MS), 210 * MS, 0.01)
    assert guard.tick(210 * MS, 0.02).reason is Reason.STAMP_BACK
    guard.accept(plan(300 * MS, seen=150 * MS), 300 * MS, 0.1)
    assert guard.tick(300 * MS, 0.1).reason is Reason.STAMP_BACK
    guard.accept(plan(300 * MS), 300 * MS, 0.2)
    assert guard.tick(300 * MS, 0.2).reason is Reason.PLAN


def test_a_refused_plan_does_not_make_good_ones_look_old():
    guard = Guard(P, BASE)
    guard.accept(plan(10**15), 0, 0.0)
    assert guard.tick(0, 0.0).reason is Reason.STAMP_AHEAD
    guard.accept(plan(0), 0, 0.1)
    assert guard.tick(0, 0.1).reason is Reason.PLAN


def test_a_clock_that_jumps_back_stops_and_earlier_stamps_are_good_again():
    guard = Guard(P, BASE)
    guard.accept(plan(5000 * MS), 5000 * MS, 0.0)
    assert guard.tick(1000 * MS, 0.05).reason is Reason.CLOCK_BACK
    guard.accept(plan(1050 * MS), 1050 * MS, 0.1)
    assert guard.tick(1050 * MS, 0.1).reason is Reason.PLAN


def test_a_fresh_stamp_does_not_hide_an_old_observation():
    guard = Guard(P, BASE)
    for k in range(10):
        now = k * 100 * MS
        guard.accept(plan(now, seen=0), now, k * 0.1)
        verdict = guard.tick(now, k * 0.1)
        assert (verdict.reason is Reason.PLAN) == (now <= 500 * MS)
    assert verdict.reason is Reason.OBSERVATION_OLD


def test_stopping_takes_no_longer_than_stop_time_and_speeding_up_obeys_the_limit():
    guard = Guard(
        GuardParameters(max_linear_acceleration=0.5, stop_time=0.3, plan_timeout=5.0, observation_timeout=5.0), BASE
    )
    guard.accept(plan(values=[(0.5, 0.0)] * 10), 0, 0.0)
    speeds = [guard.tick(0, k * 0.05).linear for k in range(30)]
    assert max(np.diff(speeds)) <= 0.5 * 0.05 + 1e-9 and speeds[-1] == pytest.approx(0.5)
    guard.accept(plan(status=PlanStatus.FAILED), 0, 1.5)
    stopping = [guard.tick(0, 1.5 + k * 0.05).linear for k in range(1, 8)]
    assert 0 < stopping[1] < 0.5 and stopping[5] == 0.0


def test_halt_forgets_everything():
    guard = Guard(P, BASE)
    guard.accept(plan(), 0, 0.0)
    guard.tick(0, 0.0)
    guard.halt()
    verdict = guard.tick(0, 0.05)
    assert (verdict.linear, verdict.angular, verdict.reason) == (0.0, 0.0, Reason.NO_PLAN_YET)


def test_limits_are_the_robots_or_lower_ones():
    base = load().base
    p = Guard().parameters
    assert (p.max_linear, p.max_reverse, p.max_angular) == (base.max_linear, base.max_reverse, base.max_angular)
    assert (p.max_linear_acceleration, p.max_angular_acceleration) == (base.acceleration, base.angular_acceleration)
    p = Guard(GuardParameters(max_linear=0.1, max_angular=99.0, max_linear_acceleration=0.2), base).parameters
    assert (p.max_linear, p.max_angular, p.max_linear_acceleration) == (0.1, base.max_angular, 0.2)


@pytest.mark.parametrize("base", [BASE, CAR])
@pytest.mark.parametrize("lateral", [0.0, 0.1, np.nan])
def test_a_base_that_cannot_move_sideways_is_sent_no_plan_that_says_so(base, lateral):
    guard = Guard(P, base)
    guard.accept(plan(**sideways([(0.2, 0.0, lateral)] * 5)), 0, 0.0)
    verdict = guard.tick(0, 0.1)
    assert verdict.reason is Reason.BAD_SEQUENCE and "got linear.x, angular.z, linear.y" in verdict.detail
    guard.accept(plan(), 0, 0.2)
    assert guard.tick(0, 0.2).lateral == 0.0


def test_an_omnidirectional_base_moves_sideways_within_its_limit():
    guard = Guard(P, OMNI)
    guard.accept(plan(**sideways([(0.2, 0.1, -0.6)] * 10)), 0, 0.0)
    verdict = guard.tick(0, 0.0)
    assert verdict.reason is Reason.PLAN
    assert (verdict.linear, verdict.angular, verdict.lateral) == pytest.approx((0.2, 0.1, -0.4))
    guard.accept(plan(status=PlanStatus.FAILED), 0, 0.1)
    assert [guard.tick(0, 0.1 + k * 0.05).lateral for k in range(3)][-1] == 0.0


@pytest.mark.parametrize(
    ("bad", "reason", "said"),
    [
        (sideways([(0.2, 0.0, 0.9)] * 5), Reason.OVER_LIMIT, "and +-0.40 m/s sideways, got 0.20 m/s and 0.00 rad/s"),
        (sideways([(0.2, 0.0, 0.1)] * 4 + [(0.2, 0.0, np.nan)]), Reason.NOT_FINITE, "step 4"),
        (sideways([(0.2, 0.1)] * 5), Reason.BAD_SEQUENCE, "expected (steps, 3) values, got (5, 2)"),
        (
            sideways([(0.2, 0.1)] * 5, ("linear.x", "angular.z")),
            Reason.BAD_SEQUENCE,
            "angular.z, linear.y, got linear.x",
        ),
        (sideways([(0.2, 0.1, 0.1)] * 5, ("linear.x", "linear.y", "angular.z")), Reason.BAD_SEQUENCE, "expected names"),
    ],
)
def test_what_an_omnidirectional_base_is_not_sent(bad, reason, said):
    guard = Guard(P, OMNI)
    guard.accept(plan(**bad), 0, 0.0)
    verdict = guard.tick(0, 0.0)
    assert verdict.reason is reason and said in verdict.detail
    assert (verdict.linear, verdict.angular, verdict.lateral) == (0.0, 0.0, 0.0)


def test_a_car_is_never_asked_for_a_narrower_circle_than_it_can_drive():
    slow = replace(CAR, acceleration=1.0, angular_acceleration=3.0)
    guard = Guard(replace(P, plan_timeout=9.0, max_plan_age=9.0, observation_timeout=9.0), slow)
    random, sent = np.random.default_rng(0), []
    for k in range(200):
        if k % 5 == 0 and k < 180:
            values = np.column_stack([random.uniform(-0.2, 0.5, 60), random.uniform(-1.5, 1.5, 60)])
            guard.accept(plan(k * 20 * MS, values), k * 20 * MS, k * 0.02)
        if k == 180:
            guard.accept(plan(k * 20 * MS, status=PlanStatus.UNSAFE), k * 20 * MS, k * 0.02)
        verdict = guard.tick(k * 20 * MS, k * 0.02)
        sent.append((verdict.linear, verdict.angular))
    linear, angular = np.array(sent).T
    assert (np.abs(angular) <= np.abs(linear) / slow.turning_radius + 1e-9).all() and np.abs(angular).max() > 0.2
    assert np.abs(np.diff(linear[:180])).max() <= slow.acceleration * 0.02 + 1e-9
    assert sent[-1] == (0.0, 0.0)


def test_on_the_spot_a_car_stands():
    guard = Guard(P, CAR)
    guard.accept(plan(values=[(0.0, 1.0)] * 10), 0, 0.0)
    verdict = guard.tick(0, 0.0)
    assert (verdict.linear, verdict.angular, verdict.reason) == (0.0, 0.0, Reason.PLAN)


def test_a_head_takes_no_commands():
    with pytest.raises(LatentworldError, match="expected one that takes commands, got head"):
        Guard(P, load("ar_glasses").base)


def test_it_needs_neither_ros_nor_torch():
    code = "import sys, latentworld.selection.guard; print({'torch', 'rclpy', 'cv2'} & set(sys.modules) or 'none')"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "none"
