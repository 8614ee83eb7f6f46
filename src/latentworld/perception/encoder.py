"""Camera frame -> latent."""

from __future__ import annotations

import time

import cv2
import numpy as np
import torch

from latentworld.model.world_model import WorldModel
from latentworld.types import Frame, Latent, LatentworldError


class PerceptionEncoder:
    """Encodes frames of any size: cut square about the middle, shrunk by area, encoded."""

    def __init__(self, model: WorldModel):
        self.model = model

    def encode(self, frame: Frame) -> Latent:
        """Raises LatentworldError when the arrays are not what Frame promises."""
        began = time.perf_counter()
        side = self.model.config.image_size
        check(frame)
        rgb = torch.from_numpy(square(frame.rgb, side, cv2.INTER_AREA)).unsqueeze(0)
        depth = None
        if frame.depth is not None and self.model.config.uses_depth:
            # Area averaging would smear unknown depths and edges; the nearest sample is a true one.
            depth = torch.from_numpy(square(frame.depth, side, cv2.INTER_NEAREST)).unsqueeze(0)
        with torch.inference_mode():
            vector = self.model.encode(rgb, depth)[0].numpy()
        return Latent(frame.stamp, self.model.model_id, vector, time.perf_counter() - began)


def square(image: np.ndarray, side: int, interpolation: int) -> np.ndarray:
    """The middle square of an image, ``side`` pixels a side; the image itself where it already is that."""
    height, width = image.shape[:2]
    if height != width:
        edge = min(height, width)
        top, left = (height - edge) // 2, (width - edge) // 2
        image = image[top : top + edge, left : left + edge]
    if image.shape[0] != side:
        image = cv2.resize(image, (side, side), interpolation=interpolation)
    return np.ascontiguousarray(image)


def check(frame: Frame) -> None:
    rgb, depth = frame.rgb, frame.depth
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or min(rgb.shape[:2]) < 8:
        raise LatentworldError(
            f"frame: expected rgb (height, width, 3) uint8 of 8 pixels or more, got {rgb.shape} {rgb.dtype}"
        )
    if depth is not None and (depth.ndim != 2 or depth.dtype != np.float32):
        raise LatentworldError(f"frame: expected depth (height, width) float32 metres, got {depth.shape} {depth.dtype}")
