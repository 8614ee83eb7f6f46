"""Clips that show no property in particular: a few props, thrown, rolled or let go among blocks and screens."""

from __future__ import annotations

import numpy as np

from ..looks import Looks, Style
from ..stage import GROUND, Stage, Start
from .pair import block, rolling, screen, some_prop


def play(rng: np.random.Generator, style: Style) -> tuple[Stage, np.ndarray]:
    """A stage and a motion (T, P, 3) on it."""
    props = [some_prop(rng, style) for _ in range(rng.integers(1, 4))]
    blocks = []
    if rng.random() < 0.5:
        blocks.append(
            screen(
                rng,
                rng.uniform(-0.9, 0.9),
                rng.uniform(0.3, 0.55),
                rng.choice([-0.15, 0.0, 0.4]),
                rng.uniform(0.7, 1.2),
            )
        )
    if rng.random() < 0.3:
        blocks.append(block(rng, rng.uniform(-1.0, 1.0), 0.05, 0.0, rng.uniform(0.5, 1.2)))
    if rng.random() < 0.3:
        top = rng.uniform(0.6, 1.1)
        blocks.append(block(rng, rng.uniform(-1.2, 1.2), rng.uniform(0.4, 0.9), top - 0.1, top))
    if rng.random() < 0.15:
        end = rng.uniform(-0.8, 0.8)
        table = (-6.0, end) if rng.random() < 0.5 else (end, 6.0)
    else:
        table = (-6.0, 6.0)
    stage = Stage(Looks.draw(rng, style), tuple(props), tuple(blocks), table)
    starts: dict[int, Start] = {}
    for i, prop in enumerate(props):
        x = rng.uniform(-1.3, 1.3)
        kind = rng.random()
        if kind < 0.35:  # rolled along the table
            starts[i] = rolling(prop, x, -np.sign(x) * rng.uniform(0.3, 2.2))
        elif kind < 0.5:  # at rest
            starts[i] = rolling(prop, x, 0.0)
        elif kind < 0.65:  # along the ground
            starts[i] = rolling(prop, x, rng.uniform(-1.5, 1.5), GROUND)
        else:  # thrown, or let go
            starts[i] = Start(x, rng.uniform(1.0, 2.3), -np.sign(x) * rng.uniform(0, 1.5), rng.uniform(-1.5, 2.5))
    return stage, stage.simulate(starts)
