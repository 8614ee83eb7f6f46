"""A memory that is asked in words, by a real CLIP with few weights."""

from __future__ import annotations

import threading

import cv2
import numpy as np
import pytest
from tiny_clip import COLOURS, picture, save
from typer.testing import CliRunner
from walks import MODEL, latent_at, state_at

from latentworld.cli import app
from latentworld.memory import MemoryQuery, VisualMemory
from latentworld.memory.picture_vectors import SUFFIX
from latentworld.memory.thumbnails import thumbnail
from latentworld.perception.text_encoder import ClipEncoder
from latentworld.types import LatentworldError, stamp_of

COUNT = 30  # keyframes, a metre from each other, of one colour after the other


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    save(folder)
    return folder


@pytest.fixture(scope="module")
def encoder(folder):
    return ClipEncoder.load(folder)


def colour(id: int) -> str:
    return list(COLOURS)[id % len(COLOURS)]


def fill(memory: VisualMemory, first: int = 1, last: int = COUNT) -> None:
    random = np.random.default_rng(first)
    for id in range(first, last + 1):
        jpeg = thumbnail(picture(colour(id), random), 96)
        state = state_at(float(id), (float(id), 0.0, 0.0), p_value=0.001 if id > 20 else 0.5, speed=9.0)
        assert memory.consider(state, latent_at(float(id), np.full(8, id, np.float32)), jpeg) == id
    memory.flush()


@pytest.fixture
def memory(tmp_path, encoder):
    with VisualMemory(tmp_path / "memory.sqlite", MODEL, text=encoder) as memory:
        fill(memory)
        yield memory


def shown(memory: VisualMemory, colour: str, **keys) -> list[int]:
    return [k.id for k in memory.query(MemoryQuery(text=f"a {colour} box", **keys)).keyframes]


def reds(first: int = 1, last: int = COUNT) -> set[int]:
    return {id for id in range(first, last + 1) if colour(id) == "red"}


def test_words_find_what_they_describe_along_with_any_other_key(memory):
    assert shown(memory, "red") == []  # nothing is read yet
    assert memory.read_pictures(most=7) == COUNT - 7 and memory.read_pictures() == 0
    assert set(shown(memory, "red", limit=10)) == reds()
    assert set(shown(memory, "red", after=stamp_of(11.0), before=stamp_of(20.0), limit=3)) == reds(11, 20)
    assert set(shown(memory, "red", place=(5.0, 0.0), radius=4.1, limit=3)) == reds(1, 9)
    assert set(shown(memory, "red", surprise=0.01, limit=4)) == reds(21)
    best = memory.query(MemoryQuery(text="a blue box", thumbnails=True)).keyframes
    distances = [k.latent_distance for k in best]
    assert distances == sorted(distances) and all(0 < d < 2 for d in distances) and best[0].thumbnail


def test_what_is_read_is_read_once_and_by_all(memory, tmp_path, encoder):
    read = []
    with VisualMemory(tmp_path / "memory.sqlite", text=encoder) as reader:
        assert reader.read_pictures(tell=lambda done, total: read.append((done, total))) == 0
        assert read == [(16, COUNT), (COUNT, COUNT)]
        assert set(shown(memory, "green", limit=10)) == set(shown(reader, "green", limit=10))
        fill(memory, COUNT + 1, COUNT + 5)
        assert reader.read_pictures() == memory.read_pictures() == 0
        found = reader.query(MemoryQuery(text="a red box", limit=1000)).keyframes
        assert sorted(k.id for k in found) == list(range(1, COUNT + 6))  # once each


def test_what_is_forgotten_is_in_no_vector(memory, tmp_path):
    memory.read_pictures()
    (path,) = (tmp_path / "memory.sqlite.d").glob(f"*{SUFFIX}")
    before = path.stat().st_size
    gone = memory.forget(MemoryQuery(place=(5.0, 0.0), radius=2.1))
    assert gone == 5 and memory.read_pictures() == 0
    assert not {3, 4, 5, 6, 7} & set(shown(memory, "red", limit=1000))
    assert path.stat().st_size == before - 5 * (8 + 4 + 16 + 4)
    assert memory.forget(MemoryQuery(surprise=0.001, before=stamp_of(22.0))) == 2
    assert not {21, 22} & set(memory._text._vectors.ids())
    with pytest.raises(LatentworldError, match="got words"):
        memory.forget(MemoryQuery(text="a red box", after=0))


def test_what_is_read_while_it_is_forgotten_does_not_come_back(memory):
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            memory.read_pictures(most=1)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for id in range(1, 11):
            assert memory.forget(MemoryQuery(place=(float(id), 0.0), radius=0.5)) == 1
    finally:
        stop.set()
        reader.join()
    memory.read_pictures()
    assert set(memory._text._vectors.ids()) == set(range(11, COUNT + 1))


def flipped(data: bytes) -> bytes:
    return data[:200] + bytes([data[200] ^ 0x10]) + data[201:]


def test_what_is_forgotten_is_in_no_torn_record(memory, tmp_path):
    memory.read_pictures()
    (path,) = (tmp_path / "memory.sqlite.d").glob(f"*{SUFFIX}")
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    assert memory.forget(MemoryQuery(place=(1.0, 0.0), radius=0.5)) == 1  # the oldest is read last
    assert path.read_bytes() == whole[: len(whole) - 32]


def test_a_memory_tidies_up_while_another_process_writes_vectors(memory, tmp_path):
    memory.read_pictures()
    half = next((tmp_path / "memory.sqlite.d").glob(f"*{SUFFIX}")).with_name(f"other{SUFFIX}.writing")
    half.write_bytes(b"half")
    memory.store.layout.sweep()
    assert half.exists()
    memory.forget(MemoryQuery(place=(5.0, 0.0), radius=0.5))  # holds the lock: whoever wrote it is gone
    assert not half.exists()


def test_many_threads_read_each_picture_once(memory):
    threads = [threading.Thread(target=memory.read_pictures, args=(3,)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(memory._text._vectors.ids()) == list(range(1, COUNT + 1))


@pytest.mark.parametrize("damage", [lambda data: data[:-5], lambda data: data[:3], lambda data: b"", flipped])
def test_a_damaged_file_is_read_anew(memory, tmp_path, encoder, damage):
    memory.read_pictures()
    whole = shown(memory, "red", limit=COUNT)
    (path,) = (tmp_path / "memory.sqlite.d").glob(f"*{SUFFIX}")
    path.write_bytes(damage(path.read_bytes()))
    with VisualMemory(tmp_path / "memory.sqlite", text=encoder) as reader:
        assert len(shown(reader, "red", limit=COUNT)) < COUNT
        reader.read_pictures()
        assert shown(reader, "red", limit=COUNT) == whole
    assert shown(memory, "red", limit=COUNT) == whole


def test_the_shell_understands_words(memory, folder, tmp_path):
    asked = ["memory", "ask", "--path", str(tmp_path / "memory.sqlite"), "--sheet", str(tmp_path / "sheet.png")]
    answer = CliRunner().invoke(app, [*asked, "--text", "a red box", "--text-model", str(folder), "--limit", "10"])
    assert answer.exit_code == 0, answer.output
    assert cv2.imread(str(tmp_path / "sheet.png")) is not None
    listed = {int(line.split()[0]) for line in answer.output.splitlines() if line.strip()[:1].isdigit()}
    assert listed == reds()
    without = CliRunner().invoke(app, [*asked, "--text", "a red box"])
    assert isinstance(without.exception, LatentworldError) and "--text-model" in str(without.exception)


def test_what_is_missing_is_said(tmp_path, memory, folder):
    with pytest.raises(LatentworldError, match="expected a folder with model.safetensors of CLIP"):
        ClipEncoder.load(tmp_path)
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:1000])
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    with pytest.raises(LatentworldError, match="expected CLIP or its kin as transformers reads it, got"):
        ClipEncoder.load(tmp_path)
    with VisualMemory(tmp_path / "other.sqlite", MODEL) as without:
        with pytest.raises(LatentworldError, match="expected a memory with a text encoder"):
            without.query(MemoryQuery(text="a mug"))
    for wrong in ({"text": " "}, {"text": "a mug", "latent": latent_at(0.0, np.zeros(8, np.float32))}):
        with pytest.raises(LatentworldError, match="expected words"):
            MemoryQuery(**wrong)
