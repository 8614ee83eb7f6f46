"""How a memory forgets: the retentions of MIRAS (Behrouz et al. 2025, arXiv 2504.13173).

Each update adds to what was accumulated; a retention says what is lost of that, and which weights it stands for.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

TINY = 1e-12


class Fade(Protocol):
    def __call__(self, accumulated: Tensor, share: float) -> Tensor: ...


class Link(Protocol):
    def __call__(self, accumulated: Tensor) -> Tensor: ...


class Retention(NamedTuple):
    fade: Fade
    link: Link


def evenly(accumulated: Tensor, share: float) -> Tensor:
    """Weight decay, the forgetting gate of Titans: everything fades by the same share."""
    return accumulated * (1 - share)


def largest_first(accumulated: Tensor, share: float) -> Tensor:
    """The slope of an l_4 norm: what weighs more than is usual fades faster, small weights stay."""
    usual = accumulated.square().mean() + TINY
    return accumulated * (1 - share * accumulated.square() / usual).clamp(min=0)


def as_they_are(accumulated: Tensor) -> Tensor:
    return accumulated


def shared_out(accumulated: Tensor) -> Tensor:
    """Weights that compete: a softmax over what speaks for and against, of every output (out, in).

    A fading exponent is the retention by relative entropy; two signs as in EG+- (Kivinen and Warmuth 1997). As long as
    little is known, weights grow as those of the other retentions.
    """
    keys = accumulated.shape[1]
    speaks_for, against = torch.softmax(torch.cat([accumulated, -accumulated], 1), 1).split(keys, 1)
    return keys * (speaks_for - against)


RETENTIONS = {
    "decay": Retention(evenly, as_they_are),
    "lq": Retention(largest_first, as_they_are),
    "kl": Retention(evenly, shared_out),
}
