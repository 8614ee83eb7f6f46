"""Critics: each says what is bad about K imagined futures, in its own file, behind one protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from latentworld.selection.parameters import SelectionParameters
from latentworld.selection.way import WayToGoal
from latentworld.types import Consequences, WorldState


class Scene(NamedTuple):
    """All that a critic may look at. candidates: (K, H, 2). goal: (3,) x, y, yaw in odom, yaw NaN where any will do.

    way: how far it is from anywhere to the goal, round what is in between. latent: (D,) of a goal image, and look:
    poses (K, 3) in odom -> latents (K, D) that would be seen there; None where the goal is a pose. urgency: what it is
    worth to arrive, 1 at first, more the longer it has stood about the goal without arriving. turning_radius: metres of
    the least circle that the base can drive; 0: it turns on the spot.
    """

    state: WorldState
    candidates: np.ndarray
    consequences: Consequences
    goal: np.ndarray
    way: WayToGoal
    parameters: SelectionParameters
    latent: np.ndarray | None = None
    look: Callable[[np.ndarray], np.ndarray] | None = None
    urgency: float = 1.0
    turning_radius: float = 0.0


Critic = Callable[[Scene], np.ndarray]
"""(Scene) -> raw cost (K,), ≥ 0. Weight and power are applied by the sum."""


def critics() -> dict[str, Critic]:
    from latentworld.selection.critics.clearance import clearance
    from latentworld.selection.critics.contact import contact
    from latentworld.selection.critics.drop import drop
    from latentworld.selection.critics.goal import goal
    from latentworld.selection.critics.goal_image import goal_image
    from latentworld.selection.critics.heading import heading
    from latentworld.selection.critics.smoothness import smoothness
    from latentworld.selection.critics.speed import speed
    from latentworld.selection.critics.surprise import surprise
    from latentworld.selection.critics.uncertainty import uncertainty

    every = (goal, goal_image, heading, contact, drop, clearance, uncertainty, speed, surprise, smoothness)
    return {critic.__name__: critic for critic in every}


def weigh(scene: Scene, judges: dict[str, Critic]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Each critic's weight * raw ** power (K,), and their sum."""
    costs = {}
    for name, critic in judges.items():
        weight = getattr(scene.parameters, f"{name}_weight")
        if weight > 0:
            costs[name] = weight * critic(scene) ** getattr(scene.parameters, f"{name}_power")
    return costs, np.sum(list(costs.values()), axis=0)
