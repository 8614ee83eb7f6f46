"""Weights on disk: safetensors with the configuration and a card inside. Nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from latentworld.model import retired
from latentworld.model.config import ModelConfig
from latentworld.model.decoded_model import DecodedModel
from latentworld.model.depth_estimator import DepthConfig, DepthEstimator
from latentworld.model.object_finder import ObjectConfig, ObjectFinder
from latentworld.model.pixel_baseline import PixelBaseline
from latentworld.model.scene_model import SceneConfig, SceneModel
from latentworld.model.task_model import TaskConfig, TaskModel
from latentworld.model.world_model import WorldModel
from latentworld.types import LatentworldError

SHIPPED = "nav-small"
DEPTH = "depth-small"  # estimates depth from colour
CONFIGS = {
    WorldModel: ModelConfig, SceneModel: SceneConfig, PixelBaseline: SceneConfig, DecodedModel: SceneConfig,
    TaskModel: TaskConfig, ObjectFinder: ObjectConfig, DepthEstimator: DepthConfig,
}  # fmt: skip
Model = TypeVar("Model", WorldModel, SceneModel, PixelBaseline, DecodedModel, TaskModel, ObjectFinder, DepthEstimator)


def shipped(name: str = SHIPPED) -> Path:
    """Where a checkpoint that comes with the package lies."""
    return Path(str(resources.files("latentworld"))) / "checkpoints" / f"{name}.safetensors"


def model_id(model: nn.Module) -> str:
    """Twelve hex digits that name the weights: latents of models with other digits must not be mixed."""
    return digest(model.config.to_json(), model.state_dict())


def digest(description: str, weights: Mapping[str, Tensor]) -> str:
    """Twelve hex digits of a description and of all weights."""
    found = hashlib.sha256(description.encode())
    for name, tensor in sorted(weights.items()):
        found.update(name.encode())
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:12]


def save(model: nn.Module, path: str | Path, card: dict | None = None) -> str:
    """Write the checkpoint, whole or not at all, and return its model_id.

    card: data, seed, steps, time, scores, command.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    identity = model_id(model)
    metadata = {
        "format": "latentworld-1",
        "model": type(model).__name__,
        "config": model.config.to_json(),
        "card": json.dumps(card or {}),
        "model_id": identity,
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata)
    partial.chmod(0o644)  # safetensors leaves it to the owner alone
    partial.replace(path)
    model.model_id = identity
    return identity


def card(path: str | Path | None = None) -> dict:
    """The card inside a checkpoint; ``None``: the shipped one."""
    return json.loads(_metadata(Path(path) if path else shipped()).get("card", "{}"))


def load(path: str | Path | None = None, kind: type[Model] = WorldModel) -> Model:
    """A model of a kind ready to infer: eval mode, no gradients. ``None``: the shipped one that drives.

    Raises LatentworldError when the file is missing, cut short, no checkpoint of ours, of another kind, or damaged.
    """
    path = Path(path) if path else shipped()
    metadata = _metadata(path)
    if metadata.get("format") != "latentworld-1":
        raise LatentworldError(
            f"checkpoint {path}: expected format latentworld-1, got {metadata.get('format', 'none')}"
        )
    if (came := metadata.get("model", "WorldModel")) != kind.__name__:
        raise LatentworldError(f"checkpoint {path}: expected a {kind.__name__}, got a {came}")
    tensors = _tensors(path)
    identity = digest(metadata["config"], tensors)
    text = metadata["config"]
    if kind is WorldModel:
        text, tensors = retired.configuration(text), retired.weights(tensors)
    model = kind(CONFIGS[kind].from_json(text))
    wanted = {name: tuple(t.shape) for name, t in model.state_dict().items()}
    for name in sorted(wanted.keys() | tensors.keys()):
        came = tuple(tensors[name].shape) if name in tensors else "nothing"
        if wanted.get(name, "nothing") != came:
            raise LatentworldError(f"checkpoint {path}: {name}: expected {wanted.get(name, 'nothing')}, got {came}")
    if identity != metadata.get("model_id"):
        raise LatentworldError(
            f"checkpoint {path}: expected weights that hash to {metadata.get('model_id')}, got {identity}"
        )
    model.load_state_dict(tensors)
    model.eval().requires_grad_(False)
    model.model_id = identity
    return model


@cache
def depth_estimator() -> DepthEstimator:
    """The one that ships; loaded once, it is never written to."""
    return load(shipped(DEPTH), DepthEstimator)


def begin_with(model: nn.Module, base: str) -> list[str]:
    """Take over the weights of ``base`` (a file, or the name of a shipped checkpoint) that fit by name and shape.

    A convolution of images that has more input channels than that of ``base`` begins without looking at them.
    Returns the names of those that do not, and stay as they were. Raises LatentworldError for another kind of model.
    """
    path = Path(base) if Path(base).suffix else shipped(base)
    came = _metadata(path).get("model", "WorldModel")
    if came not in {kind.__name__ for kind in type(model).__mro__}:
        raise LatentworldError(f"checkpoint {path}: expected weights of a {type(model).__name__}, got a {came}")
    there, left = retired.weights(_tensors(path)), []
    for name, tensor in model.state_dict().items():
        shape = tuple(there[name].shape) if name in there else ()
        if shape == tuple(tensor.shape):
            tensor.copy_(there[name])
        elif _sees_less(shape, tuple(tensor.shape)):
            tensor.zero_()
            tensor[:, : shape[1]] = there[name]
        else:
            left.append(name)
    return left


def _sees_less(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether these are weights of the same convolution with fewer channels of an image (of which there are few)."""
    alike = shape[:1] + shape[2:] == wanted[:1] + wanted[2:]
    return len(shape) == len(wanted) == 4 and shape[1] < wanted[1] <= 8 and alike


def _tensors(path: Path) -> dict[str, Tensor]:
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}


def _metadata(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise LatentworldError(f"checkpoint {path}: no such file; `latentworld train` makes one")
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise LatentworldError(
            f"checkpoint {path}: expected a whole safetensors file, got {path.stat().st_size} bytes: {error}"
        ) from None
