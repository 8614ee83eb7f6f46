"""What may reach the wheels: the single source of truth for clipping, staleness and stopping.

No ROS and no torch. Two clocks come in from outside: ``now`` (the robot's clock, ns; may be simulated, stand still or
jump) and ``steady`` (s, a clock of this process that only goes forward). A plan must be fresh by both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np

from latentworld.parameters import parameter
from latentworld.types import Plan, PlanStatus, seconds

NAMES = ("linear.x", "angular.z")
REASON_HOLDS = 1.0  # s that the reason to stand is still the one last given: it comes more slowly than plans do


@dataclass(frozen=True, slots=True)
class GuardParameters:
    """Limits of the base and of patience. Over a limit is clipped; over twice the limit, the plan is rejected."""

    max_linear: float = parameter(0.5, "m/s forward", 0.0, 5.0)
    max_reverse: float = parameter(0.2, "m/s backward", 0.0, 5.0)
    max_angular: float = parameter(1.5, "rad/s either way", 0.0, 10.0)
    max_linear_acceleration: float = parameter(2.5, "m/s^2", 0.01, 50.0)
    max_angular_acceleration: float = parameter(10.0, "rad/s^2", 0.01, 200.0)
    plan_timeout: float = parameter(0.16, "s without a new plan after which the base stops", 0.05, 5.0)
    max_plan_age: float = parameter(0.3, "s that the start of a plan may lie back", 0.05, 5.0)
    observation_timeout: float = parameter(0.5, "s that the frame behind the plan may be old", 0.05, 5.0)
    stop_time: float = parameter(0.08, "s from the decision to stop until the command is zero", 0.0, 2.0)
    clock_tolerance: float = parameter(0.5, "s that a stamp may lie ahead of the clock", 0.0, 5.0)


class Reason(Enum):
    """Why the base moves or stands."""

    PLAN = "plan in force"
    NO_GOAL = "no goal"
    GOAL_REACHED = "goal reached"
    NO_PLAN_YET = "no plan yet"
    NO_PLAN = "no plan in time"
    PLAN_OLD = "plan too old"
    PLAN_ENDED = "plan ended"
    OBSERVATION_OLD = "observation too old"
    STAMP_AHEAD = "stamp ahead of the clock"
    STAMP_BACK = "stamp went back"
    CLOCK_BACK = "clock went back"
    NOT_FINITE = "not finite"
    OVER_LIMIT = "over twice the limit"
    BAD_SEQUENCE = "bad sequence"
    STATUS = "planner reports trouble"

    @property
    def ordinary(self) -> bool:
        """Nothing is wrong."""
        return self in (Reason.PLAN, Reason.NO_GOAL, Reason.GOAL_REACHED, Reason.NO_PLAN_YET)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to send now. linear m/s, angular rad/s. detail: the reason in numbers."""

    linear: float
    angular: float
    reason: Reason
    detail: str


class Guard:
    """Keeps the newest plan and says, tick by tick, what of it may be sent on."""

    def __init__(self, parameters: GuardParameters | None = None) -> None:
        self.parameters = parameters or GuardParameters()
        self.halt()

    def halt(self) -> None:
        """Forget everything; the next tick sends zero."""
        self._plan: Plan | None = None
        self._refusal: tuple[Reason, str] = (Reason.NO_PLAN_YET, "")
        self._arrival = -math.inf
        self._newest: int | None = None  # stamps of the last plan taken, and of its observation
        self._newest_observation: int | None = None
        self._now: int | None = None
        self._ticked: float | None = None
        self._sent = np.zeros(2)
        self._brake = np.zeros(2)

    def accept(self, plan: Plan, now: int, steady: float) -> None:
        """Take a plan that has just arrived."""
        self._watch_clock(now)
        self._arrival = steady
        refusal = self._examine(plan, now)
        self._plan = plan if refusal is None else None
        self._refusal = refusal or (Reason.PLAN, "")
        if refusal is None:
            self._newest, self._newest_observation = plan.stamp, plan.observation_stamp

    def tick(self, now: int, steady: float) -> Verdict:
        """The command to send at this moment."""
        self._watch_clock(now)
        wanted, reason, detail = self._wanted(now, steady)
        p = self.parameters
        elapsed = 0.05 if self._ticked is None else min(max(steady - self._ticked, 0.0), 0.1)
        self._ticked = steady
        rate = np.array([p.max_linear_acceleration, p.max_angular_acceleration])
        if wanted is None:
            wanted = np.zeros(2)
            self._brake = np.maximum(self._brake, np.abs(self._sent) / max(p.stop_time, 1e-3))
            rate = np.maximum(rate, self._brake)
        else:
            self._brake = np.zeros(2)
        self._sent = self._sent + np.clip(wanted - self._sent, -rate * elapsed, rate * elapsed)
        self._sent[np.abs(self._sent) < 1e-6] = 0.0
        return Verdict(float(self._sent[0]), float(self._sent[1]), reason, detail)

    def _wanted(self, now: int, steady: float) -> tuple[np.ndarray | None, Reason, str]:
        p, plan = self.parameters, self._plan
        silence = steady - self._arrival
        if plan is None and (math.isinf(silence) or silence <= max(p.plan_timeout, REASON_HOLDS)):
            return None, *self._refusal
        if silence > p.plan_timeout:
            return None, Reason.NO_PLAN, f"last plan arrived {silence:.2f} s ago, allowed {p.plan_timeout:.2f} s"
        age, seen = seconds(now - plan.stamp), seconds(now - plan.observation_stamp)
        if age > p.max_plan_age:
            return None, Reason.PLAN_OLD, f"plan starts {age:.2f} s ago, allowed {p.max_plan_age:.2f} s"
        if seen > p.observation_timeout:
            return (
                None,
                Reason.OBSERVATION_OLD,
                f"newest frame is {seen:.2f} s old, allowed {p.observation_timeout:.2f} s",
            )
        action = plan.sequence.at(age)
        if action is None:
            return None, Reason.PLAN_ENDED, f"{len(plan.sequence.values)} steps of {plan.sequence.dt:.2f} s are over"
        linear = min(max(float(action[0]), -p.max_reverse), p.max_linear)
        angular = min(max(float(action[1]), -p.max_angular), p.max_angular)
        return np.array([linear, angular]), Reason.PLAN, ""

    def _examine(self, plan: Plan, now: int) -> tuple[Reason, str] | None:
        """Why this plan may not drive, or None."""
        p, sequence = self.parameters, plan.sequence
        ahead = max(seconds(plan.stamp - now), seconds(plan.observation_stamp - now))
        if ahead > p.clock_tolerance:
            return (
                Reason.STAMP_AHEAD,
                f"{ahead:.2f} s ahead, allowed {p.clock_tolerance:.2f} s: do all nodes agree on use_sim_time?",
            )
        if plan.status is PlanStatus.NO_GOAL:
            return Reason.NO_GOAL, plan.message
        if plan.status is PlanStatus.GOAL_REACHED:
            return Reason.GOAL_REACHED, plan.message
        if plan.status is not PlanStatus.OK:
            return Reason.STATUS, f"{plan.status.name}: {plan.message}"
        if self._newest is not None and plan.stamp < self._newest:
            return Reason.STAMP_BACK, f"plan is {seconds(self._newest - plan.stamp):.3f} s older than the one before it"
        if self._newest_observation is not None and plan.observation_stamp < self._newest_observation:
            gap = seconds(self._newest_observation - plan.observation_stamp)
            return Reason.STAMP_BACK, f"observation is {gap:.3f} s older than the one before it"
        if tuple(sequence.names) != NAMES:
            return Reason.BAD_SEQUENCE, f"expected names {', '.join(NAMES)}, got {', '.join(sequence.names) or 'none'}"
        values = np.asarray(sequence.values, dtype=np.float64)
        if values.ndim != 2 or values.shape[1] != 2 or len(values) == 0:
            return Reason.BAD_SEQUENCE, f"expected (steps, 2) values, got {values.shape}"
        if not (math.isfinite(sequence.dt) and sequence.dt > 0):
            return Reason.BAD_SEQUENCE, f"expected dt > 0 s, got {sequence.dt}"
        if not np.isfinite(values).all():
            return (
                Reason.NOT_FINITE,
                f"step {int(np.argmin(np.isfinite(values).all(axis=1)))} of the plan is not a number",
            )
        low, high = np.array([-p.max_reverse, -p.max_angular]), np.array([p.max_linear, p.max_angular])
        over = ((values < 2 * low - 1e-6) | (values > 2 * high + 1e-6)).any(axis=1)
        if over.any():
            linear, angular = values[int(np.argmax(over))]
            limits = f"{low[0]:.2f}..{high[0]:.2f} m/s and +-{high[1]:.2f} rad/s"
            return Reason.OVER_LIMIT, f"expected {limits}, got {linear:.2f} m/s and {angular:.2f} rad/s"
        return None

    def _watch_clock(self, now: int) -> None:
        if self._now is not None and now < self._now:
            self._plan, self._newest, self._newest_observation = None, None, None
            self._refusal = (Reason.CLOCK_BACK, f"by {seconds(self._now - now):.3f} s")
        self._now = now
