"""The fixed test set of violations: which pairs, of which seeds, made once and kept; or pairs that others made.

Frozen before a model was tuned. Clips to learn from have seeds below 5 million, to calibrate on from 5 million, to try
things out on from 7 million.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from latentworld.sim.stage.clips import pair_of_clips
from latentworld.sim.stage.looks import SEEN, STYLES
from latentworld.sim.stage.properties import PROPERTIES
from latentworld.training.episodes import gather
from latentworld.training.scenes.clips import read_clip
from latentworld.types import LatentworldError

FIRST_TEST_SEED = 9_000_000
PAIRS = 204  # a property, shared evenly among its kinds


class Pairs(NamedTuple):
    """Pairs of one kind. possible, impossible: (N, T, 64, 64, 3) uint8."""

    name: str
    kind: str
    possible: np.ndarray
    impossible: np.ndarray


@dataclass(frozen=True, slots=True)
class SuiteSettings:
    style: str = SEEN.name
    pairs: int = PAIRS
    first_clip: int = FIRST_TEST_SEED  # seed of the first pair of every kind
    first_seed: int = 0  # of the numbers below, not of the clips

    def plan(self) -> list[tuple[str, str, int]]:
        """(property, kind, seed) of every pair."""
        return [
            (name, kind, self.first_clip + i)
            for name, kinds in PROPERTIES.items()
            for kind in kinds
            for i in range(math.ceil(self.pairs / len(kinds)))
        ]


def film(settings: SuiteSettings, number: int) -> dict[str, np.ndarray]:
    possible, impossible = pair_of_clips(*settings.plan()[number], STYLES[settings.style])
    return {"possible": possible.pixels, "impossible": impossible.pixels}


def suite(settings: SuiteSettings, data: Path, workers: int = 2) -> Iterator[Pairs]:
    """The pairs, kind by kind; made where they are missing."""
    path = data / f"physics-test-{settings.style}-{settings.pairs}.h5"
    plan = settings.plan()
    gather(path, settings, len(plan), film, "test pairs", workers)
    kinds = list(dict.fromkeys((name, kind) for name, kind, _ in plan))
    with h5py.File(path, "r") as file:
        length = int(file["ep_len"][0])
        for name, kind in kinds:
            rows = [i for i, entry in enumerate(plan) if entry[:2] == (name, kind)]
            part = slice(rows[0] * length, (rows[-1] + 1) * length)
            films = (file[which][part].reshape(len(rows), length, 64, 64, 3) for which in ("possible", "impossible"))
            yield Pairs(name, kind, *films)


def others_suite(folder: Path) -> Iterator[Pairs]:
    """``folder/<property>/<id>.npz`` with ``possible`` and ``impossible``, grouped by property and length."""
    found = sorted(path for path in folder.glob("*/*.npz"))
    if not found:
        raise LatentworldError(f"clips {folder}: expected <property>/<id>.npz with possible and impossible, found none")
    groups: dict[tuple[str, int], list[tuple[np.ndarray, np.ndarray]]] = {}
    for path in found:
        pair = read_clip(path, "possible"), read_clip(path, "impossible")
        if len(pair[0]) != len(pair[1]):
            raise LatentworldError(
                f"clip {path}: expected as many frames in both, got {len(pair[0])} possible, {len(pair[1])} impossible"
            )
        groups.setdefault((path.parent.name, len(pair[0])), []).append(pair)
    for (name, length), pairs in groups.items():
        yield Pairs(name, f"{length} frames", *(np.stack(films) for films in zip(*pairs, strict=True)))
