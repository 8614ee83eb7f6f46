"""The one thread that runs the faculties.

A model always runs on the same thread, and a ROS executor must not wait for it: callbacks hand their work here and
return. Work in a slot replaces what still waits in that slot (newest wins); work without one runs in order.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

Job = Callable[[], Any]


class Worker:
    """One thread, torch set up for it, and a mailbox."""

    def __init__(self, torch_threads: int = 1) -> None:
        self._torch_threads = torch_threads
        self._jobs: OrderedDict[Hashable, tuple[Job, Callable[[Exception], None]]] = OrderedDict()
        self._ready = threading.Condition()
        self._closed = False
        self.dropped = 0
        self._busy_since: float | None = None  # time.monotonic()
        self._thread = threading.Thread(target=self._run, name="faculties", daemon=True)
        self._thread.start()

    def submit(self, job: Job, failed: Callable[[Exception], None], slot: Hashable | None = None) -> None:
        """Run ``job`` soon. ``failed`` hears of its exception, on the worker's thread."""
        with self._ready:
            if self._closed:
                return
            key = object() if slot is None else slot
            self.dropped += self._jobs.pop(key, None) is not None
            self._jobs[key] = (job, failed)
            self._ready.notify()

    def call(self, job: Callable[[], Any], timeout: float) -> Any:
        """Run ``job`` after all that waits now; its result or its exception, or TimeoutError if it takes longer."""
        if threading.current_thread() is self._thread:
            return job()
        done, outcome = threading.Event(), {}

        def run() -> None:
            try:
                outcome["result"] = job()
            except Exception as error:
                outcome["error"] = error
            finally:
                done.set()

        self.submit(run, lambda error: None)
        if not done.wait(timeout):
            raise TimeoutError(f"the faculties' thread was busy for more than {timeout} s")
        if "error" in outcome:
            raise outcome["error"]
        return outcome["result"]

    def barrier(self, timeout: float = 5.0) -> bool:
        """Wait until everything submitted so far has run."""
        if threading.current_thread() is self._thread:
            return True
        done = threading.Event()
        self.submit(done.set, lambda error: None)
        return self._closed or done.wait(timeout)

    def trouble(self, patience: float) -> str:
        """What is wrong with the thread, in a line: it has ended, or one job takes longer than ``patience`` seconds."""
        if self._closed:
            return ""
        if not self._thread.is_alive():
            return "the faculties' thread has ended"
        busy = time.monotonic() - since if (since := self._busy_since) is not None else 0.0
        return f"the faculties' thread hangs: one job takes {busy:.1f} s" if busy > patience else ""

    def close(self, timeout: float = 2.0) -> None:
        """Drop what waits, let the running job end, stop the thread."""
        with self._ready:
            self._closed = True
            self._jobs.clear()
            self._ready.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)

    def _run(self) -> None:
        import torch

        torch.set_num_threads(self._torch_threads)
        with torch.inference_mode():
            while True:
                with self._ready:
                    self._ready.wait_for(lambda: self._jobs or self._closed)
                    if self._closed:
                        return
                    _, (job, failed) = self._jobs.popitem(last=False)
                self._busy_since = time.monotonic()
                try:
                    job()
                except Exception as error:
                    failed(error)
                finally:
                    self._busy_since = None
