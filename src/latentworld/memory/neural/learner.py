"""A neural memory that learns beside the store, on a thread of its own, while the robot drives."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np

from latentworld.memory.neural.neural_memory import NeuralMemory, Recalled
from latentworld.memory.neural.parameters import NeuralParameters
from latentworld.memory.neural.replay import Replay

log = logging.getLogger(__name__)

SAVED = 64  # keyframes after which it is saved
BEHIND = 256  # keyframes that wait at most; older ones are learned only as others are rehearsed


class NeuralLearner:
    """Each keyframe is written a few times, each time among others that were kept before.

    Poses of two layings of odometry never compare, so that in a new frame it begins with nothing. Any thread may give,
    ask and forget.
    """

    def __init__(self, path: Path, model_id: str, dimensions: int, parameters: NeuralParameters | None = None):
        """path: of the file that it is saved in. dimensions: D, of what it learns."""
        self.path, self.model_id, self.dimensions = path, model_id, dimensions
        self.parameters = parameters or NeuralParameters()
        self.frame = 0
        self._unlearned = self._not_saved = ""  # why
        self._first = 0  # id in this frame
        self._memory = self._nothing()
        self._replay = Replay(self.parameters.replay, dimensions)
        self._waiting: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=BEHIND)
        self._unsaved, self._busy, self._closed = 0, False, False
        self._changed = threading.Condition()  # of all that; held for moments
        self._knowing = threading.Lock()  # of the weights; held for one write
        self._filing = threading.RLock()  # of the file
        self._thread = threading.Thread(target=self._run, name="neural memory", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> str:
        """Why it could not save, or not learn the last keyframe; "" where all is well."""
        return self._not_saved or self._unlearned

    def take(self, id: int, frame: int, pose: np.ndarray, latent: np.ndarray) -> None:
        """A keyframe that was kept: pose (3,) in ``frame``, latent (D,). It is learned soon."""
        with self._changed:
            if frame != self.frame:
                self.frame, self._first, self._memory = frame, id, self._nothing()
                self._waiting.clear()
                self._replay.clear()
            self._replay.add(id, pose, latent)
            self._waiting.append((np.array(pose), np.array(latent)))
            self._changed.notify_all()

    def recall(self, poses: np.ndarray) -> Recalled:
        """What would be seen from poses (N, 3) in ``frame``."""
        with self._knowing:
            return self._memory.recall(poses)

    def forget(self, take_out: Callable[[], set[int]]) -> set[int]:
        """Run what takes keyframes out of the store, and learn all anew from what is left where any of those may have
        been learned. On return neither weights nor file hold anything of them; nothing is saved meanwhile.
        """
        with self._filing:
            ids = take_out()
            if max(ids, default=-1) >= self._first:
                self._learn_without(ids)
            if ids:
                self._save()
            return ids

    def catch_up(self) -> None:
        """Return once all that was taken is learned."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._waiting or self._busy) or self._closed)

    def settle(self) -> None:
        """Return once all that was taken is learned, and saved."""
        self.catch_up()
        if self._unsaved:
            self._save()

    def close(self) -> None:
        self.settle()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _learn_without(self, ids: set[int]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._busy)
            self._busy = True
            self._waiting.clear()
            self._replay.drop(ids)
            frame, lessons = self.frame, list(self._replay.lessons(self.parameters.batch, self.parameters.rehearsals))
        memory = self._nothing()
        try:
            for poses, latents in lessons:
                memory.write(poses, latents)
        finally:  # also where that fails: the old weights must not stay
            with self._changed:
                if self.frame == frame:
                    self._memory = memory
                self._done()

    def _nothing(self) -> NeuralMemory:
        return NeuralMemory(self.dimensions, self.parameters)

    def _done(self) -> None:
        self._busy = False
        self._changed.notify_all()

    def _save(self) -> None:
        """Where the disk fails the robot goes on; the next saving may succeed."""
        with self._filing:
            self._unsaved = 0
            try:
                with self._knowing:
                    self._memory.save(self.path, self.model_id, self.frame)
                self._not_saved = ""
            except OSError as error:
                self._not_saved = f"{self.path}: the neural memory is not saved: {error}"
                log.warning(self._not_saved)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: (self._waiting and not self._busy) or self._closed)
                if self._closed:
                    return
                self._busy = True
                memory, (pose, latent) = self._memory, self._waiting.popleft()
                drawn = [self._replay.draw(self.parameters.batch - 1) for _ in range(self.parameters.rehearsals)]
            try:
                for poses, latents in drawn:
                    with self._knowing:
                        memory.write(np.vstack([pose, poses]), np.vstack([latent, latents]))
                self._unlearned = ""
            except Exception as error:  # else whoever waits for it would wait for ever
                self._unlearned = f"{self.path}: a keyframe was not learned: {error}"
                log.exception(self._unlearned)
            finally:
                with self._changed:
                    self._unsaved += 1
                    self._done()
            if self._unsaved >= SAVED:
                self._save()
