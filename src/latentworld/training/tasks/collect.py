"""Episodes of stable-worldmodel's environments -> a dataset: columns pixels, action, state."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from latentworld.training.episodes import gather
from latentworld.training.tasks.drivers import driver, peers_driver
from latentworld.training.tasks.recipe import EpisodeSettings
from latentworld.training.tasks.worlds import world


class _Kept:
    """A writer of theirs (``stable_worldmodel.data.Writer``) that keeps what it is given."""

    def __enter__(self) -> _Kept:
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def write_episodes(self, episodes: Iterable[dict]) -> None:
        self.episodes = list(episodes)


_one_world = lru_cache(maxsize=1)(world)


def episode(settings: EpisodeSettings, seed: int) -> dict[str, np.ndarray]:
    """pixels (T, 64, 64, 3) uint8, action (T, A) float32 from each row to the next (the last one's counts for nothing),
    state (T, S) float32. T is ``settings.rows`` at most: it ends where its goal is reached.
    """
    place = _one_world(settings.environment, 1, settings.rows)
    who = peers_driver if settings.script else driver
    place.set_policy(who(settings.environment, seed))
    kept = _Kept()
    place.collect(writer=kept, episodes=1, seed=seed, progress=False)
    columns = kept.episodes[0]
    types = {"pixels": np.uint8, "action": np.float32, "state": np.float32}
    return {name: np.stack(columns[name]).astype(kind) for name, kind in types.items()}


def collect(path: str | Path, settings: EpisodeSettings, workers: int = 2) -> None:
    gather(path, settings, settings.episodes, episode, "episodes", workers)
