"""What counts as an error: the attentional biases of MIRAS (Behrouz et al. 2025, arXiv 2504.13173), by their slopes."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

DELTA = 1.0  # error, in units of the latents' usual spread, beyond which Huber's slope no longer grows
POWER = 3  # of the l_p bias

BIASES: dict[str, Callable[[Tensor], Tensor]] = {
    "l2": lambda error: error,
    "huber": lambda error: error.clamp(-DELTA, DELTA),
    "lp": lambda error: error.sign() * error.abs() ** (POWER - 1),
}
"""Errors (N, D) -> slopes (N, D) of the loss."""
