"""What a scene model is measured against: what needs no model of physics at all."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latentworld.model.pixel_baseline import PixelBaseline, PixelBelief
from latentworld.model.scene_model import Foreseen, SceneBelief, SceneModel


class CopyLast(nn.Module):
    """Same latents; foretells that nothing will change."""

    def __init__(self, model: SceneModel) -> None:
        super().__init__()
        self.config, self.encode = model.config, model.encode
        self._errors = model.errors
        self.register_buffer("surprise_scale", model.surprise_scale.clone())
        self.register_buffer("surprise_quantiles", model.surprise_quantiles.clone())

    def errors(self, foreseen: Tensor, came: Tensor) -> Tensor:
        return self._errors(foreseen, came)

    def track(self, latents: Tensor) -> SceneBelief:
        return SceneBelief(latents, latents)

    def foresee(self, belief: SceneBelief) -> Foreseen:
        latents = belief.latents.unsqueeze(1).expand(-1, self.config.reach, -1, -1, -1)
        return Foreseen(latents, torch.full_like(latents[:, :, :1], -torch.inf))


class ShortMemory(CopyLast):
    """Same network, but it knows the last three frames alone."""

    FRAMES = 3

    def __init__(self, model: SceneModel) -> None:
        super().__init__(model)
        self.foresee, self._model = model.foresee, [model]  # in a list: it is no part of this module

    def track(self, latents: Tensor) -> SceneBelief:
        n, length = latents.shape[:2]
        before = torch.arange(length).unsqueeze(1) + torch.arange(1 - self.FRAMES, 1)
        windows = latents[:, before.clamp(min=0)].flatten(0, 1)  # (N * T, 3, ...)
        belief = self._model[0].start(windows[:, 0])
        for frame in windows.unbind(1)[1:]:
            belief = self._model[0].update(belief, frame)
        return SceneBelief(*(part.unflatten(0, (n, length)) for part in belief))


class InItsLatents(CopyLast):
    """A pixel baseline, surprised not in pixels but in what its encoder makes of those foretold and those that came."""

    def __init__(self, model: PixelBaseline) -> None:
        super().__init__(model)
        self.track, self._model = model.track, [model]

    def foresee(self, belief: PixelBelief) -> Foreseen:
        foreseen = self._model[0].foresee(belief)
        return foreseen._replace(doubt=torch.full_like(foreseen.doubt, -torch.inf))

    def errors(self, foreseen: Tensor, came: Tensor) -> Tensor:
        codes = self._model[0].codes
        return (codes(foreseen) - codes(came)).square().mean(-3, keepdim=True)


@torch.no_grad()
def untrained(model: SceneModel, pixels: Tensor, seed: int = 0) -> SceneModel:
    """A network of the same form that has learned nothing but the mean and spread of its own latents."""
    torch.manual_seed(seed)
    fresh = SceneModel(model.config)
    for part in fresh.encoder.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = None  # an average over all batches
    fresh.train().encode(pixels)
    return fresh.eval()
