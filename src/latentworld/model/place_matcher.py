"""Where was this seen from? What a goal shows is held against the map at many poses."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentworld.model.config import ModelConfig
from latentworld.model.latent_map import LatentLift, rotate

HEADINGS = 24  # tried at every cell


class PlaceMatcher(nn.Module):
    """Scores poses by how well what one latent says lies on the map there (as MapNet, Henriques and Vedaldi 2018).

    exp(score) is a density over poses (x, y, yaw), up to a factor: trained by its likelihood, it is as broad as what is
    known leaves it. What has never been seen speaks for no pose and against none.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        c, e = config.map_channels, config.place_dim
        self.lift = LatentLift(config, 48)
        self.goal = nn.Sequential(nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(48, e, 1))
        self.place = nn.Sequential(
            nn.Conv2d(c, 48, 3, padding=1), nn.ReLU(), nn.Conv2d(48, 48, 3, padding=1), nn.ReLU(), nn.Conv2d(48, e, 1)
        )
        ahead, across = config.view_cells
        x = (torch.arange(0, ahead, 2) + 1.0) * config.cell
        y = (torch.arange(0, across, 2) + 1.0 - across / 2) * config.cell
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)  # as the cells of a view: [across, ahead]
        self.register_buffer("points", grid.flatten(0, 1), persistent=False)
        self.half = config.map_cells * config.cell / 2
        self.headings = torch.arange(HEADINGS) / HEADINGS * 2 * torch.pi - torch.pi
        self.shares: Tensor | None = None

    def described(self, latent: Tensor) -> Tensor:
        """What a goal (N, V) says at points of its own view: (N, P, E)."""
        return self.goal(self.lift(latent)).flatten(2).transpose(1, 2)

    def mapped(self, memory: Tensor) -> Tensor:
        """What the map (N, C, cells, cells) says: (N, E, cells, cells)."""
        return self.place(memory)

    def forward(self, mapped: Tensor, described: Tensor, poses: Tensor) -> Tensor:
        """Scores (N, Q) of poses (N, Q, 3) in the map's frame (x, y m, yaw rad)."""
        n, q, _ = poses.shape
        there = rotate(self.points, poses[..., 2:].expand(n, q, len(self.points))) + poses[..., None, :2]
        found = F.grid_sample(mapped, there / self.half, align_corners=False)  # (N, E, Q, P)
        return torch.einsum("neqp,npe->nq", found, described) / len(self.points) ** 0.5

    def kernel(self, described: Tensor) -> Tensor:
        """What one goal says (1, P, E), on cells under every heading, as a spectrum: (HEADINGS, E, S, S // 2 + 1).

        S: cells of a map, and how far a view reaches, together, so that nothing wraps around into a map.
        """
        if self.shares is None:
            self.shares = self._shares()
        laid = torch.einsum("rpyx,pe->reyx", self.shares, described[0]) / len(self.points) ** 0.5
        reach = laid.shape[-1] // 2
        laid = F.pad(laid, (0, max(0, self.config.map_cells - reach - 1)) * 2)
        return torch.fft.rfft2(laid.roll((-reach, -reach), (-2, -1))).conj().resolve_conj()

    def everywhere(self, mapped: Tensor, kernel: Tensor) -> Tensor:
        """The scores of ``forward`` at every cell of one map: (HEADINGS, cells, cells), [heading, y, x].

        A score is linear in the map, so that all poses are one convolution, and that a product of spectra.
        """
        cells, side = mapped.shape[-1], kernel.shape[-2]
        spectrum = torch.fft.rfft2(mapped[0], s=(side, side))
        return torch.fft.irfft2((spectrum * kernel).sum(1), s=(side, side))[:, :cells, :cells]

    def _shares(self) -> Tensor:
        """(HEADINGS, P, side, side): how each point of a view is shared out among the cells around the pose."""
        cell = self.config.cell
        reach = int(self.points.norm(dim=1).max() / cell) + 2
        at = rotate(self.points.expand(HEADINGS, -1, 2), self.headings[:, None]) / cell + reach
        low = at.floor()
        share = at - low
        shares = torch.zeros(HEADINGS, len(self.points), 2 * reach + 1, 2 * reach + 1)
        r, p = torch.meshgrid(torch.arange(HEADINGS), torch.arange(len(self.points)), indexing="ij")
        x, y = low.long().unbind(-1)
        for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
            weight = (share[..., 0] if dx else 1 - share[..., 0]) * (share[..., 1] if dy else 1 - share[..., 1])
            shares[r, p, y + dy, x + dx] += weight
        return shares
