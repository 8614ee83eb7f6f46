"""Walks to remember, for the tests of the memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np

from latentworld.memory import MemoryParameters, VisualMemory, journal, store
from latentworld.memory.latent_format import LatentFormat
from latentworld.memory.layout import Layout
from latentworld.memory.records import Record
from latentworld.memory.store import KeyframeStore
from latentworld.memory.thumbnails import thumbnail
from latentworld.types import Latent, WorldState, stamp_of

MODEL, DIMENSIONS = "0123456789ab", 24
ALL = MemoryParameters(keep_distance=0.0, keep_angle=0.0, keep_p_value=1.0, keep_interval=0.0)


def state_at(t: float, pose=(0.0, 0.0, 0.0), p_value: float = 0.5, speed: float = 0.5) -> WorldState:
    stamp, nothing = stamp_of(t), np.zeros(2, np.float32)
    return WorldState(
        stamp, stamp, MODEL, np.array(pose), np.array([speed, 0.0]), nothing, np.zeros(4, np.float32), p_value=p_value
    )


def latent_at(t: float, vector: np.ndarray, model_id: str = MODEL) -> Latent:
    return Latent(stamp_of(t), model_id, vector)


def as_kept(latents: np.ndarray, looks: int | None = None) -> np.ndarray:
    """Latents (N, D) as a memory keeps them: to 12 bits the last ``looks`` of them (default all), to 8 the others."""
    size = np.shape(latents)[1]
    format = LatentFormat(size, looks or size)
    return format.decoded(*format.coded(latents))


def walk_through() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A walk of 400 keyframes: times (N,) s, poses (N, 3), latents (N, D) that change with the place."""
    random = np.random.default_rng(3)
    times = np.cumsum(random.uniform(0.2, 1.0, 400)) + 1.7e9
    poses = np.cumsum(random.normal(0, 0.15, (400, 3)), axis=0)
    mixing = random.normal(size=(3, DIMENSIONS))
    vectors = (np.sin(poses @ mixing) + 0.05 * random.normal(size=(400, DIMENSIONS))).astype(np.float32)
    return times, poses, vectors


def filled(path, count: int, seed: int = 7):
    """A store of many rooms, written straight: stamps, poses, latents as a query must see them."""
    random = np.random.default_rng(seed)
    poses = random.uniform(-40, 40, (count, 3))
    latents = random.normal(size=(count, 16)).astype(np.float32)
    stamps = [stamp_of(1.7e9 + 0.1 * i) for i in range(count)]
    writing = KeyframeStore(path, rows=100_000)
    frame, model = writing.lay_frame("odom", stamps[0]), writing.model(MODEL, 16)
    for stamp, pose, latent in zip(stamps, poses, latents, strict=True):
        writing.add(Record(stamp, frame, pose, np.eye(3), 0.5, model, latent))
        if writing.waiting >= 9_000:
            writing.flush()
    writing.close()
    return np.array(stamps), poses, as_kept(latents)


AS_IN_4 = """CREATE TABLE old (id INTEGER PRIMARY KEY, model_id TEXT NOT NULL UNIQUE, dimensions INTEGER NOT NULL,
    looks INTEGER NOT NULL);
INSERT INTO old SELECT id, model_id, dimensions, looks FROM model;
DROP TABLE model;
ALTER TABLE old RENAME TO model;
PRAGMA user_version = 4;"""


@contextmanager
def kept_to_8_bits(path, monkeypatch, sql: str = AS_IN_4) -> Iterator[None]:
    """What is written meanwhile is as schema 4 had it, or, with another ``sql``, an earlier one."""
    with monkeypatch.context() as patched:
        patched.setattr(store, "LatentFormat", partial(LatentFormat, bits=8))
        yield
    old = sqlite3.connect(path)
    old.executescript(sql)
    old.close()
    layout = Layout(path)
    for file in (layout.catalogue, *(file for _, file in layout.journals())):
        events = journal.read(file)
        file.unlink(missing_ok=True)
        again = journal.Journal(file)
        for event, rows in events:
            again.append(event | {"model": [row[:4] for row in event.get("model", ())]}, rows)
        again.close()


def pictures(path, count: int = 7):
    """A memory whose keyframes carry thumbnails of one colour each; the colours, RGB."""
    colours = [(36 * i, 255 - 36 * i, 40) for i in range(count)]
    with VisualMemory(path, MODEL, ALL) as memory:
        for i, colour in enumerate(colours):
            picture = np.full((48, 64, 3), colour, np.uint8)
            memory.consider(
                state_at(i, (i, 0.5 * i, 0.1)), latent_at(i, np.full(8, i, np.float32)), thumbnail(picture, 32)
            )
    return colours
