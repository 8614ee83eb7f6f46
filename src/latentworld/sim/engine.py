"""The one place that imports MuJoCo, so that headless rendering is chosen before it is loaded."""

from __future__ import annotations

import os
import sys

from ..types import LatentworldError

if sys.platform == "linux":
    os.environ.setdefault("MUJOCO_GL", "egl")
# llvmpipe, the software rasteriser: worker threads cost more than they bring at robot image sizes.
os.environ.setdefault("LP_NUM_THREADS", "0")

HEADLESS = "expected a headless OpenGL library (Debian, Ubuntu: apt install libegl1 libgl1-mesa-dri)"

try:
    import mujoco
except (ImportError, AttributeError, OSError, RuntimeError) as error:
    raise LatentworldError(
        f"MuJoCo cannot start with MUJOCO_GL={os.environ.get('MUJOCO_GL', '')}: {HEADLESS}, got {error!r}"
    ) from error

__all__ = ["HEADLESS", "mujoco"]
