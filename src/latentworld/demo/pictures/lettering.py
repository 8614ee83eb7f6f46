"""Text in pictures, in the typeface that matplotlib brings along."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

_FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"


@cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_FONTS / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")), size)


@lru_cache(maxsize=4096)
def _mask(text: str, size: int, bold: bool) -> np.ndarray:
    """(H, W) float32 coverage; the height is that of the line, so that lines of one size stand on one base."""
    font = _font(size, bold)
    width, height = max(int(np.ceil(font.getlength(text))), 1), sum(font.getmetrics())
    picture = Image.new("L", (width, height))
    ImageDraw.Draw(picture).text((0, 0), text, fill=255, font=font)
    return np.asarray(picture, np.float32) / 255


def write(
    picture: np.ndarray, text: str, x: float, y: float, colour, size: int = 16, bold: bool = False, anchor: float = 0.0
) -> int:
    """Text into ``picture`` (H, W, 3) uint8, its top at y; anchor: share of its width left of x. Returns its end."""
    mask = _mask(text, size, bold)
    left, top = round(x - anchor * mask.shape[1]), round(y)
    high, wide = picture.shape[:2]
    c0, r0, c1, r1 = max(left, 0), max(top, 0), min(left + mask.shape[1], wide), min(top + mask.shape[0], high)
    if c0 < c1 and r0 < r1:
        under = picture[r0:r1, c0:c1]
        cover = mask[r0 - top : r1 - top, c0 - left : c1 - left, None]
        under[:] = (under + cover * (np.asarray(colour, np.float32) - under)).astype(np.uint8)
    return left + mask.shape[1]
