"""Child processes that live and die together: none outlives the others, nor this process, however it ends."""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from types import TracebackType

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None, use_errno=True)
# What is tried for how many seconds. Not SIGINT: it makes a traceback of a Python process that is still importing.
_STEPS = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 2.0))


class Processes:
    """A context manager that stops all at its end.

    Start from the main thread: the kernel ends a child with the thread that made it.
    """

    def __init__(self) -> None:
        self.children: dict[str, subprocess.Popen] = {}
        self._ended: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str], **options: object) -> subprocess.Popen:
        """Each in a process group of its own: a Ctrl-C at the terminal reaches it through us, once."""
        child = subprocess.Popen(command, start_new_session=True, preexec_fn=_die_with(os.getpid()), **options)
        self.children[name] = child
        threading.Thread(target=lambda: self._ended.put((name, child.wait())), daemon=True).start()
        return child

    def wait(self, timeout: float | None = None) -> tuple[str, int] | None:
        """The name and exit status of the next one that ends; ``None`` when none did in time."""
        try:
            return self._ended.get(timeout=timeout)
        except queue.Empty:
            return None

    def interrupt(self) -> None:
        """Make a ``wait`` in progress return, from a signal handler: name "", status 0."""
        self._ended.put(("", 0))

    def stop(self) -> None:
        """End all."""
        for number, patience in _STEPS:
            alive = [child for child in self.children.values() if child.poll() is None]
            if not alive:
                break
            for child in alive:
                _signal_group(child.pid, number)
            give_up = time.monotonic() + patience
            while any(child.poll() is None for child in alive) and time.monotonic() < give_up:
                time.sleep(0.02)


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        pass


def _die_with(parent: int):
    def prepare() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return prepare
