"""The faculties' thread: newest wins in a slot, order elsewhere, and no error ends it."""

import threading

import pytest
import torch

from latentworld.ros.worker import Worker


@pytest.fixture
def worker():
    worker = Worker()
    yield worker
    worker.close()


def held(worker):
    """Keep the thread busy until the returned event is set."""
    begun, go = threading.Event(), threading.Event()
    worker.submit(lambda: (begun.set(), go.wait(10)), pytest.fail)
    assert begun.wait(10)
    return go


def test_newest_wins_in_a_slot_and_the_rest_keeps_its_order(worker):
    done, go = [], held(worker)
    for k in range(3):
        worker.submit(lambda k=k: done.append(("odom", k)), pytest.fail)
        worker.submit(lambda k=k: done.append(("frame", k)), pytest.fail, slot="frame")
    go.set()
    assert worker.barrier()
    assert done == [("odom", 0), ("odom", 1), ("odom", 2), ("frame", 2)]
    assert worker.dropped == 2


def test_an_error_is_told_and_the_thread_lives(worker):
    told = []
    worker.submit(lambda: 1 / 0, told.append)
    assert worker.call(lambda: 7, 5.0) == 7
    assert isinstance(told[0], ZeroDivisionError)


def test_call_returns_raises_and_gives_up(worker):
    with pytest.raises(ZeroDivisionError):
        worker.call(lambda: 1 / 0, 5.0)
    go = held(worker)
    with pytest.raises(TimeoutError):
        worker.call(lambda: None, 0.05)
    go.set()


def test_one_thread_in_inference_mode(worker):
    def where():
        return threading.current_thread().name, torch.is_inference_mode_enabled(), torch.get_num_threads()

    assert worker.call(where, 10.0) == ("faculties", True, 1)
    assert not torch.is_inference_mode_enabled()


def test_close_does_not_wait_for_what_was_not_begun(worker):
    done, go = [], held(worker)
    worker.submit(lambda: done.append(1), pytest.fail)
    threading.Timer(0.05, go.set).start()
    worker.close()
    assert not done and not worker._thread.is_alive()
