"""What may reach the wheels: the single source of truth for clipping, staleness and stopping.

No ROS and no torch. Two clocks come in from outside: ``now`` (the robot's clock, ns; may be simulated, stand still or
jump) and ``steady`` (s, a clock of this process that only goes forward). A plan must be fresh by both. Limits are those
of the robot's description, or lower ones where parameters give them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from latentworld import robot_file
from latentworld.parameters import parameter
from latentworld.robot import Base, BaseKind
from latentworld.selection.parameters import least
from latentworld.types import LatentworldError, Plan, PlanStatus, seconds

REASON_HOLDS = 1.0  # s that the reason to stand is still the one last given: it comes more slowly than plans do


@dataclass(frozen=True, slots=True)
class GuardParameters:
    """Limits of the base and of patience. Over a limit is clipped; over twice the limit, the plan is rejected."""

    max_linear: float = parameter(0.0, "m/s forward at most; 0: what the robot's description allows", 0.0, 5.0)
    max_reverse: float = parameter(0.0, "m/s backward at most; 0: what the description allows", 0.0, 5.0)
    max_angular: float = parameter(0.0, "rad/s either way at most; 0: what the description allows", 0.0, 10.0)
    max_lateral: float = parameter(0.0, "m/s sideways at most; 0: what the description allows", 0.0, 5.0)
    max_linear_acceleration: float = parameter(0.0, "m/s^2 at most; 0: what the description allows", 0.0, 50.0)
    max_angular_acceleration: float = parameter(0.0, "rad/s^2 at most; 0: what the description allows", 0.0, 200.0)
    plan_timeout: float = parameter(0.16, "s without a new plan after which the base stops", 0.05, 5.0)
    max_plan_age: float = parameter(0.3, "s that the start of a plan may lie back", 0.05, 5.0)
    observation_timeout: float = parameter(0.5, "s that the frame behind the plan may be old", 0.05, 5.0)
    stop_time: float = parameter(0.08, "s from the decision to stop until the command is zero", 0.0, 2.0)
    clock_tolerance: float = parameter(0.5, "s that a stamp may lie ahead of the clock", 0.0, 5.0)

    def within(self, base: Base) -> GuardParameters:
        """The same with the limits of this base, where lower ones are not given."""
        allowed = {name: getattr(base, name) for name in ("max_linear", "max_reverse", "max_angular", "max_lateral")}
        allowed["max_linear_acceleration"] = base.acceleration
        allowed["max_angular_acceleration"] = base.angular_acceleration
        return replace(self, **{name: least(getattr(self, name), most) for name, most in allowed.items()})


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
    """What to send now. linear m/s, angular rad/s, lateral m/s. detail: the reason in numbers."""

    linear: float
    angular: float
    reason: Reason
    detail: str
    lateral: float = 0.0


class Guard:
    """Keeps the newest plan and says, tick by tick, what of it may be sent on."""

    def __init__(self, parameters: GuardParameters | None = None, base: Base | None = None) -> None:
        """base: of the robot; none: the shipped one's. Raises LatentworldError for one that takes no commands."""
        base = base or robot_file.load().base
        if base.kind == BaseKind.HEAD:
            raise LatentworldError("base.kind: expected one that takes commands, got head: it is carried by a person")
        self.parameters = p = (parameters or GuardParameters()).within(base)
        self.axes = base.axes
        self._turning_radius = base.turning_radius if base.kind == BaseKind.ACKERMANN else 0.0
        sideways = [p.max_lateral] if len(self.axes) > 2 else []
        self._low = -np.array([p.max_reverse, p.max_angular, *sideways])
        self._high = np.array([p.max_linear, p.max_angular, *sideways])
        rates = (p.max_linear_acceleration, p.max_angular_acceleration, p.max_linear_acceleration)
        self._rate = np.array(rates[: len(self.axes)])
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
        self._sent = np.zeros(len(self.axes))
        self._brake = np.zeros(len(self.axes))

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
        elapsed = 0.05 if self._ticked is None else min(max(steady - self._ticked, 0.0), 0.1)
        self._ticked = steady
        rate = self._rate
        if wanted is None:
            wanted = np.zeros_like(self._sent)
            self._brake = np.maximum(self._brake, np.abs(self._sent) / max(self.parameters.stop_time, 1e-3))
            rate = np.maximum(rate, self._brake)
        else:
            self._brake = np.zeros_like(self._sent)
        self._sent = self._steered(self._sent + np.clip(wanted - self._sent, -rate * elapsed, rate * elapsed))
        self._sent[np.abs(self._sent) < 1e-6] = 0.0
        linear, angular, *lateral = self._sent.tolist()
        return Verdict(linear, angular, reason, detail, *lateral)

    def _steered(self, speeds: np.ndarray) -> np.ndarray:
        """What a base that turns in circles only can do of it: |angular| <= |linear| / turning radius."""
        if self._turning_radius:
            most = abs(speeds[0]) / self._turning_radius
            speeds[1] = min(max(speeds[1], -most), most)
        return speeds

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
        return self._steered(np.clip(np.asarray(action, np.float64), self._low, self._high)), Reason.PLAN, ""

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
        if tuple(sequence.names) != self.axes:
            names, got = ", ".join(self.axes), ", ".join(sequence.names) or "none"
            return Reason.BAD_SEQUENCE, f"expected names {names}, got {got}"
        values = np.asarray(sequence.values, dtype=np.float64)
        if values.ndim != 2 or values.shape[1] != len(self.axes) or len(values) == 0:
            return Reason.BAD_SEQUENCE, f"expected (steps, {len(self.axes)}) values, got {values.shape}"
        if not (math.isfinite(sequence.dt) and sequence.dt > 0):
            return Reason.BAD_SEQUENCE, f"expected dt > 0 s, got {sequence.dt}"
        if not np.isfinite(values).all():
            return (
                Reason.NOT_FINITE,
                f"step {int(np.argmin(np.isfinite(values).all(axis=1)))} of the plan is not a number",
            )
        low, high = self._low, self._high
        over = ((values < 2 * low - 1e-6) | (values > 2 * high + 1e-6)).any(axis=1)
        if over.any():
            linear, angular, *lateral = values[int(np.argmax(over))]
            limits = f"{low[0]:.2f}..{high[0]:.2f} m/s and +-{high[1]:.2f} rad/s"
            got = f"{linear:.2f} m/s and {angular:.2f} rad/s"
            if lateral:
                limits, got = f"{limits} and +-{high[2]:.2f} m/s sideways", f"{got} and {lateral[0]:.2f} m/s sideways"
            return Reason.OVER_LIMIT, f"expected {limits}, got {got}"
        return None

    def _watch_clock(self, now: int) -> None:
        if self._now is not None and now < self._now:
            self._plan, self._newest, self._newest_observation = None, None, None
            self._refusal = (Reason.CLOCK_BACK, f"by {seconds(self._now - now):.3f} s")
        self._now = now
