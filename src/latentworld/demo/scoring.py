"""How a recorded drive counts, and whether the world model won."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from latentworld.demo import latency
from latentworld.demo.recording import Recorded
from latentworld.evaluation.episodes import ARRIVAL, EpisodeResult
from latentworld.evaluation.navigation import summarise
from latentworld.types import GoalKind

CONTROL_HZ = 5.0  # the least that counts as control
ROBOT = ("command_gate", "demo", "simulator")  # processes that do not think


def result(drive: Recorded) -> EpisodeResult:
    """By the true pose at the end, and every touch until the robot stood still."""
    truth = drive.truth_at(drive.drive.ended)
    distance = float(np.hypot(*(truth.pose[:2] - drive.goal[:2])))
    contact = any(t.contact for stamp, t in drive.truths if stamp > drive.drive.began)
    dropped = any(t.dropped for _, t in drive.truths)
    success = drive.drive.code == 0 and distance <= ARRIVAL and not dropped
    plan_ms = tuple(1e3 * plan.used for _, plan in drive.plans if plan.samples)
    clean = success and not contact
    return EpisodeResult(
        drive.drive.seed, drive.drive.blocked, success, clean, contact, dropped, drive.duration, distance, plan_ms
    )


def figures(drives: Iterable[Recorded], cores: Mapping[str, float]) -> dict[str, float]:
    """Of one run. cpu_*: cores that each process kept busy; cpu_thinking: all but gate, simulator and demo."""
    drives = list(drives)
    found: dict[str, float] = {}
    for kind, prefix in ((GoalKind.POSE, "pose_"), (GoalKind.IMAGE, "image_")):
        results = [result(d) for d in drives if d.drive.kind == kind]
        if results:
            found |= summarise(results, prefix)
    found |= latency.figures(drives)
    found |= {f"cpu_{name}": busy for name, busy in cores.items()}
    found["cpu_thinking"] = sum(busy for name, busy in cores.items() if name not in ROBOT)
    return finite(found)


def finite(figures: Mapping[str, float]) -> dict[str, float]:
    """Without those that could not be measured."""
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def shortfalls(figures: Mapping[str, float], prefix: str = "") -> list[str]:
    """Why the world model did not win, a line each; empty: it did. prefix: of the figures of the run that is judged."""

    def of(name: str, otherwise: float = math.nan) -> float:
        return figures.get(prefix + name, otherwise)

    why = []
    if "pose_success" in figures:
        for rival in ("blind", "reactive"):
            theirs = figures[f"{rival}_clean"]
            ours = of("pose_clean")
            if not ours > theirs:
                why.append(f"clean success: expected more than the {rival} controller's {theirs:.0%}, got {ours:.0%}")
    if not of("control_hz") >= CONTROL_HZ:
        why.append(f"control: expected at least {CONTROL_HZ:.0f} plans a second, got {of('control_hz'):.1f}")
    if not of("plan_ms_p99") <= of("deadline_ms"):
        why.append(f"plan time: expected p99 within {of('deadline_ms'):.0f} ms, got {of('plan_ms_p99'):.1f} ms")
    drops = max(of("pose_drop", 0.0), of("image_drop", 0.0))
    if drops > 0:
        why.append(f"ledges: expected no drive off one, got {drops:.0%} of the drives")
    return why
