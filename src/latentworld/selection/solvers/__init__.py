"""Searches for the cheapest sequence of actions: one to a file, behind one protocol."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from latentworld.selection.parameters import SelectionParameters
from latentworld.selection.solvers.cem import Cem
from latentworld.selection.solvers.gradient import Gradient
from latentworld.selection.solvers.icem import ICem
from latentworld.selection.solvers.mppi import Mppi
from latentworld.selection.solvers.solver import Evaluate, Solution, Solver
from latentworld.types import LatentworldError

__all__ = ["SOLVERS", "Evaluate", "Solution", "Solver", "solver"]

SOLVERS: dict[str, Callable[..., Solver]] = {"cem": Cem, "icem": ICem, "mppi": Mppi, "gradient": Gradient}


def solver(parameters: SelectionParameters, axes: int = 2) -> Solver:
    """The one that ``parameters.solver`` names, within the limits of speed; LatentworldError for another name.

    axes: of an action, linear and angular, and lateral where there are three.
    """
    p = parameters
    if p.solver not in SOLVERS:
        raise LatentworldError(f"parameter solver: expected one of {', '.join(SOLVERS)}, got {p.solver}")
    low = np.array([-p.max_reverse, -p.max_angular, -p.max_lateral], np.float32)
    high = np.array([p.max_linear, p.max_angular, p.max_lateral], np.float32)
    return SOLVERS[p.solver](p, low[:axes], high[:axes])
