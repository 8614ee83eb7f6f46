"""How fast the loop was, from what was recorded of it.

Two clocks: rates are per simulated second (the robot's clock); latencies are of this machine's clock, between the times
at which the processes themselves sent their messages (DDS source timestamps): the recorder's own delay is not in them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from latentworld.demo.recording import Recorded
from latentworld.types import NANOSECONDS, PlanStatus, seconds


def camera_to_command(drive: Recorded, period: float = 0.05) -> list[float]:
    """Seconds from each exposure to the first velocity command that the gate sent knowing a plan made from it.

    Exposure: when the simulator told the time of that moment, before it even drew the picture. Command: the gate ticks
    at once when a plan comes, and again ``period`` seconds after that. So the first command after a plan was sent is
    its own, unless another follows sooner than a period: then the first was a tick that the plan had not yet reached.
    """
    sent = np.array([at for at, _ in drive.commands], np.int64)
    plans = [(at, plan) for at, plan in drive.plans if plan.samples and plan.status is PlanStatus.OK]
    latencies, obeyed = [], set()
    for i, (at, plan) in enumerate(plans):
        until = plans[i + 1][0] if i + 1 < len(plans) else at + NANOSECONDS
        exposed = drive.exposed.get(plan.observation_stamp)
        mine = sent[(sent >= at) & (sent < until)]
        if exposed is None or len(mine) == 0 or plan.observation_stamp in obeyed:
            continue
        obeyed.add(plan.observation_stamp)
        early_tick = len(mine) > 1 and seconds(mine[1] - mine[0]) < 0.8 * period
        latencies.append(seconds(int(mine[1 if early_tick else 0]) - exposed))
    return latencies


def real_time_factor(drive: Recorded) -> float:
    """Simulated seconds a second of this machine's clock."""
    stamps = sorted(stamp for stamp in drive.exposed if drive.drive.began <= stamp <= drive.drive.ended)
    if len(stamps) < 2:
        return float("nan")
    return (stamps[-1] - stamps[0]) / (drive.exposed[stamps[-1]] - drive.exposed[stamps[0]])


def figures(drives: Iterable[Recorded]) -> dict[str, float]:
    """Of all drives together; times in ms, rates per simulated second, shares 0-1."""
    drives = list(drives)
    plans = [plan for drive in drives for _, plan in drive.plans if plan.samples]
    used = np.array([plan.used for plan in plans])
    deadline = max((plan.deadline for plan in plans), default=float("nan"))
    latencies = [latency for drive in drives for latency in camera_to_command(drive)]
    duration = sum(drive.duration for drive in drives)
    commands = sum(
        drive.drive.began <= action.stamp <= drive.drive.ended for drive in drives for _, action in drive.commands
    )
    return {
        "plan_ms_p50": _percentile(used, 50),
        "plan_ms_p99": _percentile(used, 99),
        "deadline_ms": 1e3 * deadline,
        "plans_in_time": float(np.mean(used <= deadline)) if plans else float("nan"),
        "control_hz": len(plans) / duration if duration else float("nan"),
        "command_hz": commands / duration if duration else float("nan"),
        "camera_to_command_ms_p50": _percentile(latencies, 50),
        "camera_to_command_ms_p99": _percentile(latencies, 99),
        "real_time_factor": float(np.mean([real_time_factor(drive) for drive in drives])) if drives else float("nan"),
    }


def _percentile(values: Iterable[float], q: float) -> float:
    """In ms, of seconds; NaN of nothing."""
    values = np.asarray(values, float)
    return 1e3 * float(np.percentile(values, q)) if len(values) else float("nan")
