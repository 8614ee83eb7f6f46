"""The one place that imports MuJoCo, so that headless rendering is chosen before it is loaded."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..types import LatentworldError

if sys.platform == "linux":
    os.environ.setdefault("MUJOCO_GL", "egl")
# llvmpipe, the software rasteriser: worker threads cost more than they bring at robot image sizes.
os.environ.setdefault("LP_NUM_THREADS", "0")

HEADLESS = "expected a headless OpenGL library (Debian, Ubuntu: apt install libegl1 libopengl0 libgl1-mesa-dri)"


@contextmanager
def interrupts_later() -> Iterator[None]:
    """A Ctrl-C while a library is being loaded comes out of it as any error at all; here it takes effect afterwards."""
    before = signal.getsignal(signal.SIGINT)
    if before is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


try:
    with interrupts_later():
        import mujoco
except Exception as error:  # AttributeError, ctypes.ArgumentError …: it depends on what is missing
    raise LatentworldError(
        f"MuJoCo cannot start with MUJOCO_GL={os.environ.get('MUJOCO_GL', '')}: {HEADLESS}, got {error!r}"
    ) from error

__all__ = ["HEADLESS", "mujoco"]
