"""Small pictures for people: the thumbnail a keyframe is stored with, and a contact sheet of an answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from latentworld.memory.keyframes import Keyframe
from latentworld.types import LatentworldError

QUALITY = 80
CELL, CAPTION, COLUMNS = 160, 34, 5  # pixels, pixels, cells


def thumbnail(rgb: np.ndarray, size: int) -> bytes:
    """An image (height, width, 3) uint8 RGB as a JPEG whose longer side is at most ``size`` pixels."""
    height, width = rgb.shape[:2]
    scale = min(1.0, size / max(height, width))
    small = cv2.resize(rgb, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def contact_sheet(keyframes: Sequence[Keyframe]) -> np.ndarray:
    """Thumbnails with what is known of them, best first, row by row: (height, width, 3) uint8 BGR."""
    rows = max(1, math.ceil(len(keyframes) / COLUMNS))
    sheet = np.full((rows * (CELL + CAPTION), COLUMNS * CELL, 3), 24, np.uint8)
    for place, keyframe in enumerate(keyframes):
        row, column = divmod(place, COLUMNS)
        cell = sheet[row * (CELL + CAPTION) :, column * CELL :][: CELL + CAPTION, :CELL]
        _picture(cell[:CELL], keyframe.thumbnail)
        x, y, yaw = keyframe.pose
        near = "" if math.isnan(keyframe.latent_distance) else f"  d {keyframe.latent_distance:.2f}"
        _line(cell, CELL + 12, f"{place + 1}. #{keyframe.id}{near}")
        _line(cell, CELL + 27, f"{x:.2f} {y:.2f} m {math.degrees(yaw):.0f} deg")
    return sheet


def write_png(path: Path, image: np.ndarray) -> None:
    """Write an image (height, width, 3) uint8 BGR."""
    encoded = cv2.imencode(".png", image)[1]
    try:
        path.write_bytes(encoded)
    except OSError as error:
        raise LatentworldError(f"contact sheet {path}: expected a file that can be written, got: {error}") from error


def _picture(cell: np.ndarray, jpeg: bytes | None) -> None:
    image = None if jpeg is None else cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        _line(cell, CELL // 2, "no picture")
        return
    scale = (CELL - 8) / max(image.shape[:2])
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    height, width = image.shape[:2]
    top, left = (CELL - height) // 2, (CELL - width) // 2
    cell[top : top + height, left : left + width] = image


def _line(cell: np.ndarray, y: int, text: str) -> None:
    cv2.putText(cell, text, (6, y), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (225, 225, 225), 1, cv2.LINE_AA)
