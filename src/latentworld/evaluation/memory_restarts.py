"""A robot is started again where its memory knows the room, or does not: does what it remembers lie where it is?"""

from __future__ import annotations

import math
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from latentworld.evaluation.memory_rooms import Seen, later
from latentworld.memory import Relocaliser, VisualMemory
from latentworld.memory.relocaliser import fitted
from latentworld.memory.submaps import placed
from latentworld.types import turn

RIGHT = (1.0, math.radians(30))  # metres, radians within which something lies where it is
NEWEST = 12  # looks that say where odometry is now


class Restart(NamedTuple):
    """known: whether it is in the memory. joined: whether something was moved. off: metres and radians (means) that the
    room's keyframes are off from then on, NaN where none of them was moved.
    """

    known: bool
    joined: bool
    off: tuple[float, float]

    @property
    def right(self) -> bool:
        """Whether what was moved lies about where it is."""
        return self.off[0] <= RIGHT[0] and self.off[1] <= RIGHT[1]


def restart(
    memory: Path, model_id: str, begin: int, back: list[Seen], ids: np.ndarray, truth: np.ndarray
) -> Restart:  # fmt: skip
    """In a copy of a memory. begin: ns, of the new start. back: what is seen then. ids, truth: keyframes (N,) of the
    room, and where they were truly taken (N, 3).
    """
    known, way = bool(len(ids)), []
    with tempfile.TemporaryDirectory() as folder:
        copy, join = Path(folder) / memory.name, None
        shutil.copytree(memory.parent, folder, dirs_exist_ok=True)
        with VisualMemory(copy, model_id) as kept:
            relocaliser = Relocaliser(kept)
            for seen in back:
                state, latent, objects = later(seen, begin)
                kept.consider(state, latent, objects=lambda shown=objects: shown)
                way.append((seen.truth, state.pose))
                if (join := relocaliser.observe(state.pose, latent, objects)) is not None:
                    kept.join(join)
                    break
            if join is None:
                return Restart(known, False, (math.nan, math.nan))
            found = [kept.get(id) for id in ids.tolist()]
            moved = np.array([keyframe.frame == kept.laying.frame for keyframe in found], bool)
    if not moved.any():
        return Restart(known, True, (math.nan, math.nan))
    true, odom = (np.array(part) for part in zip(*way[-NEWEST:], strict=True))
    meant = placed(fitted(true, odom, np.ones(len(true))), truth[moved])
    poses = np.array([keyframe.pose for keyframe in found])[moved]
    off = poses - meant
    return Restart(known, True, (float(np.hypot(*off[:, :2].T).mean()), float(np.abs(turn(off[:, 2])).mean())))


def figures_of(restarts: list[Restart]) -> dict[str, float]:
    """restart_joined: share of known rooms that come to lie where they are in odometry as laid anew (1 m, 30 degrees);
    restart_error_m: how far these are off (mean). restart_wrong: share of all starts after which something lies
    elsewhere.
    """
    right = [one for one in restarts if one.right]
    return {
        "restart_joined": len(right) / max(sum(one.known for one in restarts), 1),
        "restart_error_m": float(np.mean([one.off[0] for one in right])) if right else 0.0,
        "restart_wrong": float(np.mean([one.joined and not one.right for one in restarts])),
    }
