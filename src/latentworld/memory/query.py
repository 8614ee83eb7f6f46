"""What can be asked of the memory, and what it answers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from latentworld.memory.keyframes import Keyframe
from latentworld.types import Latent, LatentworldError

MOST = 1000  # keyframes in one answer


@dataclass(frozen=True, slots=True)
class MemoryQuery:
    """Any combination of keys; what is left at its default is not asked for.

    latent: rank by distance to it. place: (x, y) or a pose, metres, in the laying ``frame`` (default: the one in force;
    in a memory opened for reading, the newest); only what lies within ``radius`` metres of it. after, before: only
    stamps (ns) in this span, both ends included. surprise: only what was so unlikely when it was seen, or more: a
    p-value. object: only what shows this thing, best and last at each place. text: rank by how well these words
    describe the picture, in place of a latent; takes a memory with a text encoder, and nothing is "never seen" by it.

    Ranked by distance from latent or text where one is given, else by place distance, else by nearness in time: to
    ``after`` or ``before`` where one of them is given, to the middle of the span where both are, to now where none is.
    """

    latent: Latent | None = None
    place: tuple[float, ...] | np.ndarray | None = None
    radius: float = math.inf
    frame: int | None = None
    after: int | None = None
    before: int | None = None
    surprise: float | None = None
    object: int | None = None
    text: str | None = None
    limit: int = 5
    thumbnails: bool = False

    def __post_init__(self):
        if self.place is not None and not (len(self.place) in (2, 3) and np.isfinite(self.place[:2]).all()):
            raise LatentworldError(f"memory query place: expected finite x, y in metres, got {self.place}")
        if not self.radius > 0:
            raise LatentworldError(f"memory query radius: expected more than 0 m, got {self.radius}")
        if self.surprise is not None and not 0 <= self.surprise <= 1:
            raise LatentworldError(f"memory query surprise: expected a p-value from 0 to 1, got {self.surprise}")
        if self.text is not None and (self.latent is not None or not self.text.strip()):
            got = "both" if self.latent is not None else "no words"
            raise LatentworldError(f"memory query text: expected words, or a latent, got {got}")
        if not 1 <= self.limit <= MOST:
            raise LatentworldError(f"memory query limit: expected 1 to {MOST}, got {self.limit}")
        if None not in (self.after, self.before) and self.after > self.before:
            raise LatentworldError(f"memory query time: expected after <= before, got {self.after} > {self.before}")

    @property
    def most_likely(self) -> float:
        """The surprise that is asked for as surprises are kept, in single precision; infinite where none is."""
        return math.inf if self.surprise is None else float(np.float32(self.surprise))

    @property
    def narrowed(self) -> bool:
        """Whether a place, a time or a surprise is asked for."""
        return any(key is not None for key in (self.place, self.after, self.before, self.surprise))


@dataclass(frozen=True, slots=True)
class MemoryAnswer:
    """keyframes: best first. never_seen: nothing stored, within the other keys, is near enough to count as the same.

    threshold: the latent distance that decided it; infinite without a latent in the query, or while the memory holds
    too little to tell. Without a latent, never_seen says that nothing matched.
    """

    keyframes: tuple[Keyframe, ...]
    never_seen: bool
    threshold: float = math.inf
