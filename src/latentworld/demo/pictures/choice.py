"""Which drives and which moments are worth a picture."""

from __future__ import annotations

import numpy as np

from latentworld.demo.pictures.futures import worst
from latentworld.demo.pictures.scene import Scene
from latentworld.demo.recording import Recorded
from latentworld.types import GoalKind


def interest(drive: Recorded) -> float:
    """How much there was to avoid: the share of imagined futures that would have ended badly, and the way round."""
    imagined = [worst(p.candidates) for _, p in drive.plans if p.candidates is not None]
    danger = float(np.mean(np.concatenate(imagined) > 0.5)) if imagined else 0.0
    driven = drive.driven()
    length = float(np.hypot(*np.diff(driven, axis=0).T).sum()) if len(driven) > 1 else 0.0
    straight = float(np.hypot(*drive.goal[:2]))
    return danger + max(length / max(straight, 0.1) - 1, 0.0) + 0.5 * drive.drive.blocked


def for_film(drives: list[Recorded], ok: dict[int, bool], count: int = 6) -> list[Recorded]:
    """The most interesting ones, in the order driven; one to a goal image and one that failed, where there are such."""
    ranked = sorted((d for d in drives if len(d.frames) > 10), key=interest, reverse=True)
    chosen: list[Recorded] = []
    wishes = (
        lambda d: d.drive.kind == GoalKind.IMAGE and ok[d.drive.index],
        lambda d: not ok[d.drive.index],
        lambda d: ok[d.drive.index],
        lambda d: True,
    )
    for wish, limit in zip(wishes, (1, 2, count, count), strict=True):
        for drive in ranked:
            if len(chosen) < limit and drive not in chosen and wish(drive):
                chosen.append(drive)
    return sorted(chosen, key=lambda d: d.drive.index)


def for_strip(drives: list[Recorded], ok: dict[int, bool]) -> Recorded:
    """The most interesting success to a pose; any drive where there is none."""

    def order(drive: Recorded) -> tuple[bool, bool, float]:
        return ok[drive.drive.index], drive.drive.kind == GoalKind.POSE, interest(drive)

    return max(drives, key=order)


def moments(scene: Scene, count: int = 4) -> list[int]:
    """Frames spread over the drive, each where most was at stake within its share of the time."""
    frames = len(scene.frames)
    if frames <= count:
        return list(range(frames))
    curves, chosen = scene.curves(), []
    edges = np.linspace(0.04, 0.9, count + 1)
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inner = low + 0.4 * (high - low)  # leave a gap to the next
        span = range(int(low * frames), max(int(inner * frames), int(low * frames) + 1))
        stakes = [np.interp(scene.time(k), curves.risk_at, curves.most) if len(curves.risk_at) else 0.0 for k in span]
        chosen.append(span[int(np.argmax(stakes))])
    return chosen
