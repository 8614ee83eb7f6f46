"""``latentworld memory …``: answers as a table, as JSON, and as a contact sheet."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner
from walks import MODEL, pictures

from latentworld.memory import MemoryQuery, VisualMemory
from latentworld.memory.commands import commands
from latentworld.memory.thumbnails import thumbnail
from latentworld.perception.text_encoder import ClipEncoder
from latentworld.types import Latent, LatentworldError


def test_thumbnails_are_small_and_true(tmp_path):
    colours = pictures(tmp_path / "memory.sqlite")
    with VisualMemory(tmp_path / "memory.sqlite") as memory:
        found = memory.query(MemoryQuery(place=(3.0, 1.5), thumbnails=True)).keyframes[0]
    image = cv2.imdecode(np.frombuffer(found.thumbnail, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (24, 32, 3)
    np.testing.assert_allclose(image[12, 16, ::-1], colours[3], atol=4)
    assert cv2.imdecode(np.frombuffer(thumbnail(image, 96), np.uint8), cv2.IMREAD_COLOR).shape == (24, 32, 3)


def shell(*arguments: str):
    """``latentworld memory …`` with an encoder that sees the mean of a picture."""

    def encode(frame, checkpoint):
        return Latent(0, MODEL, np.full(8, frame.rgb[..., 0].mean() / 36, np.float32))

    def remember(bag, memory, *topics_and_checkpoint):
        raise AssertionError("asked by nobody")

    return CliRunner().invoke(commands(encode, remember, ClipEncoder.load), list(map(str, arguments)))


def test_the_shell_asks_and_draws(tmp_path):
    path, sheet, answer, image = (tmp_path / n for n in ("memory.sqlite", "sheet.png", "answer.json", "image.png"))
    colours = pictures(path)
    cv2.imwrite(str(image), np.full((20, 20, 3), colours[5][::-1], np.uint8))
    keys = ["--near", "3", "1.5", "--radius", "3", "--after", "1.5", "--before", "1970-01-01T00:00:09+00:00"]
    result = shell("ask", "--path", path, "--image", image, *keys, "--sheet", sheet, "--json", answer)
    assert result.exit_code == 0, result.output
    found = json.loads(answer.read_text())
    assert [k["id"] for k in found["keyframes"]] == [6, 5, 4, 3]
    assert found["keyframes"][0]["latent_distance"] == 0 and not found["never_seen"] and found["threshold"] is None
    assert "5.00 s" in result.output and "3.00 1.50" in result.output
    drawn = cv2.imread(str(sheet))
    np.testing.assert_allclose(drawn[80, 80, ::-1], colours[5], atol=6)
    np.testing.assert_allclose(drawn[80, 240, ::-1], colours[4], atol=6)


def test_the_shell_says_what_a_memory_holds(tmp_path):
    pictures(tmp_path / "memory.sqlite")
    output = shell("info", tmp_path / "memory.sqlite").output
    assert f"model {MODEL}" in output and "7 latents of 8 dimensions" in output and "schema 5, ok" in output


@pytest.mark.parametrize(
    "keys, said",
    [
        (["--after", "yesterday"], "time: expected 2026-11-03T14:30 or seconds, got yesterday"),
        (["--image", "none.png"], "image none.png: expected a picture file"),
        (["--path", "none.sqlite"], "none.sqlite: expected a file, got none"),
        (["--sheet", "none/sheet.png"], "none/sheet.png: expected a file that can be written"),
    ],
)
def test_a_bad_question_is_one_line(tmp_path, keys, said):
    pictures(tmp_path / "memory.sqlite")
    result = shell("ask", "--path", tmp_path / "memory.sqlite", "--sheet", tmp_path / "sheet.png", *keys)
    assert isinstance(result.exception, LatentworldError)
    assert said in str(result.exception) and "\n" not in str(result.exception)


def test_the_shell_forgets_and_checks(tmp_path):
    path = tmp_path / "memory.sqlite"
    pictures(path)
    result = shell("forget", "--path", path, "--near", "3", "1.5", "--radius", "1.2")
    assert result.exit_code == 0 and "3 keyframes forgotten, 4 left" in result.output, result.output
    with VisualMemory(path) as memory:
        assert [k.id for k in memory.query(MemoryQuery(limit=9)).keyframes] == [7, 6, 2, 1]
    assert "sound" in shell("check", path).output
    journal = next((tmp_path / "memory.sqlite.d").glob("*.journal"))
    journal.write_bytes(journal.read_bytes()[:-10])
    assert "4 keyframes were missing from the journal" in shell("check", path).output
    assert "sound" in shell("check", path).output
    for arguments, said in (
        (["forget", "--path", path], "a place, a time, a surprise, a latent or a thing, got a query for everything"),
        (["check", tmp_path / "none.sqlite"], "none.sqlite: expected a file, got none"),
    ):
        result = shell(*arguments)
        assert isinstance(result.exception, LatentworldError) and said in str(result.exception)
