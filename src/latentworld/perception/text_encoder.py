"""Pictures and words as vectors of one space: CLIP and its kin (Radford et al. 2021), from a folder of weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors import SafetensorError

from latentworld.model.checkpoint import digest
from latentworld.types import LatentworldError

UNUSABLE = (OSError, ValueError, TypeError, LookupError, AttributeError, ImportError, RuntimeError, SafetensorError)
MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # CLIP's own, of RGB


class ClipEncoder:
    """encoder_id: twelve hex digits that name the weights. dimensions: D."""

    def __init__(self, model, tokenizer, mean: Sequence[float] = MEAN, deviation: Sequence[float] = DEVIATION):
        """model: one of transformers with ``get_text_features`` and ``get_image_features`` (CLIP, SigLIP, …)."""
        self._model, self._tokenizer = model.eval(), tokenizer
        self._side = model.config.vision_config.image_size
        self._mean, self._deviation = np.array(mean, np.float32), np.array(deviation, np.float32)
        self.encoder_id = digest(f"{type(model).__name__} {list(mean)} {list(deviation)}", model.state_dict())
        self.dimensions = len(self.words("a"))

    @classmethod
    def load(cls, folder: str | Path) -> ClipEncoder:
        """A folder as Hugging Face lays it: config, tokenizer, ``model.safetensors``. Nothing is fetched.

        Raises LatentworldError where the package transformers is not there, or the folder holds no such model.
        """
        folder = Path(folder).expanduser()
        try:
            from transformers import AutoModel, AutoTokenizer
            from transformers.utils import logging
        except ImportError as error:
            wanted = "expected the package transformers (pip install transformers)"
            raise LatentworldError(f"text encoder {folder}: {wanted}, got: {error}") from error
        if not (folder / "model.safetensors").is_file():
            raise LatentworldError(
                f"text encoder {folder}: expected a folder with model.safetensors of CLIP or its kin, got none"
            )
        logging.disable_progress_bar()
        scaling = folder / "preprocessor_config.json"
        try:
            model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).float()
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            scale = json.loads(scaling.read_text()) if scaling.is_file() else {}
            if not (hasattr(model, "get_text_features") and hasattr(model, "get_image_features")):
                raise TypeError(f"a {type(model).__name__}, without features of text and images")
            return cls(model, tokenizer, scale.get("image_mean", MEAN), scale.get("image_std", DEVIATION))
        except UNUSABLE as error:
            said = " ".join(str(error).split())
            wanted = "expected CLIP or its kin as transformers reads it"
            raise LatentworldError(f"text encoder {folder}: {wanted}, got: {said}") from error

    def pictures(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Images (height, width, 3) uint8 RGB, N of them -> (N, D) float32 of unit length. All of each counts: it is
        squeezed square, not cut.
        """
        side = (self._side, self._side)
        square = np.stack([cv2.resize(rgb, side, interpolation=cv2.INTER_CUBIC) for rgb in pictures])
        values = (square.astype(np.float32) / 255 - self._mean) / self._deviation
        pixels = torch.from_numpy(np.ascontiguousarray(values.transpose(0, 3, 1, 2)))
        with torch.inference_mode():
            return _unit(self._model.get_image_features(pixel_values=pixels))

    def words(self, text: str) -> np.ndarray:
        """What a text says -> (D,) float32 of unit length."""
        config = self._model.config.text_config
        tokens = self._tokenizer(
            [text], return_tensors="pt", truncation=True, max_length=config.max_position_embeddings,
            padding="max_length" if config.model_type.startswith("siglip") else False,
        )  # fmt: skip
        given = {name: tokens[name] for name in ("input_ids", "attention_mask") if name in tokens}
        with torch.inference_mode():
            return _unit(self._model.get_text_features(**given))[0]


def _unit(features) -> np.ndarray:
    """(N, D) of unit length; transformers 5 wraps what earlier ones answered as it is."""
    vectors = getattr(features, "pooler_output", features)
    return torch.nn.functional.normalize(vectors.float(), dim=-1).numpy()
