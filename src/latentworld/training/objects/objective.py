"""What a finder of objects learns: which pixels show things, where the middle of each is, and which of them are one."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from latentworld.model.object_finder import Votes

FEW = 6  # cells that a thing shows at least, to be told from others by its look
TEMPERATURE = 0.1
FAR = 4.5  # metres beyond which the middle of a thing need not be found


class Views(NamedTuple):
    """R rooms, V views of each. pixels: (R, V, S, S, 3) uint8. depth: (R, V, S, S) uint16 mm. shown: (R, V, S, S) int8,
    the object a pixel shows, -1 for none. middle: (R, V, O, 2) metres.
    """

    pixels: Tensor
    depth: Tensor
    shown: Tensor
    middle: Tensor


def losses(votes: Votes, views: Views) -> dict[str, Tensor]:
    """votes: of all R V views, one after the other."""
    shown = views.shown.flatten(0, 1)[:, ::2, ::2].long()
    middle = views.middle.flatten(0, 1)
    known = ~votes.points[..., 0].isnan()
    thing = (shown >= 0) & known
    there = torch.gather(middle, 1, shown.clamp_min(0).flatten(1)[..., None].expand(-1, -1, 2)).view(*shown.shape, 2)
    voting = thing & (votes.points[..., :2].norm(dim=-1) < FAR) & ~there[..., 0].isnan()
    off = F.smooth_l1_loss(votes.middle[voting], there[voting], beta=0.1, reduction="none").sum(1)
    return {
        "thing": F.binary_cross_entropy_with_logits(votes.thing[known], thing[known].float()),
        "middle": off.mean(),
        "look": _told_apart(votes.looks, shown, thing, views.shown.shape[:2]),
    }


def _told_apart(looks: Tensor, shown: Tensor, thing: Tensor, shape: tuple[int, int]) -> Tensor:
    """Supervised contrast (Khosla et al. 2020) of what things look like on the whole: views of one against all else."""
    rooms, views = shape
    most = 16
    share = F.one_hot(torch.where(thing, shown, most), most + 1)[..., :most].flatten(1, 2).float()  # (N, HW, O)
    cells = share.sum(1)
    whole = torch.einsum("npo,nlp->nol", share, looks.flatten(2)) / cells.clamp_min(1)[..., None]
    room = torch.arange(rooms, device=looks.device).repeat_interleave(views)
    name = room[:, None] * most + torch.arange(most, device=looks.device)
    enough = cells >= FEW
    z, name = F.normalize(whole[enough], dim=1), name[enough]
    alike = z @ z.T / TEMPERATURE
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    one = (name[:, None] == name) & ~itself
    log = alike - torch.logsumexp(alike.masked_fill(itself, -torch.inf), 1, keepdim=True)
    has = one.any(1)
    return -((log * one).sum(1) / one.sum(1).clamp_min(1))[has].mean()
