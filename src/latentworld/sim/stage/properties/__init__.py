"""The properties of physics that a clip can break, one to a file.

A property is a dictionary of kinds: functions ``(rng, style) -> Pair``, of one possible and one impossible clip that
are the same up to the event. The impossible one is put together from frames of possible ones, so no single frame tells.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..looks import Style
from .collision import COLLISION
from .colour_constancy import COLOUR_CONSTANCY
from .continuity import CONTINUITY
from .gravity import GRAVITY
from .inertia import INERTIA
from .pair import Pair
from .permanence import PERMANENCE
from .shape_constancy import SHAPE_CONSTANCY
from .solidity import SOLIDITY
from .support import SUPPORT

PROPERTIES: dict[str, dict[str, Callable[[np.random.Generator, Style], Pair]]] = {
    "permanence": PERMANENCE,
    "continuity": CONTINUITY,
    "shape_constancy": SHAPE_CONSTANCY,
    "colour_constancy": COLOUR_CONSTANCY,
    "gravity": GRAVITY,
    "solidity": SOLIDITY,
    "support": SUPPORT,
    "inertia": INERTIA,
    "collision": COLLISION,
}

__all__ = ["PROPERTIES", "Pair"]
