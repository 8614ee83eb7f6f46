"""What is forgotten is in no answer and in no file, whatever was going on; the rest stays as it was."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from walks import ALL, MODEL, as_kept, latent_at, state_at

from latentworld.memory import MemoryQuery, VisualMemory, forgetting
from latentworld.memory.latent_format import LatentFormat
from latentworld.types import LatentworldError, stamp_of

ROWS, SEAL, DIMENSIONS = 700, 120, 16


def vector(i: int) -> np.ndarray:
    return as_kept(np.random.default_rng(i).normal(size=(1, DIMENSIONS)))[0]


def picture(i: int) -> bytes:
    return b"<what was seen at %d>" % i


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A walk along x with a corner of y = 5, sealed for the most part."""
    folder = tmp_path_factory.mktemp("full")
    often = replace(ALL, commit_interval=0.01, commit_rows=60)
    with VisualMemory(folder / "memory.sqlite", MODEL, often, seal_rows=SEAL) as memory:
        for i in range(1, ROWS + 1):
            pose = (0.05 * i, 5.0 if 200 < i <= 260 else 0.0, 0.0)
            assert memory.consider(state_at(i, pose, speed=99.0), latent_at(i, vector(i)), picture(i)) == i
            if i % 60 == 0:
                memory.store.writer.settle()
    return folder


def traces(folder: Path, i: int) -> list[str]:
    """Files that still hold a keyframe's latent or its picture."""
    code = LatentFormat(DIMENSIONS, DIMENSIONS).coded(vector(i)[None])[0][0]
    needles = (code[-DIMENSIONS:].tobytes(), code[:-DIMENSIONS].tobytes(), picture(i))  # segments have them apart
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in files if any(needle in path.read_bytes() for needle in needles)]


def check(folder: Path, gone: set[int]) -> None:
    left = sorted(set(range(1, ROWS + 1)) - gone)
    with VisualMemory(folder / "memory.sqlite", MODEL) as memory:
        assert len(memory) == len(left)
        for i in sorted(gone)[::7]:
            found = memory.query(MemoryQuery(latent_at(0, vector(i)), limit=5)).keyframes
            assert i not in {k.id for k in found} and all(k.latent_distance > 0.5 for k in found)
            assert memory.get(i) is None
        times = memory.query(MemoryQuery(after=0, before=stamp_of(ROWS), limit=1000)).keyframes
        assert sorted(k.id for k in times) == left
        places = memory.query(MemoryQuery(place=(0.0, 0.0), limit=1000, frame=1)).keyframes
        assert sorted(k.id for k in places) == left
        for i in left[::29]:
            found = memory.query(MemoryQuery(latent_at(0, vector(i)), limit=1, thumbnails=True)).keyframes[0]
            assert (found.id, found.thumbnail) == (i, picture(i)) and found.latent_distance < 1e-6
    assert not [trace for i in sorted(gone)[::3] for trace in traces(folder, i)]
    assert all(traces(folder, i) for i in left[::50])


@pytest.mark.parametrize(
    "keys, within, gone",
    [
        ({"place": (11.5, 5.0), "radius": 2.0, "frame": 1}, None, set(range(201, 261))),
        ({"after": stamp_of(300), "before": stamp_of(650)}, None, set(range(300, 651))),
        ({"after": stamp_of(690)}, None, set(range(690, 701))),
        ({"before": stamp_of(400), "latent": latent_at(0, vector(77))}, 0.1, {77}),
        ({"latent": latent_at(0, vector(555))}, 0.1, {555}),
        ({"before": stamp_of(ROWS)}, None, set(range(1, ROWS + 1))),
    ],
)
def test_what_is_forgotten_is_in_no_answer_and_no_file(full, tmp_path, keys, within, gone):
    shutil.copytree(full, tmp_path / "copy")
    path = tmp_path / "copy" / "memory.sqlite"
    assert all(len(traces(path.parent, i)) >= 2 for i in list(gone)[:3])
    with VisualMemory(path, MODEL) as memory:
        assert memory.forget(MemoryQuery(**keys), within) == len(gone)
        assert memory.forget(MemoryQuery(**keys), within) == 0
    check(path.parent, gone)
    with VisualMemory(path, MODEL, ALL) as memory:  # it goes on, and gives no number again
        assert not memory.store.repaired
        assert memory.consider(state_at(ROWS + 9), latent_at(ROWS + 9, vector(9999))) == ROWS + 1


@pytest.mark.parametrize("moment", ["Pictures", "_from_base", "Segment", "_from_journal", "write_whole", "settle"])
def test_a_crash_while_forgetting_is_finished_at_the_next_opening(full, tmp_path, moment, monkeypatch):
    shutil.copytree(full, tmp_path / "copy")
    path = tmp_path / "copy" / "memory.sqlite"
    memory = VisualMemory(path, MODEL)
    real = getattr(forgetting, moment)

    def crash(*given):
        if moment != "settle":
            raise KeyboardInterrupt
        real(*given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(forgetting, moment, crash)
        with pytest.raises(KeyboardInterrupt):
            memory.forget(MemoryQuery(after=stamp_of(100), before=stamp_of(660)))
    shutil.copytree(path.parent, tmp_path / "crashed")
    memory.store.close()
    with VisualMemory(tmp_path / "crashed" / "memory.sqlite", MODEL) as memory:
        assert moment == "settle" or "were being forgotten" in memory.store.repaired
    check(tmp_path / "crashed", set(range(100, 661)))


def test_a_base_rebuilt_later_does_not_remember_it(full, tmp_path):
    shutil.copytree(full, tmp_path / "copy")
    path = tmp_path / "copy" / "memory.sqlite"
    with VisualMemory(path, MODEL) as memory:
        memory.forget(MemoryQuery(after=stamp_of(100), before=stamp_of(660)))
    path.write_bytes(b"gone")
    with VisualMemory(path, MODEL) as memory:
        assert "rebuilt 139 keyframes" in memory.store.repaired
        memory.forget(MemoryQuery(before=stamp_of(50)))  # and this not even where the damaged base was put
    assert not [trace for i in range(1, 51, 7) for trace in traces(path.parent, i)]


def test_a_reader_in_another_process_forgets_too(full, tmp_path):
    shutil.copytree(full, tmp_path / "copy")
    path = tmp_path / "copy" / "memory.sqlite"
    with VisualMemory(path, MODEL) as writer, VisualMemory(path) as reader:
        ask = MemoryQuery(latent_at(0, vector(690)), limit=1)
        assert reader.query(ask).keyframes[0].id == 690
        writer.forget(MemoryQuery(after=stamp_of(680)))
        assert reader.query(ask).keyframes[0].id < 680


def test_forgetting_asks_for_keys(full, tmp_path):
    shutil.copytree(full, tmp_path / "copy")
    with VisualMemory(tmp_path / "copy" / "memory.sqlite", MODEL) as memory:
        for query, within, said in (
            (MemoryQuery(), None, "a place, a time, a surprise, a latent or a thing, got a query for everything"),
            (MemoryQuery(latent_at(0, vector(1))), None, "the distance within which it is the same"),
            (MemoryQuery(after=1), 0.5, "the distance within which it is the same"),
        ):
            with pytest.raises(LatentworldError, match=said):
                memory.forget(query, within)
        assert len(memory) == ROWS
