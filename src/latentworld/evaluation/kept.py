"""Results of episodes kept in a file as they come, so that hours of evaluation go on where they were cut off."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import latentworld
from latentworld.types import LatentworldError

SOURCES = Path(latentworld.__file__).parent


def code() -> str:
    """Which code this is: a hash of all of its Python."""
    digest = hashlib.sha256()
    for path in sorted(SOURCES.rglob("*.py")):
        digest.update(path.relative_to(SOURCES).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


class Kept:
    """Results by key: the file's first line says what made them, then comes one line a result.

    Without a path nothing is kept.
    """

    def __init__(self, path: Path | None, about: dict[str, Any]) -> None:
        """Read what is there. Raises LatentworldError for results that something else made: they must not mix."""
        self.results: dict[str, Any] = {}
        self._file = None
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+")
        self._file.seek(0)
        text = self._file.read()
        whole = text[: text.rfind("\n") + 1]  # a crash may have cut off the last line
        if not whole:
            self._file.truncate(0)
            self._write(about)
            return
        try:
            header, *rows = map(json.loads, whole.splitlines())
            self.results = {row["key"]: row["result"] for row in rows}
        except (ValueError, KeyError, TypeError) as error:
            raise LatentworldError(f"{path}: expected kept results, a line of JSON each, got {error!r}") from error
        if header != json.loads(json.dumps(about)):
            raise LatentworldError(f"{path}: expected results made by {about}, got such by {header}; name another file")
        self._file.truncate(len(whole.encode()))

    def add(self, key: str, result: Any) -> None:
        self.results[key] = result
        if self._file is not None:
            self._write({"key": key, "result": result})

    def _write(self, row: dict[str, Any]) -> None:
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
