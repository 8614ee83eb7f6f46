"""Goal + imagined futures -> a plan, by a deadline, safe when there is none."""

from __future__ import annotations

import time
from typing import Protocol

import numpy as np

from latentworld import robot_file
from latentworld.robot import Robot
from latentworld.selection.critics import Scene, critics, weigh
from latentworld.selection.explorer import Explorer, looked_around
from latentworld.selection.impasses import Impasses
from latentworld.selection.keyframe_graph import KeyframeGraph
from latentworld.selection.locator import GoalLocator
from latentworld.selection.parameters import SelectionParameters
from latentworld.selection.patience import Patience
from latentworld.selection.retreat import Retreat
from latentworld.selection.seeds import seed_plans, shifted
from latentworld.selection.solvers import solver
from latentworld.selection.wariness import Wariness
from latentworld.selection.way import WayToGoal
from latentworld.types import (
    ActionSequence,
    Consequences,
    FreeSpace,
    Goal,
    GoalKind,
    LatentworldError,
    Plan,
    PlanStatus,
    WorldState,
    seconds,
    turn,
)  # fmt: skip

MARGIN = 0.6  # share of the deadline after which no iteration may still run: a busy machine makes the next one longer
CLOSE = 0.5  # share of the tolerance to which it drives at first: odometry drifts, and places are known roughly
HOVERING, URGENT = 4.0, 4.0  # seconds about a goal without arriving, until arriving is worth so much more
SETTLING = 1.5  # seconds about a goal pose in which that eases to the whole tolerance
KEPT = 0.5  # of the probability from which on a place is driven to, down to which it goes on: turning back costs time
LIKELY = 0.5  # probability that counts as arrived where looking on tells no more
LEAST_ALIKE = -6.0  # nats that what it sees is the goal's view, from 0 down to which it may arrive where that is so
SHOWN = 12  # candidates kept in a plan for people to look at


class Simulator(Protocol):
    def simulate(self, state: WorldState, candidates: np.ndarray, dt: float, latents: bool = False) -> Consequences: ...

    def free_space(self, state: WorldState) -> FreeSpace: ...

    def look(self, state: WorldState, poses: np.ndarray, ahead: float) -> np.ndarray: ...


class ActionSelector:
    """Model-predictive control by sampling: imagine, choose, send the start of the best, and choose again."""

    def __init__(
        self,
        simulator: Simulator,
        parameters: SelectionParameters | None = None,
        locator: GoalLocator | None = None,
        robot: Robot | None = None,
    ):
        """robot: whose limits hold; none: the shipped one's."""
        self.simulator, self.locator = simulator, locator
        self.base = (robot or robot_file.load()).base
        self.axes = self.base.axes
        self.parameters = (parameters or SelectionParameters()).within(self.base)
        self.critics = critics()
        self.wariness, self.explorer = Wariness(self.parameters), Explorer(self.parameters)
        self.impasses = Impasses()
        self.retreat, self.patience = Retreat(self.parameters), Patience(self.parameters.arrival_patience)
        self.settling, self.hovering = Patience(SETTLING), Patience(HOVERING)
        self.seeds = seed_plans(self.parameters, self.base.kind)
        self.graph = KeyframeGraph()
        self.reset()

    def reset(self) -> None:
        """Forget the last plan: a new goal. Ways that were driven stay known."""
        self.solver = solver(self.parameters, len(self.axes))
        self.last: ActionSequence | None = None
        self.last_stamp = 0
        self._looked = False  # about itself, since the goal was given
        self._seeking = False  # is on its way to where a goal image may have been taken
        self.explorer.reset()
        self.retreat.reset()
        self.impasses.reset()
        self._way: WayToGoal | None = None  # of the last plan
        self.patience.reset()
        self.settling.reset()
        self.hovering.reset()
        if self.locator:
            self.locator.reset()

    def select(self, state: WorldState, goal: Goal | None, deadline: float) -> Plan:
        """The plan from ``state`` on, within ``deadline`` seconds of wall time. Never raises for what a robot may
        meet.
        """
        began = time.perf_counter()
        self.graph.note(state)
        age = seconds(state.stamp - state.observation_stamp)
        if goal is None:
            return self._stand(state, PlanStatus.NO_GOAL, "no goal", deadline, began)
        if age > self.parameters.max_observation_age:
            message = f"newest frame is {age:.2f} s old, allowed {self.parameters.max_observation_age} s"
            return self._stand(state, PlanStatus.STALE, message, deadline, began)
        try:
            space = self.simulator.free_space(state)
            target, final = self._target(state, goal, space)
            if target is None:
                return self._stand(state, PlanStatus.GOAL_REACHED, "nothing more to learn", deadline, began)
            if final:
                return self._stand(state, PlanStatus.GOAL_REACHED, "", deadline, began)
            stuck = self.retreat.stuck(state)
            if self.retreat.just_stuck and self._way is not None:
                self.impasses.note(state, self._way)
            if stuck and (back := self._back_off(state, deadline, began)) is not None:
                return back
            return self._search(state, goal, target, space, deadline, began)
        except LatentworldError as failure:
            return self._stand(state, PlanStatus.FAILED, str(failure), deadline, began)

    def _there(self, state: WorldState, target: np.ndarray, tolerance: float, ease: float) -> bool:
        """ease: 0 to 1, from ``CLOSE`` to all of the tolerance."""
        off = turn(target[2] - state.pose[2])
        facing = np.isnan(off) or abs(off) <= self.parameters.heading_tolerance
        allowed = tolerance * (CLOSE + (1 - CLOSE) * ease)
        return bool(facing and np.hypot(*(target[:2] - state.pose[:2])) <= allowed)

    def _target(self, state: WorldState, goal: Goal, space: FreeSpace) -> tuple[np.ndarray | None, bool]:
        """Pose (3,) in odom to make for, and whether it has arrived there; None: it is explored.

        The place of a goal image is looked for until it is found: what is not known is looked at first.
        """
        p = self.parameters
        if goal.kind in (GoalKind.POSE, GoalKind.MEMORY):
            target = np.asarray(goal.pose, np.float32)
            return target, self._there(state, target, goal.tolerance, self.settling.used(state, target))
        if goal.kind == GoalKind.IMAGE:
            if self.locator is None:
                raise LatentworldError("goal: an image goal needs a locator; this selector has none")
            place = self.locator.locate(state, goal.latent, WayToGoal(space, state.pose, p.way_margin))
            # Before it has looked about itself, another place may look as much like the goal as any that it knows.
            self._looked = self._looked or looked_around(state, space)
            used = self.patience.used(state, place.pose, place.same)
            ease = used**2  # to arrive where the goal most likely is beats never to arrive
            there = self._looked and self._there(state, place.pose, goal.tolerance, ease)
            shown = place.same >= LEAST_ALIKE * ease
            if there and shown and place.here >= p.arrival_probability + (LIKELY - p.arrival_probability) * ease:
                return place.pose.astype(np.float32), True
            if self.patience.lost:  # it has not arrived
                self.locator.refute(place.pose)
                self.patience.reset()
            enough = p.place_probability * (KEPT if self._seeking else 1.0)
            self._seeking = self._looked and not there and place.probability >= enough
            if self._seeking:
                return place.pose.astype(np.float32), False
        prospect = self.explorer.look(state, space)
        if prospect.gain < p.explored_gain:
            if goal.kind == GoalKind.EXPLORE:
                return None, True
            there = self._there(state, place.pose, goal.tolerance, 1.0)
            return place.pose.astype(np.float32), there and place.here >= LIKELY  # all is known: it lies there, if any
        return prospect.pose.astype(np.float32), False

    def _search(
        self, state: WorldState, goal: Goal, target: np.ndarray, space: FreeSpace, deadline: float, began: float
    ) -> Plan:
        p = self.parameters
        if self.wariness.notice(state):
            self.last = None
        self.solver.high[0] = self.wariness.top_speed(state.stamp)
        way = self._way = WayToGoal(
            space, target, p.way_margin, self.graph.distance, lambda points: self.impasses.toll(points, state.stamp)
        )
        if goal.kind in (GoalKind.POSE, GoalKind.MEMORY):  # others look about themselves on the way
            self.impasses.watch(state, way)
        urgency = 1.0
        if goal.kind in (GoalKind.POSE, GoalKind.MEMORY):
            urgency += URGENT * self.hovering.used(state, target)
        latent = look = None
        if goal.latent is not None:
            latent, look = goal.latent.vector, lambda poses: self.simulator.look(state, poses, p.horizon * p.dt)

        def evaluate(batch: np.ndarray) -> tuple[np.ndarray, Consequences]:
            imagined = self._imagine(state, batch)
            costs, total = weigh(
                Scene(state, batch, imagined, target, way, p, latent, look, urgency, self.base.turning_radius),
                self.critics,
            )
            return total, _judged(imagined, costs, total)

        seeds, mean = self.seeds, np.zeros((p.horizon, len(self.axes)), np.float32)
        if self.last is not None:
            mean = shifted(self.last.values, p.dt, seconds(state.stamp - self.last_stamp))
            seeds = np.concatenate([seeds[:1], mean[None], seeds[1:]])
        found = self.solver.optimise(evaluate, mean, seeds, began + MARGIN * deadline)
        if not np.isfinite(found.cost):
            return self._stand(state, PlanStatus.FAILED, "no candidate has a finite cost", deadline, began)
        sequence = ActionSequence(p.dt, found.best, self.axes)
        self.last, self.last_stamp = sequence, state.stamp
        consequence = found.extra.only(found.index)
        status, message = self._validate(consequence, found.extra.only(0))
        if status == PlanStatus.OK and found.spread < p.flat_spread:
            message = f"costs of all samples are nearly the same (std / mean {found.spread:.3f}): not to be trusted"
        used = time.perf_counter() - began
        shown = found.sampled.first(SHOWN)  # far apart, as later ones need not be
        return Plan(
            state.stamp, state.observation_stamp, state.model_id, status, sequence, consequence,
            found.samples, found.iterations, deadline, used, found.spread, shown, message,
        )  # fmt: skip

    def _imagine(self, state: WorldState, batch: np.ndarray) -> Consequences:
        imagined = self.simulator.simulate(state, batch, self.parameters.dt)
        if not all(np.isfinite(part).all() for part in (imagined.poses, imagined.contact, imagined.drop)):
            raise LatentworldError("consequences: expected finite numbers, got NaN or infinity")
        return imagined

    def _back_off(self, state: WorldState, deadline: float, began: float) -> Plan | None:
        """Back along the way it came, if that is safe; None where it is not."""
        p = self.parameters
        back = self.retreat.plan(state)
        if not back.any():
            return None
        back = np.pad(back, ((0, 0), (0, len(self.axes) - back.shape[1])))
        imagined = self._imagine(state, np.stack([np.zeros_like(back), back]))
        status, _ = self._validate(imagined.only(1), imagined.only(0))
        if status != PlanStatus.OK:
            return None
        self.last = None
        return Plan(
            state.stamp, state.observation_stamp, state.model_id, status, ActionSequence(p.dt, back, self.axes),
            imagined.only(1),
            2, 1, deadline, time.perf_counter() - began, message="got nowhere: backs off along the way it came",
        )  # fmt: skip

    def _validate(self, chosen: Consequences, standing: Consequences) -> tuple[PlanStatus, str]:
        """The last look before anything moves: it must be safe whatever it would be worth, or safer than standing
        still.
        """
        p = self.parameters
        soon = max(1, round(p.reaction_time / p.dt))
        for name, limit in (("drop", p.drop_limit), ("contact", p.contact_limit)):
            risk, rest = (float(getattr(c, name)[0, :soon].max()) for c in (chosen, standing))
            if risk > max(limit, rest):
                return (
                    PlanStatus.UNSAFE,
                    f"{name} within {p.reaction_time} s has probability {risk:.2f}, allowed {limit}",
                )
        return PlanStatus.OK, ""

    def _stand(self, state: WorldState, status: PlanStatus, message: str, deadline: float, began: float) -> Plan:
        p = self.parameters
        still = ActionSequence(p.dt, np.zeros((p.horizon, len(self.axes)), np.float32), self.axes)
        used = time.perf_counter() - began
        return Plan(
            state.stamp, state.observation_stamp, state.model_id, status, still, None,
            deadline=deadline, used=used, message=message,
        )  # fmt: skip


def _judged(imagined: Consequences, costs: dict[str, np.ndarray], total: np.ndarray) -> Consequences:
    return Consequences(
        imagined.dt, imagined.poses, imagined.contact, imagined.drop, imagined.clearance, imagined.uncertainty,
        imagined.doubt,
        imagined.latents, costs, total,
    )  # fmt: skip
