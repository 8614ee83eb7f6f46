"""What every executable does around its nodes: start, spin on one thread, end on SIGINT or SIGTERM leaving nothing."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from typing import NoReturn

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from latentworld.ros.node import ManagedNode, said

_AHEAD = -10  # niceness of a process that must not wait for a busy machine
_PATIENCE = 8.0  # s from the signal until a process that does not end is ended


def run(make_nodes: Callable[[], Sequence[ManagedNode]], finish: Callable[[], None] = lambda: None) -> NoReturn:
    """Run nodes until a signal comes and end the process: status 0 after a signal, 1 when a node could not start."""
    status = _run(make_nodes, finish)
    gc.collect()  # cycles keep DDS and its shared memory alive
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)  # all is closed; taking down the interpreter with torch in it would cost half a second of CPU


def go_ahead_of_others() -> bool:
    """Let this process, and threads it begins later, run first on a busy machine. False where it is not permitted."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, _AHEAD)
    except PermissionError:
        return False
    return True


def _run(make_nodes: Callable[[], Sequence[ManagedNode]], finish: Callable[[], None]) -> int:
    ended: Future[int] = Future()
    _end_on_signal(lambda: ended.set_result(0))
    try:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:
        return _complain(error)
    executor, nodes = SingleThreadedExecutor(), []
    try:
        nodes = list(make_nodes())
        for node in nodes:
            executor.add_node(node)
        if not _start(nodes):
            return 1
        executor.spin_until_future_complete(ended)
        return 0
    except Exception as error:
        return _complain(error)
    finally:
        for node in reversed(nodes):
            if node.state in ("unconfigured", "inactive", "active"):
                node.trigger_shutdown()
        finish()
        executor.shutdown()
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()


def _start(nodes: Sequence[ManagedNode]) -> bool:
    """Configure all, then activate all, of those that start by themselves."""
    starting = [node for node in nodes if node.autostart]
    for step in ("trigger_configure", "trigger_activate"):
        for node in starting:
            if getattr(node, step)() != TransitionCallbackReturn.SUCCESS:
                return False
    return True


def _end_on_signal(end: Callable[[], None]) -> None:
    """Call ``end`` from a thread of its own on SIGINT or SIGTERM, also while the main thread waits inside DDS."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)

    def wait() -> None:
        with writer:  # keeps the descriptor open as long as this thread lives
            reader.recv(1)
            end()
            threading.Event().wait(_PATIENCE)
            sys.stderr.write(f"latentworld: ended by force, {_PATIENCE:.0f} s after the signal it was still here:\n")
            faulthandler.dump_traceback()
            os._exit(1)

    threading.Thread(target=wait, name="signals", daemon=True).start()


def _complain(error: Exception) -> int:
    sys.stderr.write(f"latentworld: {said(error)}\n")
    return 1
