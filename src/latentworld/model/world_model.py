"""The whole network: encode, update the belief, predict. One class, no training code, no ROS."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from latentworld.model.appearance import Appearance
from latentworld.model.config import ModelConfig
from latentworld.model.dynamics import LatentPredictor, Recurrence
from latentworld.model.encoder import ConvEncoder, to_input
from latentworld.model.heads import Field, FreeSpaceHead
from latentworld.model.latent_map import LatentMap, compose, rotate
from latentworld.model.map_foresight import MapForesight
from latentworld.model.place_matcher import PlaceMatcher
from latentworld.model.view_matcher import ViewMatcher


class Belief(NamedTuple):
    """What is held true about the world, N robots at once.

    hidden: (N, hidden). latent: (N, V), the last seen. place: (N, 3) the robot's pose in the map. memory: (N, C,
    cells, cells).
    """

    hidden: Tensor
    latent: Tensor
    place: Tensor
    memory: Tensor

    def flatten(self) -> Tensor:
        """(N, B), B = config.belief_dim."""
        return torch.cat([self.hidden, self.latent, self.place, self.memory.flatten(1)], 1)

    def pick(self, index: Tensor) -> Belief:
        return Belief(*(part[index] for part in self))


class WorldModel(nn.Module):
    """A joint-embedding predictive world model of a mobile base.

    Latents are learned by predicting latents (JEPA, LeCun 2022) and kept from collapsing by SIGReg (LeJEPA,
    arXiv 2511.08544), end to end, with no target network, no stop-gradient and no decoder, as in LeWorldModel (arXiv
    2603.19312).
    """

    model_id: str = "unsaved"

    def __init__(self, config: ModelConfig | None = None):
        super().__init__()
        self.config = config = config or ModelConfig()
        self.encoder = ConvEncoder(config)
        self.appearance = Appearance(config)
        self.recurrence = Recurrence(config)
        self.map = LatentMap(config)
        self.predictor = LatentPredictor(config)
        self.free_space = FreeSpaceHead(config)
        self.foresight = MapForesight(config)
        self.place = PlaceMatcher(config)
        self.views = ViewMatcher(config)
        # Sorted surprise scores of held-out ordinary frames: what p-values are read from.
        self.register_buffer("surprise_quantiles", torch.linspace(-3, 3, 513))

    def encode(self, rgb: Tensor, depth: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """rgb: (N, H, W, 3) uint8. depth: (N, H, W) metres or uint16 mm. mask: (N, H, W), see ``encoder.to_input``.

        Returns latents (N, V), V = config.vector_dim: what is foretold, the descriptor of the place, the layout of the
        view.
        """
        return self.latent(to_input(rgb, depth, self.config, mask))

    def latent(self, images: Tensor) -> Tensor:
        """The same of what ``encoder.to_input`` made: (N, C, H, W) -> (N, V)."""
        return torch.cat([self.encoder(images), self.appearance(images)], 1)

    def start(self, n: int = 1) -> Belief:
        """Knowing nothing."""
        c, p = self.config, self.surprise_quantiles
        return Belief(
            p.new_zeros(n, c.hidden_dim),
            p.new_zeros(n, c.vector_dim),
            p.new_zeros(n, 3),
            p.new_zeros(n, c.map_channels, c.map_cells, c.map_cells),
        )

    def move(self, belief: Belief, motion: Tensor) -> Belief:
        """Carry the belief along with the robot: motion (N, 3) dx, dy, dyaw in the robot's old frame. Nothing is
        forgotten.
        """
        memory, place = self.map.scroll(belief.memory, compose(belief.place, motion))
        return belief._replace(place=place, memory=memory)

    def update(self, belief: Belief, latent: Tensor, view: Tensor, motion: Tensor) -> Belief:
        """Take in a frame. latent: (N, V). view: map.view(latent). motion: (N, 8), see dynamics.MOTION."""
        belief = self.move(belief, motion[:, :3])
        memory = self.map.update(belief.memory, belief.place, view)
        return Belief(self.recurrence(belief.hidden, latent, motion), latent, belief.place, memory)

    def field(self, belief: Belief, points: Tensor) -> Field:
        """Free space at points (N, P, 2), metres in the robot's frame. Fields are (N, P)."""
        return self.free_space(self.map.look_up(belief.memory, belief.place, points))

    def foresee(self, belief: Belief, poses: Tensor, ahead: Tensor) -> tuple[Tensor, Tensor]:
        """Latents seen from poses (N, P, 3) in the robot's frame, ahead (N, P, 1) seconds from now.

        Returns latents (N, P, D) and log expected squared error (N, P).
        """
        n, p, _ = poses.shape
        fan = rotate(self.predictor.fan, poses[..., 2:].expand(n, p, len(self.predictor.fan))) + poses[..., None, :2]
        features = self.map.look_up(belief.memory, belief.place, fan.flatten(1, 2)).reshape(n, p, -1)
        hidden = belief.hidden.unsqueeze(1).expand(n, p, -1)
        latent = belief.latent.unsqueeze(1).expand(n, p, -1)
        return self.predictor(hidden, latent, features, poses, ahead)

    def unflatten(self, flat: Tensor) -> Belief:
        """The inverse of Belief.flatten: (N, B) -> Belief, views where it can."""
        c = self.config
        sizes = c.hidden_dim, c.vector_dim, 3, c.map_channels * c.map_cells**2
        hidden, latent, place, memory = flat.split(sizes, 1)
        return Belief(hidden, latent, place, memory.unflatten(1, (c.map_channels, c.map_cells, c.map_cells)))
