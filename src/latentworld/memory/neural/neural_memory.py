"""A network that remembers: trained while the robot drives, asked what is seen from a pose."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from latentworld.memory.files import write_whole
from latentworld.memory.neural.keys import PoseKeys
from latentworld.memory.neural.objectives import BIASES
from latentworld.memory.neural.parameters import NeuralParameters
from latentworld.memory.neural.retention import RETENTIONS
from latentworld.types import LatentworldError

FORMAT = "latentworld-neural-memory-1"
FAR = 10.0  # times what is usual, beyond which an outlier moves that no further
USUAL = 0.02  # share of an update in what is held to be usual
LEAST = 0.1  # of the rate, that is always left: what is new must still be learned after months
learning = torch.inference_mode(False)  # who calls may be inferring; what is made in that mode could never learn


class Recalled(NamedTuple):
    """latents: (N, D) float32. familiarity: (N,) 0 where nothing near was ever written, about 1 where much was."""

    latents: np.ndarray
    familiarity: np.ndarray


class NeuralMemory:
    """Associates poses with latents, and learns that at test time (Titans, Behrouz et al. 2024, arXiv 2501.00663).

    Each write is a step down the slope of the error: S = eta S - theta slope, M = (1 - alpha) M + S. The error is the
    surprise; theta grows with it, so that what is known already is hardly written, and falls as more was written. Poses
    must be of one frame.
    """

    @learning
    def __init__(self, dimensions: int, parameters: NeuralParameters | None = None, seed: int = 0):
        self.dimensions, self.parameters, self.seed = dimensions, parameters or NeuralParameters(), seed
        p = self.parameters
        for name, value, known in (("bias", p.bias, BIASES), ("retention", p.retention, RETENTIONS)):
            if value not in known:
                raise LatentworldError(f"neural memory {name}: expected one of {', '.join(known)}, got {value}")
        self.keys = PoseKeys(p.keys, p.reach, p.turn, seed)
        self.frozen = False
        self.clear()

    @learning
    def clear(self) -> None:
        """Know nothing."""
        p, generator = self.parameters, torch.Generator().manual_seed(self.seed)
        sizes = [p.keys, *([p.hidden] if p.hidden else []), self.dimensions]
        self._accumulated = [torch.zeros(after, before) for before, after in zip(sizes, sizes[1:], strict=False)]
        if p.hidden:  # random features of the keys to begin with; what they lead to is nothing yet
            self._accumulated[0].normal_(0, 1, generator=generator)
        self._momentum = [torch.zeros_like(part) for part in self._accumulated]
        self._known = torch.zeros(p.keys)  # keys -> 1 where something was written
        self._mean, self._error, self._slope, self.writes = torch.zeros(self.dimensions), 1.0, 0.0, 0
        self.snapshot()

    @learning
    def write(self, poses: np.ndarray, latents: np.ndarray) -> np.ndarray:
        """Learn that from ``poses`` (N, 3) ``latents`` (N, D) were seen; answers how surprising each was (N,): its mean
        squared error until now. A frozen memory is surprised, and learns nothing.
        """
        values = torch.from_numpy(np.array(latents, np.float32))
        self._check(poses, values)
        keys, weights = self.keys(poses), [weight.detach().requires_grad_() for weight in self._weights()]
        told = self._apply(weights, keys)
        error = told.detach() + self._mean - values
        surprise = error.square().mean(1)
        if not self.frozen:
            gate = surprise / (surprise + self._error)
            steep = BIASES[self.parameters.bias](error) * (2 * gate / len(gate))[:, None]
            if self._step(torch.autograd.grad(told, weights, steep)):
                self._notice(keys, values, float(surprise.mean()))
        return surprise.numpy()

    def recall(self, poses: np.ndarray) -> Recalled:
        """What is seen from ``poses`` (N, 3), as far as is known."""
        keys = self.keys(poses)
        told = self._apply(self._weights(), keys)
        return Recalled((told + self._mean).numpy(), (keys @ self._known).clamp(0, 1).numpy())

    @learning
    def snapshot(self) -> None:
        """What ``rollback`` goes back to."""
        self._kept = self._state()

    @learning
    def rollback(self) -> None:
        """Forget all that was written since the last snapshot."""
        self._take({name: value.clone() for name, value in self._kept.items()})

    def save(self, path: str | Path, model_id: str = "", frame: int = 0) -> None:
        """Whole or not at all. model_id, frame: whose latents, and in which frame the poses are."""
        about = {"parameters": asdict(self.parameters), "dimensions": self.dimensions, "seed": self.seed}
        metadata = {"format": FORMAT, "about": json.dumps(about), "model_id": model_id, "frame": str(frame)}
        write_whole(Path(path), save(self._state(), metadata))

    @classmethod
    @learning
    def load(cls, path: str | Path, model_id: str = "", frame: int = 0) -> NeuralMemory:
        """Raises LatentworldError for a file that is missing, damaged, of another model or in another frame."""
        try:
            with safe_open(path, "pt") as file:
                metadata, state = file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}
        except (SafetensorError, OSError) as error:
            raise LatentworldError(f"neural memory {path}: expected a whole safetensors file: {error}") from None
        if metadata.get("format") != FORMAT:
            raise LatentworldError(f"neural memory {path}: expected {FORMAT}, got {metadata.get('format', 'none')}")
        if (metadata["model_id"], metadata["frame"]) != (model_id, str(frame)):
            came = f"model {metadata['model_id']} and frame {metadata['frame']}"
            raise LatentworldError(f"neural memory {path}: expected model {model_id} and frame {frame}, got {came}")
        about = json.loads(metadata["about"])
        memory = cls(about["dimensions"], NeuralParameters(**about["parameters"]), about["seed"])
        wanted = {name: value.shape for name, value in memory._state().items()}
        if wanted != {name: value.shape for name, value in state.items()} or not all(map(_finite, state.values())):
            raise LatentworldError(f"neural memory {path}: expected finite weights of its own shape")
        memory._take(state)
        memory.snapshot()
        return memory

    def _weights(self) -> list[Tensor]:
        link = RETENTIONS[self.parameters.retention].link
        *hidden, last = self._accumulated
        return [*hidden, link(last)]

    def _apply(self, weights: list[Tensor], keys: Tensor) -> Tensor:
        *hidden, last = weights
        for weight in hidden:
            keys = F.normalize(F.gelu(keys @ weight.T), dim=1)  # of length 1 again, so that one rate fits all
        return keys @ last.T

    def _step(self, slopes: tuple[Tensor, ...]) -> bool:
        """False, and nothing is changed, where it would lead to what is no number."""
        p, fade = self.parameters, RETENTIONS[self.parameters.retention].fade
        steep = math.sqrt(sum(float(slope.square().sum()) for slope in slopes))
        if not math.isfinite(steep):
            return False
        cut = min(1.0, p.clamp * self._slope / max(steep, 1e-12)) if self._slope else 1.0
        rate = p.rate * self._pace() * cut
        for momentum, accumulated, slope in zip(self._momentum, self._accumulated, slopes, strict=True):
            momentum.mul_(p.momentum).sub_(slope, alpha=rate * (1 - p.momentum))
            accumulated.copy_(fade(accumulated, p.forgetting)).add_(momentum)
        self.writes += 1
        self._slope += max(USUAL, 1 / self.writes) * (steep * cut - self._slope)
        return True

    def _pace(self) -> float:
        """Share of the rate (Robbins and Monro 1951): the more was written, the less of it an update may undo, and the
        more of what odometry is off by comes out as an average.
        """
        settling = self.parameters.settling
        return max(LEAST, settling / (settling + self.writes)) if settling else 1.0

    def _notice(self, keys: Tensor, values: Tensor, surprise: float) -> None:
        share = max(USUAL, 1 / self.writes)
        self._mean += share * (values - self._mean).clamp(-FAR, FAR).mean(0)
        self._error += share * (min(surprise, FAR * self._error) - self._error)
        self._known += keys.T @ (1 - keys @ self._known) / len(keys)

    def _state(self) -> dict[str, Tensor]:
        state = {f"accumulated.{i}": part.clone() for i, part in enumerate(self._accumulated)}
        state |= {f"momentum.{i}": part.clone() for i, part in enumerate(self._momentum)}
        usual = torch.tensor([self._error, self._slope, self.writes], dtype=torch.float64)
        return state | {"mean": self._mean.clone(), "known": self._known.clone(), "usual": usual}

    def _take(self, state: dict[str, Tensor]) -> None:
        for name, parts in (("accumulated", self._accumulated), ("momentum", self._momentum)):
            parts[:] = [state[f"{name}.{i}"] for i in range(len(parts))]
        self._mean, self._known = state["mean"], state["known"]
        self._error, self._slope, writes = state["usual"].tolist()
        self.writes = int(writes)

    def _check(self, poses: np.ndarray, values: Tensor) -> None:
        if np.shape(poses) != (len(values), 3) or values.shape[1:] != (self.dimensions,) or not len(values):
            came = f"{np.shape(poses)} and {tuple(values.shape)}"
            raise LatentworldError(f"neural memory: expected poses (N, 3), latents (N, {self.dimensions}), got {came}")
        if not (np.isfinite(poses).all() and _finite(values)):
            raise LatentworldError("neural memory: expected finite poses and latents")


def _finite(values: Tensor) -> bool:
    return bool(torch.isfinite(values).all())
