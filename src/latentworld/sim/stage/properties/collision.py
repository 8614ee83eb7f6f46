"""What is hit moves, and only when it is touched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..looks import Style
from .pair import Pair, first_true, require, rolling, side, some_prop, stage_with, until_fit


def _hit(rng: np.random.Generator, style: Style):
    """Prop 0 runs into prop 1 at rest."""
    size = rng.uniform(0.2, 0.25)
    props = [
        some_prop(rng, style, size=size, mass=rng.uniform(0.8, 1.5), grip=False),
        some_prop(rng, style, size=size, grip=False),
    ]
    way = side(rng)
    stage, others = stage_with(rng, style, props, [])
    target = rolling(props[1], way * rng.uniform(-0.1, 0.35), 0.0)
    striker = rolling(props[0], -way * rng.uniform(1.0, 1.35), way * rng.uniform(1.4, 2.4))
    return stage, others, striker, target, way


def _touch(motion: np.ndarray) -> int:
    """The first frame in which prop 1 has moved."""
    return first_true(np.abs(motion[:, 1, 0] - motion[0, 1, 0]) > 0.02)


@until_fit
def unmoved(rng: np.random.Generator, style: Style) -> Pair:
    """The striker bounces off, and what it hit stays as it was."""
    stage, others, striker, target, _ = _hit(rng, style)
    there = stage.simulate({0: striker, 1: target} | others)
    at = _touch(there)
    heavy = replace(stage, props=(stage.props[0], replace(stage.props[1], mass=1e6), *stage.props[2:]))
    bounced = heavy.simulate({0: striker, 1: target} | others)
    require(4 <= at <= 15 and stage.clear(there, 0)[at - 3 : at].all() and stage.clear(there, 1)[: at + 2].all())
    return Pair(stage, there, bounced)


@until_fit
def untouched(rng: np.random.Generator, style: Style) -> Pair:
    """It moves off, and the striker slows down, while they are still apart."""
    stage, others, striker, target, way = _hit(rng, style)
    there = stage.simulate({0: striker, 1: target} | others)
    space = rng.uniform(0.35, 0.55)
    apart = stage.simulate({0: striker, 1: replace(target, x=target.x - way * space)} | others)
    apart[:, 1, 0] += way * space
    at = _touch(apart)
    require(
        4 <= at <= 13
        and _touch(there) > at + 1
        and stage.clear(apart, 0)[at - 3 : at].all()
        and stage.clear(apart, 1)[: at + 2].all()
    )
    return Pair(stage, there, apart)


COLLISION = {"unmoved": unmoved, "untouched": untouched}
