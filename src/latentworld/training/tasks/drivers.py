"""Who acts while episodes are collected: policies as stable-worldmodel's ``World`` asks them."""

from __future__ import annotations

from typing import Any

import numpy as np

HELD = 0.5  # share of episodes in which actions are kept up
NOISE = (0.3, 2.0)  # of their expert, standard deviation of what is added to actions of length 1
SCRIPT_NOISE, SCRIPT_REPEAT = 2.0, 0.05  # of scripts/data/collect_tworooms.py in stable-worldmodel
NEAR = 100  # pixels of 512 around the block, in scripts/data/collect_weak_pusht.py


class Wanderer:
    """Smooth random walks: an action is kept up for a while, then turns into another one."""

    def __init__(self, rng: np.random.Generator):
        self.rng, self.env = rng, None

    def set_env(self, env: Any) -> None:
        self.env = env
        self.aim = self.now = self._aim()

    def get_action(self, info: dict, **_: Any) -> np.ndarray:
        """(N, A)."""
        if self.rng.random() < 0.12:
            self.aim = self._aim()
        self.now = self.now + 0.5 * (self.aim - self.now)
        noise = 0.1 * self.rng.standard_normal(self.now.shape)
        return np.clip(self.now + noise, -1, 1).astype(np.float32)

    def _aim(self) -> np.ndarray:
        return self.rng.uniform(-1, 1, self.env.action_space.shape) * self.rng.choice([0.5, 1.0, 1.5])


class Pusher:
    """Goes to places around the block of PushT, one after another and at another pace each: through the block as often
    as past it. A walk that knows nothing of the block would leave it, and the picture, in a second.
    """

    def __init__(self, rng: np.random.Generator):
        self.rng, self.env = rng, None

    def set_env(self, env: Any) -> None:
        self.env = env
        self.left = 0

    def get_action(self, info: dict, **_: Any) -> np.ndarray:
        """(1, 2)."""
        game = self.env.envs[0].unwrapped
        if self.left == 0:
            self.left, self.pace = int(self.rng.integers(2, 9)), self.rng.uniform(0.1, 0.6)
            self.aim = np.clip(np.array(game.block.position) + self.rng.uniform(-1, 1, 2) * NEAR, 20, 490)
        self.left -= 1
        way = (self.aim - np.array(game.agent.position)) / game.action_scale
        action = way * min(1, self.pace / max(np.abs(way).max(), 1e-6)) + 0.05 * self.rng.standard_normal(2)
        return np.clip(action, -1, 1).astype(np.float32)[None]


def driver(environment: str, seed: int) -> Any:
    """To learn from: one half the peers' own policies, whose actions are noise about a way; the other half hold an
    action for a while, as plans do.
    """
    rng = np.random.default_rng([seed, 1])
    if rng.random() < HELD:
        return Wanderer(rng) if environment == "two_room" else Pusher(rng)
    return peers_driver(environment, seed, float(rng.uniform(*NOISE)))


def peers_driver(environment: str, seed: int, noise: float = SCRIPT_NOISE) -> Any:
    """As their own scripts collect."""
    if environment == "two_room":
        from stable_worldmodel.envs.two_room import ExpertPolicy

        return ExpertPolicy(action_noise=noise, action_repeat_prob=SCRIPT_REPEAT, seed=seed)
    from stable_worldmodel.envs.pusht.expert_policy import WeakPolicy

    return WeakPolicy(dist_constraint=NEAR, seed=seed)
