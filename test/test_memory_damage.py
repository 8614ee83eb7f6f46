"""Any one file of a memory may be lost, cut off or overwritten, and its writer may be killed at any moment: no
acknowledged keyframe is lost, it opens again, and it says what it repaired.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from walks import MODEL, as_kept

import latentworld
from latentworld.memory import MemoryQuery, VisualMemory
from latentworld.memory.base import KEYFRAME, rows_of
from latentworld.memory.objects import Stay
from latentworld.memory.records import Record
from latentworld.memory.remembered import stays
from latentworld.memory.store import KeyframeStore
from latentworld.types import Latent, stamp_of

ROWS, SEAL, DIMENSIONS = 950, 100, 16  # eight segments merged into one, another one, half a journal


def pose_of(i: int) -> np.ndarray:
    return np.array([0.1 * i, np.sin(0.05 * i), 0.01 * i])


def latent_of(i: int) -> np.ndarray:
    return np.random.default_rng(i).normal(size=DIMENSIONS).astype(np.float16)


def picture_of(i: int) -> bytes:
    return b"picture %d " % i * 9


def stay_of(i: int) -> Stay:
    """Every ten keyframes show one thing at one place, which each of them adds to."""
    first, look = i - (i - 1) % 10, np.arange(4, dtype=np.float32) * i
    begun = first // 10 + 1, first // 20 + 1, 1, "finder", pose_of(first)[:2], stamp_of(first)
    return Stay(*begun, stamp_of(i), 0, i - first + 1, first, first, i, 7, look)


def keep(store: KeyframeStore, first: int, last: int) -> None:
    frame, model = store.newest_frame or store.lay_frame("odom", 0), store.model(MODEL, DIMENSIONS)
    for i in range(first, last + 1):
        what = model, latent_of(i), picture_of(i), (stay_of(i),)
        assert store.add(Record(stamp_of(i), frame, pose_of(i), np.eye(3), 0.5, *what)) == i


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """A memory as it lies on disk after its writer has left it."""
    folder = tmp_path_factory.mktemp("closed")
    store = KeyframeStore(folder / "memory.sqlite", rows=50, seal_rows=SEAL)
    for first in range(1, ROWS + 1, 50):
        keep(store, first, first + 49)
        store.writer.settle()
    store.close()
    return folder


@pytest.fixture(scope="module")
def crashed(tmp_path_factory):
    """The same as it lies on disk while its writer goes on: with SQLite's own log."""
    folder, copy = tmp_path_factory.mktemp("open"), tmp_path_factory.mktemp("crashed") / "copy"
    store = KeyframeStore(folder / "memory.sqlite", rows=50, seal_rows=SEAL)
    for first in range(1, ROWS + 1, 50):
        keep(store, first, first + 49)
        store.writer.settle()
    shutil.copytree(folder, copy)
    store.close()
    assert (copy / "memory.sqlite-wal").stat().st_size > 0
    return copy


def files_of(folder: Path) -> list[str]:
    kept = {".damaged", ".lock", "-shm"}
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return sorted(str(f) for f in files if not any(part in str(f) for part in kept))


def check_whole(path: Path) -> str:
    """Every keyframe is there as it was kept; answers what was repaired."""
    with VisualMemory(path, MODEL) as memory:
        said = memory.store.repaired
        with memory.store.reading() as connection:
            rows, sound = rows_of(connection.execute(f"SELECT {KEYFRAME} FROM keyframe ORDER BY id").fetchall())
            kept = stays(connection)
        assert rows.head["id"].tolist() == list(range(1, ROWS + 1)) and sound.all()
        assert rows.head["stamp"].tolist() == [stamp_of(i) for i in range(1, ROWS + 1)]
        np.testing.assert_array_equal(rows.head["pose"], [pose_of(i) for i in range(1, ROWS + 1)])
        latents = memory.store.format(MODEL).decoded(rows.codes, rows.head["step"])
        np.testing.assert_array_equal(latents, as_kept([latent_of(i) for i in range(1, ROWS + 1)]))
        assert [stay.row() for stay in kept] == [stay_of(i).row() for i in range(10, ROWS + 1, 10)]
        for i in (1, 420, ROWS):
            near = memory.query(MemoryQuery(Latent(0, MODEL, latent_of(i).astype(np.float32)), limit=1)).keyframes[0]
            beside = memory.query(MemoryQuery(place=pose_of(i), limit=1, frame=1)).keyframes[0]
            assert near.id == beside.id == i
    return said


def harm(path: Path, how: str, random: np.random.Generator) -> None:
    size = path.stat().st_size
    if how == "deleted":
        path.unlink()
        return
    with open(path, "r+b") as file:
        if how == "emptied":
            file.truncate(0)
        elif how == "cut off":
            file.truncate(size // 2)
        elif how == "overwritten":
            file.write(os.urandom(size))
        elif how == "flipped":  # one byte in every 2000
            for at in random.integers(0, size, max(1, size // 2000)):
                file.seek(at)
                byte = file.read(1)[0]
                file.seek(at)
                file.write(bytes([byte ^ 0xFF]))


HOW = ["deleted", "emptied", "cut off", "overwritten", "flipped"]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("state", ["closed", "crashed"])
def test_whatever_happens_to_one_file_nothing_is_lost(state, how, tmp_path, request):
    source, random = request.getfixturevalue(state), np.random.default_rng(5)
    files = files_of(source)
    kinds = {Path(name).suffix for name in files}
    assert kinds >= {".sqlite", ".journal", ".segment", ".pictures", ""} and len(files) >= 6
    for number, name in enumerate(files):
        folder = tmp_path / str(number)
        shutil.copytree(source, folder)
        harm(folder / name, how, random)
        said = check_whole(folder / "memory.sqlite")
        harmless = how == "flipped" or name.endswith("-wal")  # in a byte that nothing is read from; twice written
        assert said or harmless, (name, how)
        assert check_whole(folder / "memory.sqlite") == "", (name, how)
        shutil.rmtree(folder)


def test_what_was_repaired_is_named(closed, tmp_path, caplog):
    shutil.copytree(closed, tmp_path / "copy")
    path = tmp_path / "copy" / "memory.sqlite"
    before = path.read_bytes()
    harm(path, "cut off", np.random.default_rng(0))
    damaged = path.read_bytes()
    said = check_whole(path)
    aside = next((tmp_path / "copy").glob("memory.sqlite.damaged-*Z"))
    assert aside.read_bytes() == damaged != before
    assert str(path) in said and str(aside) in said and f"rebuilt {ROWS} keyframes" in said and said in caplog.text


def test_pictures_that_are_damaged_are_counted_and_the_others_found(closed, tmp_path):
    shutil.copytree(closed, tmp_path / "copy")
    pack = next((tmp_path / "copy").rglob("*.pictures"))
    with open(pack, "r+b") as file:
        file.truncate(pack.stat().st_size - 1000)
        file.seek(5000)
        file.write(b"\0" * 10)
    with VisualMemory(tmp_path / "copy" / "memory.sqlite", MODEL) as memory:
        assert "pictures were damaged and are lost; their keyframes are not" in memory.store.repaired
        lost = [i for i in range(1, ROWS + 1) if memory.get(i).thumbnail is None]
        assert 1 < len(lost) < 20 and all(memory.get(i).thumbnail == picture_of(i) for i in (1, 400, 900))


def test_a_row_that_rots_in_the_base_comes_back_from_its_second_copy(closed, tmp_path):
    shutil.copytree(closed, tmp_path / "copy")
    connection = sqlite3.connect(tmp_path / "copy" / "memory.sqlite")
    connection.execute("UPDATE keyframe SET x = x + 1 WHERE id IN (3, 940)")
    connection.execute("UPDATE keyframe SET latent = zeroblob(16) WHERE id = 500")
    connection.execute("UPDATE submap SET x = 7")
    connection.execute("DELETE FROM keyframe WHERE id = 77")
    connection.commit()
    connection.close()
    said = check_whole(tmp_path / "copy" / "memory.sqlite")
    assert "4 keyframes of the base were damaged; put back" in said
    assert "rows of submap were damaged" in said


WRITER = """
import os, sys
from test_memory_damage import KeyframeStore, keep
for line in sys.stdin:
    if pid := os.fork():
        print("pid", pid, flush=True)
        os.waitpid(pid, 0)
        print("ended", flush=True)
        continue
    store = KeyframeStore(sys.argv[1], interval=0.002, rows=16, seal_rows=60)
    print("held", store.acknowledged(), flush=True)
    i = store.acknowledged() + 1
    while True:
        keep(store, i, i + 6)
        store.flush()
        print("kept", store.acknowledged(), flush=True)
        i += 7
"""


def test_fifty_kills_lose_no_acknowledged_keyframe(tmp_path):
    path, random, acknowledged = tmp_path / "memory.sqlite", np.random.default_rng(9), 0
    places = [Path(latentworld.__file__).parents[1], Path(__file__).parent]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*map(str, places), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-c", WRITER, path]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=environment
    ) as parent:
        for _ in range(50):
            parent.stdin.write("again\n")
            said = dict(line.split() for line in (parent.stdout.readline() for _ in range(2)))
            assert int(said["held"]) >= acknowledged  # what the one before acknowledged is there
            for _ in range(random.integers(1, 15)):
                acknowledged = int(parent.stdout.readline().split()[1])
            os.kill(int(said["pid"]), signal.SIGKILL)
            while (line := parent.stdout.readline()) != "ended\n":
                acknowledged = int(line.split()[1])
        parent.stdin.close()
    with VisualMemory(path, MODEL) as memory:
        with memory.store.reading() as connection:
            ids = [id for (id,) in connection.execute("SELECT id FROM keyframe ORDER BY id")]
        assert ids == list(range(1, len(ids) + 1)) and len(ids) >= acknowledged > 300
        assert len(memory.store.layout.segments()) > 2
