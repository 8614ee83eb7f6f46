"""A prop that passes behind a screen: what permanence, constancy and hidden inertia have in common."""

from __future__ import annotations

import numpy as np

from ..looks import Style
from ..stage import Prop, Stage, Start
from .pair import first_true, require, rolling, screen, side, stage_with


def passing(
    rng: np.random.Generator, style: Style, props: list[Prop], blocks: list | None = None
) -> tuple[Stage, dict[int, Start], Start]:
    """A stage with a screen in the middle; starts of what else is there; one that leads prop 0 behind the screen."""
    way, speed = side(rng), rng.uniform(1.6, 2.4)
    half = rng.uniform(0.45, 0.58)
    stage, others = stage_with(
        rng, style, props, [screen(rng, rng.uniform(-0.2, 0.2), half, 0.0, rng.uniform(0.75, 1.1)), *(blocks or ())]
    )
    return stage, others, rolling(props[0], -way * rng.uniform(1.2, 1.5), way * speed)


def hidden_middle(stage: Stage, motion: np.ndarray, prop: int = 0, least: int = 2) -> int:
    """The middle of the frames in which the prop is hidden; before and after it must be seen."""
    hidden, visible = stage.hidden(motion, prop), stage.visible(motion, prop)
    start = first_true(hidden)
    count = int((~hidden[start:]).argmax()) or len(hidden) - start
    require(count >= least and visible[:start].sum() >= 4 and visible[start + count :].sum() >= 4)
    return start + count // 2
