"""Things keep their shape while they are out of sight."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..looks import Style
from .constancy import changed
from .pair import Pair, some_prop, until_fit


@until_fit
def shape_change(rng: np.random.Generator, style: Style) -> Pair:
    """Goes in as a cube, comes out as a pyramid."""
    one, other = rng.permutation(len(style.shapes))[:2]
    prop = some_prop(rng, style, shape=style.shapes[one], grip=False)
    return changed(rng, style, [prop], lambda prop: replace(prop, shape=style.shapes[other]))


SHAPE_CONSTANCY = {"shape_change": shape_change}
