"""Things keep their colour while they are out of sight."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..looks import Style, other_colour
from .constancy import changed
from .pair import Pair, some_prop, until_fit


@until_fit
def colour_change(rng: np.random.Generator, style: Style) -> Pair:
    """Goes in red, comes out blue."""
    prop = some_prop(rng, style)
    return changed(rng, style, [prop], lambda one: replace(one, colour=other_colour(rng, style, one.colour)))


COLOUR_CONSTANCY = {"colour_change": colour_change}
