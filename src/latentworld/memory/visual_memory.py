"""The visual memory: what was seen, where and when, kept across restarts and asked by any combination of keys."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentworld.memory import lookup
from latentworld.memory.anchoring import Anchoring, Laying
from latentworld.memory.checks import check_forgettable, check_latent, check_moment
from latentworld.memory.correction import Trajectory
from latentworld.memory.forgetting import Going, told_by
from latentworld.memory.joining import Join
from latentworld.memory.keyframes import Keyframe, KeyframeGate
from latentworld.memory.latent_format import KeptModel
from latentworld.memory.object_memory import ObjectMemory
from latentworld.memory.objects import ObjectParameters
from latentworld.memory.odometry_drift import OdometryDrift
from latentworld.memory.parameters import MemoryParameters
from latentworld.memory.query import MemoryAnswer, MemoryQuery
from latentworld.memory.records import Record
from latentworld.memory.remembered import Changes, RememberedObject, changes, stays
from latentworld.memory.search import MemorySearch
from latentworld.memory.store import KeyframeStore
from latentworld.memory.text_search import TextEncoder, TextSearch
from latentworld.memory.writer import SEAL
from latentworld.types import Latent, LatentworldError, Objects, WorldState, seconds

if TYPE_CHECKING:  # torch takes seconds to load, and most of what is asked needs none
    from latentworld.memory.neural import NeuralLearner, NeuralParameters, Recalled


class VisualMemory:
    """Keyframes of one model's latents in one file; many threads may ask while one gives it what is seen.

    model_id: of the latents it keeps and compares; ``None`` opens an existing file for reading alone, with the model of
    its newest keyframe. Poses are in ``frame_id`` as laid at this start: odometry begins anew each time, so places of
    earlier layings are remembered but never compared with this one's.
    """

    def __init__(
        self,
        path: str | Path,
        model_id: str | None = None,
        parameters: MemoryParameters | None = None,
        frame_id: str = "odom",
        looks: int | None = None,
        neural: NeuralParameters | None = None,
        object_parameters: ObjectParameters | None = None,
        text: TextEncoder | None = None,
        seal_rows: int = SEAL,
    ):
        """looks: how many of a latent's last numbers it is found by, ``None`` all; what a memory once had stays.
        neural: of the network that learns beside the store to foretell the others; ``None``: there is none.
        text: finds keyframes by words, once ``read_pictures`` has read them. seal_rows: young keyframes that are sealed
        as one segment.
        """
        parameters = parameters or MemoryParameters()
        self.store = KeyframeStore(
            path, writable=model_id is not None, interval=parameters.commit_interval, rows=parameters.commit_rows,
            seal_rows=seal_rows, budget=int(parameters.disk_budget * 1e9),
        )  # fmt: skip
        self.model_id = model_id or self.store.newest_model()
        self._parameters, self._frame_id, self._looks = parameters, frame_id, looks
        self._anchoring = Anchoring(self.store, Laying(0 if model_id else self.store.newest_frame))
        self._gate = KeyframeGate(parameters)
        self._drift = OdometryDrift(parameters.position_drift, parameters.heading_drift)
        self._text = TextSearch(self.store, text) if text is not None else None
        self._search = MemorySearch(self.store, self.model_id, parameters, self._text)
        self._model: KeptModel | None = None
        self._dimensions = self.store.format(self.model_id).dimensions  # 0: no latent yet
        self._last: WorldState | None = None
        self._neural, self._learner = neural, None
        self._objects = ObjectMemory(self.store, parameters, object_parameters)

    def consider(
        self, state: WorldState, latent: Latent, thumbnail: bytes | None = None, covariance: np.ndarray | None = None,
        objects: Callable[[], Objects | None] | None = None,
    ) -> int | None:  # fmt: skip
        """Keep a frame if it is worth it; answers its id then.

        state: the belief at the exposure of ``latent``. thumbnail: JPEG. covariance: (3, 3) of x, y, yaw, measured;
        otherwise what odometry is expected to have drifted. objects: what the frame shows, asked for only when it is
        kept. Durable within ``commit_interval``.
        """
        self._check(latent)
        check_moment(state, latent, covariance)
        if self._last is not None and self._jumped(state, self._last):
            self.lay_frame()
        self._last = state
        drift = self._drift.move(state.pose)
        if not self._gate.keep(state):
            return None
        if not self._frame:
            self._anchoring.lay(Laying(self.store.lay_frame(self._frame_id, state.stamp)))
        if self._model is None:
            self._dimensions = len(latent.vector)
            self._model = self.store.model(self.model_id, self._dimensions, self._looks)
        covariance = drift if covariance is None else covariance
        shown = objects() if objects is not None else None

        def record(id: int) -> Record:
            stays = () if shown is None else self._objects.take(shown, state.pose, covariance, self._frame, id)
            return Record(
                latent.stamp, self._frame, state.pose, covariance, state.p_value, self._model, latent.vector,
                thumbnail, stays,
            )  # fmt: skip

        id = self.store.add(record)
        if self.laying.first is None:
            self._anchoring.lay(replace(self.laying, first=id))
        if self._neural is not None and self._neural.rehearsals:
            learner = self._learning()
            learner.take(id, self._frame, state.pose, latent.vector[: learner.dimensions])
        return id

    def lay_frame(self) -> None:
        """Poses from here on are in a frame laid anew: nothing seen before has a known place in it."""
        self._anchoring.lay(Laying())
        self._last = None
        self._gate.reset()
        self._drift.reset()
        self._objects.lay_frame()

    def query(self, query: MemoryQuery) -> MemoryAnswer:
        """What the memory holds of it: exact, over all that is durable (no more than ``commit_interval`` ago)."""
        if query.latent is not None:
            self._check(query.latent)
        answer = self._search.answer(query, self._frame if query.frame is None else query.frame)
        self.store.answered(keyframe.id for keyframe in answer.keyframes)
        return answer

    def read_pictures(self, most: int | None = None, tell: Callable[[int, int], None] | None = None) -> int:
        """Read thumbnails that the text encoder has not seen, the newest first, ``most`` of them, into a file beside
        the base; answers how many are left. Also in a memory that was opened for reading.

        tell: hears how many are read, and of how many, now and then.
        """
        return self._text.read(most, tell) if self._text is not None else 0

    def objects(
        self, place: tuple[float, float] | None = None, radius: float = math.inf, after: int | None = None,
        before: int | None = None, like: Objects | None = None, which: int | None = None, frame: int | None = None,
    ) -> tuple[RememberedObject, ...]:  # fmt: skip
        """The things that stood within ``radius`` metres of a place (in laying ``frame``, default the one in force), or
        were seen in a span of stamps, or look like what a frame shows (``which`` of it, default the largest).

        The likest first where a look is asked for, else the one that was seen last. Each comes with all of its history.
        """
        frame = self._frame if frame is None else frame
        return self._objects.find(frame, place, radius, after, before, like, which)

    def object(self, id: int) -> RememberedObject | None:
        """One thing, with all of its history."""
        return self._objects.one(id, self._frame)

    def changes(
        self, since: int, place: tuple[float, float] | None = None, radius: float = math.inf, frame: int | None = None
    ) -> Changes:
        """What turned up, went, or moved after stamp ``since``, about a place or everywhere."""
        return changes(self.objects(place, radius, frame=frame), since)

    @property
    def laying(self) -> Laying:
        """That is in force."""
        return self._anchoring.laying

    @property
    def _frame(self) -> int:
        return self.laying.frame

    def newest_views(self, limit: int) -> lookup.Views:
        """The newest keyframes, the newest first, with the numbers they are found by."""
        with self.store.reading() as connection:
            return lookup.newest_views(connection, self.model_id, limit, self.store.format(self.model_id))

    def earlier_views(self, latent: Latent, limit: int) -> lookup.Views:
        """The ``limit`` keyframes that look most like a latent, of those from before the laying in force began, in no
        order. Nothing is taken for used by that.
        """
        self._check(latent)
        return self._search.earlier_views(latent.vector, self.laying.first, limit)

    def views_within(self, frame: int, place: np.ndarray, radius: float, most: int) -> lookup.Views:
        """Keyframes within ``radius`` metres of a place (x, y) in laying ``frame``; where there are more, ``most`` of
        them, of all times.
        """
        with self.store.reading() as connection:
            format = self.store.format(self.model_id)
            return lookup.views_within(connection, self.model_id, frame, np.asarray(place), radius, format, most)

    def foretell(self, poses: np.ndarray) -> Recalled:
        """What would be seen from poses (N, 3) in the frame laid last, also from where nobody stood: the first numbers
        of latents, those that are not looks.

        Raises LatentworldError where nothing was learned in that frame.
        """
        from latentworld.memory.neural import NeuralMemory

        poses = np.asarray(poses, np.float64)
        if poses.ndim != 2 or poses.shape[1] != 3 or not np.isfinite(poses).all():
            raise LatentworldError(f"memory foretell: expected finite poses (N, 3), got {poses.tolist()}")
        if self._learner is not None and self._learner.frame == self._frame:
            return self._learner.recall(poses)
        return NeuralMemory.load(self.store.layout.neural, self.model_id, self._frame).recall(poses)

    def correct(self, trajectory: Trajectory) -> int:
        """Move what was seen on the way to where localisation now knows it was seen from; answers the number of the
        trajectory's frame, for queries that ask there.
        """
        return self._anchoring.correct(trajectory)

    def anchor(self) -> bool:
        """Move what was seen in the frame that is laid now to where the things say that it was seen from; answers
        whether there was anything to move.

        Odometry drifts; a thing that is seen again says by how much. Where localisation has corrected this frame, it
        knows better, and nothing is done.
        """
        trajectory = self._objects.trajectory()
        if trajectory is not None:
            self._anchoring.anchor(trajectory)
        return trajectory is not None

    def join(self, join: Join) -> None:
        """Move all that lies in an earlier laying to where it lies in the one in force, as one and at once.

        Raises LatentworldError where another is in force by now, or where it lies is known already.
        """
        self._anchoring.join(join)

    def earlier_runs(self) -> int:
        """How many runs of keyframes lie in layings of odometry before the one in force."""
        query = "SELECT count(*) FROM submap s JOIN frame f ON f.id = s.frame WHERE f.name = ? AND f.id != ?"
        with self.store.reading() as connection:
            return connection.execute(query, (self._frame_id, self._frame)).fetchone()[0]

    def is_odometry(self, frame: int) -> bool:
        """Whether that is a laying of this memory's frame, whose place nothing else knows."""
        return self.store.frame_name(frame) == self._frame_id

    def forget(self, query: MemoryQuery, within: float | None = None) -> int:
        """Forget what lies in the query's place, time and surprise, and looks like its latent to a distance of
        ``within``; or a thing, with every keyframe that may show it.

        Answers how many keyframes that were. On return no file holds them, their pictures, or what was made of them.

        Raises LatentworldError for a query without keys (to forget everything, delete the files), for words, or for a
        thing along with other keys.
        """
        check_forgettable(query, within)
        frame = self._frame if query.frame is None else query.frame
        if query.latent is not None:
            self._check(query.latent)

        def choose(connection: sqlite3.Connection) -> Going:
            if query.object is not None:
                known = {stay.id for stay in stays(connection, query.object)}
                return Going(set(lookup.may_show(connection, query.object)), known)
            ids = set(self._search.all(connection, query, frame, within))
            return Going(ids, told_by(connection, ids))

        def take_out() -> set[int]:
            return self.store.writer.forget(choose)

        with self._objects.paused():
            return len(take_out() if self._learner is None else self._learner.forget(take_out))

    def get(self, id: int) -> Keyframe | None:
        """One keyframe with its thumbnail, also one that was kept a moment ago."""
        if self.store.awaits(id):
            self.store.flush()
        with self.store.reading() as connection:
            found = lookup.keyframes(connection, np.array([id]), self._frame, self.store.pictures)
        return found[0] if found else None

    def flush(self) -> None:
        """Return once all that was kept is on disk, and learned."""
        self.store.flush()
        if self._learner is not None:
            self._learner.settle()

    def close(self) -> None:
        if self._learner is not None:
            self._learner.close()
        self.store.close()

    def __len__(self) -> int:
        with self.store.reading() as connection:
            return connection.execute("SELECT count(*) FROM keyframe").fetchone()[0]

    def __enter__(self) -> VisualMemory:
        return self

    def __exit__(self, *error) -> None:
        self.close()

    @property
    def failure(self) -> str:
        """Why the disk does not take what it should, "" where it does."""
        return self.store.failure or (self._learner.failure if self._learner is not None else "")

    def _learning(self) -> NeuralLearner:
        if self._learner is None:
            from latentworld.memory.neural import NeuralLearner

            format = self._model.format
            foretold = format.dimensions - format.looks or format.dimensions
            self._learner = NeuralLearner(self.store.layout.neural, self.model_id, foretold, self._neural)
        return self._learner

    def _check(self, latent: Latent) -> None:
        check_latent(latent, self.model_id, self._dimensions, f"memory {self.store.path}")

    def _jumped(self, state: WorldState, last: WorldState) -> bool:
        elapsed = seconds(state.stamp - last.stamp)
        speed = max(abs(float(state.velocity[0])), abs(float(last.velocity[0])))
        moved = math.dist(state.pose[:2], last.pose[:2])
        return elapsed < 0 or moved > self._parameters.jump_distance + 1.5 * speed * elapsed
