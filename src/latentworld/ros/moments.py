"""Latent, belief and picture of one exposure, found by their stamps, in whatever order they come."""

from __future__ import annotations

from typing import Any, NamedTuple

from latentworld.types import Latent, WorldState

MOST = 8  # of each that wait for the others


class Moment(NamedTuple):
    """All of one exposure; ``picture``: whatever was given as such, ``None`` where it did not come."""

    state: WorldState
    latent: Latent
    picture: Any = None


class Moments:
    """Answers each moment once: when it is complete, or, without its picture, when the next one's belief has come.

    Beliefs that were carried on past their exposure are of no moment.
    """

    def __init__(self) -> None:
        self._states: dict[int, WorldState] = {}
        self._latents: dict[int, Latent] = {}
        self._pictures: dict[int, Any] = {}

    def state(self, state: WorldState) -> list[Moment]:
        return self._add(self._states, state.stamp, state) if state.stamp == state.observation_stamp else []

    def latent(self, latent: Latent) -> list[Moment]:
        return self._add(self._latents, latent.stamp, latent)

    def picture(self, stamp: int, picture: Any) -> list[Moment]:
        return self._add(self._pictures, stamp, picture)

    def _add(self, waiting: dict[int, Any], stamp: int, one: Any) -> list[Moment]:
        waiting[stamp] = one
        if len(waiting) > MOST:
            del waiting[next(iter(waiting))]
        known = [stamp for stamp in self._states if stamp in self._latents]
        ready = [stamp for stamp in known if stamp in self._pictures or stamp != known[-1]]
        return [Moment(self._states.pop(s), self._latents.pop(s), self._pictures.pop(s, None)) for s in ready]
