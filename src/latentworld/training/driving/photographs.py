"""Photographed materials that PyPI packages carry: surfaces of the rooms that a model for any place is trained in.

Packages are only read, never imported; ``tools/photographs.txt`` names them with their versions and licences.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, files
from pathlib import PurePosixPath

import cv2
import numpy as np

from latentworld.types import LatentworldError

FOLDERS = {  # of a package: where its pictures of materials lie
    "robosuite": ("robosuite/models/assets/textures",),
    "metaworld": ("metaworld/assets/textures", "metaworld/assets/scene/textures"),
    "scikit-image": ("skimage/data",),
}
SIDE = 512  # pixels of the longer side, at most
LEAST = 64  # pixels of the shorter side
PLAIN = 4.0  # standard deviation of grey values below which a picture shows nothing


@cache
def photographs() -> tuple[np.ndarray, ...]:
    """All pictures, (height, width, 3) uint8 RGB, in a fixed order.

    Raises LatentworldError where a package is missing.
    """
    found = []
    for package, folders in FOLDERS.items():
        try:
            listed = files(package) or []
        except PackageNotFoundError:
            raise LatentworldError(
                f"photographs: expected the package {package} to be installed (pip install --no-deps -r "
                "tools/photographs.txt), got none"
            ) from None
        inside = {PurePosixPath(folder) for folder in folders}
        for path in sorted(listed, key=str):
            if path.parent in inside and path.suffix in (".png", ".jpg", ".jpeg"):
                picture = cv2.imread(str(path.locate()), cv2.IMREAD_COLOR)
                if picture is not None and min(picture.shape[:2]) >= LEAST and picture.std() > PLAIN:
                    scale = min(1.0, SIDE / max(picture.shape[:2]))
                    picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                    found.append(np.ascontiguousarray(picture[..., ::-1]))
    return tuple(found)
