"""What comes out from behind a screen is what went in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..looks import Style
from ..stage import Prop
from .pair import Pair, require, splice
from .passing import hidden_middle, passing


def changed(rng: np.random.Generator, style: Style, props: list[Prop], other: Callable[[Prop], Prop]) -> Pair:
    """Goes in as prop 0, comes out as prop 1, which moves in the same way."""
    props = [props[0], other(props[0])]
    stage, others, start = passing(rng, style, props)
    there = stage.simulate({0: start} | others)
    at = hidden_middle(stage, there)
    twin = there.copy()
    twin[:, 1], twin[:, 0] = there[:, 0], np.nan
    twin[:, 1, 1] += props[1].foot - props[0].foot
    require(stage.hidden(twin, 1)[at])
    return Pair(stage, there, splice(there, twin, at))
