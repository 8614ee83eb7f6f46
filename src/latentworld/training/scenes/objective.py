"""The loss of a scene model: foresee the latents of the next looks, keep latents and their changes spread out."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from latentworld.model.decoded_model import DecodedModel
from latentworld.model.losses import sigreg
from latentworld.model.pixel_baseline import PixelBaseline, patches
from latentworld.model.scene_model import CELLS, SceneModel

FIRST = 1  # looks taken before anything is foretold
APART = 4  # looks within which a cell's change is looked at
SAMPLES = 4096  # cells whose spread is looked at, a batch


def cell_difference(one: Tensor, other: Tensor) -> Tensor:
    """How much each cell of two films (..., 64, 64, 3) differs: (..., 8, 8) mean absolute levels."""
    off = (one.float() - other.float()).abs()
    pixels = one.shape[-2] // CELLS
    return off.unflatten(-3, (CELLS, pixels)).unflatten(-2, (CELLS, pixels)).mean((-1, -2, -4))


def losses(model: SceneModel, pixels: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """Every term, unweighted. pixels: (N, T, 64, 64, 3) uint8, look by look, T > reach.

    Most of a picture stands still. Pixels say where something changed, and there the terms look closer; they are no
    target.
    """
    length = pixels.shape[1]
    latents = model.encode(pixels)
    beliefs = model.track(latents)
    looks = model.config.reach
    starts = torch.arange(min(FIRST, length - looks - 1), length - looks)
    then = starts.unsqueeze(1) + 1 + torch.arange(looks)  # (S, K)
    foreseen = model.foresee(type(beliefs)(*(part[:, starts].flatten(0, 1) for part in beliefs)))
    error = model.errors(foreseen.latents, latents[:, then].flatten(0, 1))  # (N * S, K, A, 8, 8)
    with torch.no_grad():
        moved = cell_difference(pixels[:, then], pixels[:, starts].unsqueeze(2))
        weight = moved / (moved.mean((1, 3, 4), keepdim=True) + 1e-3)
        weight = (0.5 + 0.5 * weight).flatten(0, 1).unsqueeze(2)
    doubt = foreseen.doubt
    terms = {
        "predict": (weight * error).sum(2).mean(),
        "doubt": (error.detach() * torch.exp(-doubt) + doubt).mean(),
    }
    if isinstance(model, DecodedModel):
        frames = patches(pixels)
        terms["paint"] = (model.paint(latents) - frames).square().mean() + (
            weight * (model.paint(foreseen.latents) - frames[:, then].flatten(0, 1)).square()
        ).mean()
    if not isinstance(model, PixelBaseline):  # pixels cannot collapse
        terms |= _spread(latents[:, :, : model.config.latent_dim], pixels, generator)
    return terms


def _spread(latents: Tensor, pixels: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """SIGReg on latents, half of them from cells that changed, and on the change of those."""
    n, length, width = latents.shape[:3]
    apart = int(torch.randint(1, min(APART, length), (), generator=generator))
    moved = cell_difference(pixels[:, apart:], pixels[:, :-apart]).flatten(1)
    chance = moved / (moved.sum(1, keepdim=True) + 1e-2) + 1e-7
    where = torch.multinomial(chance, SAMPLES // n, replacement=True, generator=generator)
    cells = latents[:, apart:].permute(0, 1, 3, 4, 2).flatten(1, 3)
    before = latents[:, :-apart].permute(0, 1, 3, 4, 2).flatten(1, 3)
    where = where.unsqueeze(-1).expand(-1, -1, width)
    now = cells.gather(1, where).flatten(0, 1)
    change = (now - before.gather(1, where).flatten(0, 1)) / math.sqrt(2)
    any_cell = cells.flatten(0, 1)
    any_cell = any_cell[torch.randint(len(any_cell), (SAMPLES // 2,), generator=generator)]
    return {"sigreg": sigreg(torch.cat([now[::2], any_cell]), generator, 64), "change": sigreg(change, generator, 64)}
