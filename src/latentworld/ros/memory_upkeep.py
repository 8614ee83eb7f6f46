"""What moves and reads what a memory holds, on a thread of its own: nobody who asks or sees must wait for it."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from nav_msgs.msg import Path

from latentworld.memory import Relocaliser, VisualMemory
from latentworld.ros.diagnostics import ERROR, WARN, Diagnostics
from latentworld.ros.memory_codecs import trajectory_of
from latentworld.ros.node import said
from latentworld.ros.worker import Worker
from latentworld.types import Latent, Objects


class MemoryUpkeep:
    """For one memory. relocalise: whether to look for where odometry lies in what was remembered before."""

    def __init__(self, memory: VisualMemory, diagnostics: Diagnostics, log: Callable[[str], None], relocalise: bool):
        self._memory, self._diagnostics, self._log = memory, diagnostics, log
        self._relocaliser = Relocaliser(memory) if relocalise else None
        self.archivist = Worker()

    def look(self, pose: np.ndarray, latent: Latent, objects: Objects | None) -> None:
        """At what was kept: what was seen before odometry was laid anew comes to lie in it, once it is known where."""
        if self._relocaliser is None:
            return

        def look() -> None:
            join = self._relocaliser.observe(pose, latent, objects)
            if join is not None:
                self._memory.join(join)
                x, y, yaw = join.transform
                text = f"odom#{join.frame} lies at x {x:.2f} m, y {y:.2f} m, yaw {yaw:.2f} rad in odom; moved there"
                self._diagnostics.value("joined", text)
                self._log(text)

        self._do("relocalise", look)

    def anchor(self) -> None:
        """Lay what was seen to where the things say that it was seen from."""
        self._do("anchor", self._memory.anchor)

    def correct(self, path: Path, topic: str) -> None:
        """Lay what was seen on the way to where localisation now knows that it was seen from."""
        self._do("corrected_path", lambda: self._memory.correct(trajectory_of(path)), topic, ERROR)

    def read_pictures(self, most: int, more: Callable[[], bool]) -> None:
        """For words, ``most`` at a time: others wait for the archivist too. more: whether to go on after that."""

        def read() -> None:
            left = self._memory.read_pictures(most)
            self._diagnostics.value("pictures_to_read", left)
            if left and more():
                self.read_pictures(most, more)

        self._do("text", read)

    def close(self) -> None:
        self.archivist.close()

    def _do(self, what: str, job: Callable[[], object], name: str = "", level: bytes = WARN) -> None:
        """In the order asked for; of one kind only the newest waits."""

        def timed() -> None:
            began = time.perf_counter()
            job()
            self._diagnostics.took(what, time.perf_counter() - began)
            self._diagnostics.clear(what)

        def failed(error: Exception) -> None:
            self._diagnostics.problem(what, level, f"{name or what}: {said(error)}")

        self.archivist.submit(timed, failed, slot=what)
