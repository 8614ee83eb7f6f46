"""Is the way safe that a person with the cameras on the head is on? Nobody commands it: it goes on as it did."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace

import numpy as np
import torch

from latentworld.consequence.simulator import ConsequenceSimulator
from latentworld.types import WayWarning, WorldState, seconds, stamp_of, turn

AHEAD, STEP = 3.0, 0.1  # s that are looked ahead, and a step of it
MEMORY, LEAST = 0.5, 0.2  # s over which the speed is taken, at most and at least
STANDS, RUNS = 0.15, 4.0  # m/s below which a person stands, above which odometry has jumped
SOON = 1.5  # s ahead of which it warns: enough to hear it and to stop, and little enough to walk about in a room
HOLD = 0.5  # s that a warning stays after the last state that asked for it
IN_A_ROW = 2  # states that must ask for a warning before it begins
LIKELY = 0.5  # probability from which on something is more likely than not
VIOLATION = 2e-4  # p-value, as that of ``tracking/surprise.py``


class WayAhead:
    """Tells, state by state, what comes if the wearer goes on as now: straight in the world, at the speed of the last
    half second. A head turns without the body, so where it looks says nothing about where it goes.
    """

    def __init__(self, simulator: ConsequenceSimulator, threshold: float = VIOLATION, soon: float = SOON):
        """simulator: of the robot that is worn. threshold: p-value below which a surprise is a violation. soon: seconds
        ahead of a contact or a drop from which on it warns.
        """
        self._simulator, self._threshold, self._soon = simulator, threshold, soon
        config = simulator.model.config
        self._known = config.map_cells * config.cell / 2  # metres that the belief reaches
        self.reset()

    def reset(self) -> None:
        """Know nothing about the way so far."""
        self._past: deque[tuple[int, float, float]] = deque()  # stamp, x, y
        self._asked = 0  # states in a row that asked for a warning
        self._until, self._reason = 0, ""

    def assess(self, state: WorldState) -> WayWarning:
        """States come in order; one older than the last begins anew.

        Raises LatentworldError for a state that the simulator refuses.
        """
        velocity = self._velocity(state)
        contact, drop, ahead, what = 0.0, 0.0, math.nan, ""
        if velocity is not None and np.hypot(*velocity) >= STANDS:
            contact, drop, ahead, what = self._look(state, velocity)
        violation = state.p_value < self._threshold
        asks = f"{what} in {ahead:.1f} s" if ahead <= self._soon else ""
        reason = self._settle(state.stamp, asks or ("this is not what was expected" if violation else ""), violation)
        return WayWarning(state.stamp, contact, drop, ahead, state.p_value, violation, bool(reason), reason)

    def _velocity(self, state: WorldState) -> np.ndarray | None:
        """(2,) m/s in odom: the slope of the line through the last poses. None: not known yet."""
        past, (x, y) = self._past, state.pose[:2]
        if past:
            stamp, old_x, old_y = past[-1]
            gap = seconds(state.stamp - stamp)
            if not 0 <= gap <= MEMORY or math.hypot(x - old_x, y - old_y) > RUNS * gap + STANDS:
                past.clear()
        if not past or state.stamp > past[-1][0]:
            past.append((state.stamp, float(x), float(y)))
        while seconds(state.stamp - past[0][0]) > MEMORY + 1e-3:
            past.popleft()
        if seconds(state.stamp - past[0][0]) < LEAST - 1e-3:
            return None
        times = np.array([seconds(stamp - state.stamp) for stamp, *_ in past])
        times -= times.mean()
        return times @ np.array([place for _, *place in past]) / (times @ times)

    def _look(self, state: WorldState, velocity: np.ndarray) -> tuple[float, float, float, str]:
        """Probabilities of contact and drop, seconds to the first of both (NaN: none), and what it is."""
        speed, heading = float(np.hypot(*velocity)), float(np.arctan2(velocity[1], velocity[0]))
        steps = round(AHEAD / STEP)
        way = np.zeros((1, steps, self._simulator.axes), np.float32)
        way[..., 0] = speed
        said = self._simulator.simulate(self._facing(state, heading, speed), way, STEP)
        # Errors about neighbouring points are alike: the worst step tells, not how many there are. Beyond the map of
        # the belief nothing is known.
        known = (np.arange(steps) + 1) * STEP * speed < self._known
        contact, drop = said.contact[0] * known, said.drop[0] * known
        worst = np.maximum(contact, drop)
        if worst.max() <= LIKELY:
            return float(contact.max()), float(drop.max()), math.nan, ""
        first = int(np.argmax(worst > LIKELY))
        before = float(worst[first - 1]) if first else 0.0
        share = (LIKELY - before) / (float(worst[first]) - before)
        what = "something in the way" if contact[first] >= drop[first] else "a step down"
        return float(contact.max()), float(drop.max()), (first + share) * STEP, what

    def _facing(self, state: WorldState, heading: float, speed: float) -> WorldState:
        """The same belief in a body that faces where it goes: its axes move it forward only."""
        with torch.inference_mode():
            belief = self._simulator.model.unflatten(torch.from_numpy(state.belief).unsqueeze(0))
            place = belief.place.clone()
            place[0, 2] += float(turn(heading - state.pose[2]))
            flat = belief._replace(place=place).flatten()[0].numpy()
        velocity = np.array([speed, 0.0, 0.0], np.float32)
        return replace(state, pose=np.append(state.pose[:2], heading), velocity=velocity, command=velocity, belief=flat)

    def _settle(self, stamp: int, reason: str, certain: bool) -> str:
        """Why it warns now, empty: it does not. A risk must be there in ``IN_A_ROW`` states before it counts; a
        violation is rare enough to count at once.
        """
        if stamp < self._until - stamp_of(HOLD):  # the clock went back
            self._until, self._reason = 0, ""
        self._asked = self._asked + 1 if reason else 0
        if reason and (certain or self._reason or self._asked >= IN_A_ROW):
            self._until, self._reason = stamp + stamp_of(HOLD), reason
        elif stamp >= self._until:
            self._reason = ""
        return self._reason
