"""Free space, read off the features of a belief's map by small perceptrons."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentworld.model.config import ModelConfig


def perceptron(*sizes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


LEAST_SPREAD = 0.03  # metres: nothing here is known better


def spread_of(raw: Tensor) -> Tensor:
    return LEAST_SPREAD + F.softplus(raw - 1)


class Field(NamedTuple):
    """Free space at points (...): all (...,).

    clearance, ledge: metres to the nearest obstacle surface and to the nearest drop, negative inside.
    spread, ledge_spread: scale (metres) of a Laplace distribution around them.
    doubt: metres by which several opinions of the clearance differ (standard deviation); 0 with one opinion.
    """

    clearance: Tensor
    spread: Tensor
    ledge: Tensor
    ledge_spread: Tensor
    doubt: Tensor


ASPECTS = 4  # of a Field that are read off directly


class FreeSpaceHead(nn.Module):
    """Map features at a point (..., C) -> Field. Asked of any point, so one frame teaches as much as a whole drive.

    Several opinions, each taught by clips of its own (bootstrapped ensemble, as in PETS, arXiv 1805.12114): their mean
    is what is believed, their spread is what is not known.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.net = perceptron(config.map_channels, 64, 64, ASPECTS)
        self.others = nn.ModuleList(
            perceptron(config.map_channels, 64, 64, ASPECTS) for _ in range(config.opinions - 1)
        )
        # Start from what is so on average, in the order of Field: the map is for what is not.
        for net in (self.net, *self.others):
            nn.init.zeros_(net[-1].weight)
            net[-1].bias.data = torch.tensor([0.4, 0.0, 1.0, -2.0])

    @property
    def opinions(self) -> list[Callable[[Tensor], Field]]:
        """What each would say by itself."""
        return [lambda features, net=net: self._field(net(features)) for net in (self.net, *self.others)]

    def forward(self, features: Tensor) -> Field:
        said = torch.stack([net(features) for net in (self.net, *self.others)])
        return self._field(said.mean(0))._replace(doubt=said[..., 0].std(0, correction=len(said) > 1))

    def _field(self, said: Tensor) -> Field:
        clearance, spread, ledge, ledge_spread = said.unbind(-1)
        return Field(clearance, spread_of(spread), ledge, spread_of(ledge_spread), torch.zeros_like(clearance))
