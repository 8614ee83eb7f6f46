"""Plans a driver would try first: they are in the first batch, so that the search never starts blind."""

from __future__ import annotations

import numpy as np

from latentworld.robot import BaseKind
from latentworld.selection.parameters import SelectionParameters


def seed_plans(p: SelectionParameters, kind: BaseKind = BaseKind.DIFFERENTIAL) -> np.ndarray:
    """(S, H, A): stand, back off, turn on the spot, arcs, and turn-then-go, both ways; sideways and in three-point
    turns where the kind of base asks for it.
    """
    plans = _forward_plans(p)
    if kind == BaseKind.ACKERMANN:
        return np.concatenate([plans, _three_point_turns(p)])
    if kind == BaseKind.OMNIDIRECTIONAL:
        still = np.zeros_like(plans[..., :1])
        return np.concatenate([np.concatenate([plans, still], -1), _sideways(p)])
    return plans


def _three_point_turns(p: SelectionParameters) -> np.ndarray:
    """Back with the wheels turned one way, then ahead with them turned the other."""
    plans = []
    for side in (-1, 1):
        for share in (0.3, 0.5, 0.7):
            plan = _constant(p.horizon, p.max_linear * 0.6, side * p.max_angular)
            plan[: round(share * p.horizon)] = -p.max_reverse, side * p.max_angular
            plans.append(plan)
    return np.stack(plans)


def _sideways(p: SelectionParameters) -> np.ndarray:
    """To either side, and aslant."""
    plans = []
    for side in (-1, 1):
        for ahead in (-1, 0, 0.5, 1):
            linear = ahead * (p.max_linear if ahead > 0 else p.max_reverse)
            plans.append(np.full((p.horizon, 3), [linear, 0, side * p.max_lateral], np.float32))
    return np.stack(plans)


def _forward_plans(p: SelectionParameters) -> np.ndarray:
    h = p.horizon
    plans = [_constant(h, 0, 0), _constant(h, -p.max_reverse, 0), _constant(h, p.max_linear, 0)]
    for side in (-1, 1):
        w = side * p.max_angular
        plans += [_constant(h, 0, w), _constant(h, 0, w / 2), _constant(h, -p.max_reverse, w / 2)]
        plans += [_constant(h, p.max_linear * v, w * c) for v in (0.5, 1.0) for c in (0.15, 0.3, 0.5, 0.8)]
        for turn in (2, 4, 6):
            plan = _constant(h, p.max_linear, 0)
            plan[:turn] = 0.1 * p.max_linear, w * 0.8
            plans.append(plan)
            # Round something: swerve out, then back.
            plan = _constant(h, p.max_linear, -0.3 * w)
            plan[:turn] = 0.6 * p.max_linear, 0.6 * w
            plans.append(plan)
    return np.stack(plans)


def _constant(h: int, linear: float, angular: float) -> np.ndarray:
    return np.full((h, 2), [linear, angular], np.float32)


def shifted(values: np.ndarray, dt: float, elapsed: float) -> np.ndarray:
    """A plan (H, A) made ``elapsed`` seconds ago, as seen now; its end is drawn out."""
    steps = np.arange(len(values)) + max(0.0, elapsed) / dt
    low = np.minimum(steps.astype(int), len(values) - 1)
    high = np.minimum(low + 1, len(values) - 1)
    share = (steps - np.floor(steps))[:, None].astype(np.float32)
    return values[low] * (1 - share) + values[high] * share
