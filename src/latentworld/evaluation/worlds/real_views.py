"""What the model sees of a real walk: each frame brought to its view, the head turned as it was at that frame."""

from __future__ import annotations

from latentworld.evaluation.worlds.real_walk import Walk
from latentworld.model.world_model import WorldModel
from latentworld.perception.encoder import PerceptionEncoder
from latentworld.types import Latent


class Eye:
    """A camera that is another one at every frame, as a head nods."""

    def __init__(self, walk: Walk, model: WorldModel) -> None:
        self.walk, self.model = walk, model

    def encode(self, i: int, depth: bool = True) -> Latent:
        """depth: whether the glasses measure it."""
        return PerceptionEncoder(self.model, self.walk.robot(i)).encode(self.walk.frame(i, depth))
