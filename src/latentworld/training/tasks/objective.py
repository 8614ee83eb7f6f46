"""The loss of a task model: foretell latents, keep them spread out, learn how many steps lie between two of them.

There is no SIGReg on the change of latents, as for rooms and scenes: these tasks show the same picture but for what
moves, so that there is nothing that never changes for a latent to speak of.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from latentworld.model.losses import sigreg
from latentworld.model.task_model import TaskModel


def predict(model: TaskModel, latents: Tensor, actions: Tensor) -> Tensor:
    """Mean squared error of latents (n, L + 1, D) rolled out from the first; no stop-gradient."""
    return (model.rollout(latents[:, 0], actions) - latents[:, 1:]).square().mean()


def spread(latents: Tensor, generator: torch.Generator) -> Tensor:
    """SIGReg on all latents (n, L + 1, D) of a batch."""
    return sigreg(latents.flatten(0, 1), generator)


def hindsight(distance: Tensor, apart: Tensor, expectile: float) -> Tensor:
    """Expectile regression (Newey and Powell 1987; for values, IQL, arXiv 2110.06169) of a distance to the steps that
    really passed, both (m,), in the logarithm, so that near and far count alike.

    Who acted took detours: a low expectile believes the quick ones.
    """
    off = torch.log1p(distance) - torch.log1p(apart)
    return (torch.where(off > 0, 1 - expectile, expectile) * off.square()).mean()


def one_step(distance: Tensor) -> Tensor:
    """What one step did is no farther than one step. By the triangle inequality, which is built in, this is also
    d(z, g) <= 1 + d(z', g) for every goal: no temporal differences are to be learned, and no target network.
    """
    return F.relu(distance - 1).square().mean()
