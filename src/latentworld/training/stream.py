"""Batches read ahead, each from its own seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from queue import Queue
from threading import Thread
from typing import Any

import numpy as np


def stream(draw: Callable[[np.random.Generator], Any], seed: int, steps: range, ready: int = 2) -> Iterator[Any]:
    """``draw(rng)`` for every step, rng being of (seed, step) alone, so that a resumed run sees what the first would
    have. The next ones are drawn while one is used.
    """
    queue: Queue = Queue(ready)

    def read() -> None:
        try:
            for step in steps:
                queue.put(draw(np.random.default_rng([seed, step])))
        except BaseException as error:  # handed to the reader, who raises it
            queue.put(error)

    Thread(target=read, daemon=True).start()
    for _ in steps:
        batch = queue.get()
        if isinstance(batch, BaseException):
            raise batch
        yield batch
