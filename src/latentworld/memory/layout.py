"""Which files a memory has, and how they are called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from latentworld.memory import segment
from latentworld.memory.picture_vectors import UNFINISHED

JOURNAL = ".journal"
NAME = re.compile(rf"(\d+)-(\d+)\.(\d+){re.escape(segment.SUFFIX)}")


class Sealed(NamedTuple):
    """A segment's file and the ids that it speaks for."""

    first: int
    last: int
    turn: int
    path: Path


def covered(sealed: Sequence[Sealed]) -> int:
    """The id up to which every id lies in one of them; what comes behind a gap is still young."""
    end = 0
    for one in sealed:
        if one.first > end + 1:
            break
        end = one.last
    return end


class Layout:
    """base: the SQLite file. folder: of all the rest, beside it."""

    def __init__(self, path: Path):
        self.base = path
        self.folder = Path(f"{path}.d")
        self.catalogue = self.folder / "catalogue"
        self.neural = self.folder / "neural.safetensors"
        self.forgetting = self.folder / "forgetting"  # there while something is being taken out of the files

    def journal(self, first: int) -> Path:
        """Of rows from an id on."""
        return self.folder / f"{first:012d}{JOURNAL}"

    def journals(self) -> list[tuple[int, Path]]:
        """By the first id that each may hold."""
        return sorted((int(path.stem), path) for path in self.folder.glob(f"*{JOURNAL}") if path.stem.isdigit())

    def segments(self) -> list[Sealed]:
        """In order; without those whose rows another one holds too, which a crash may leave behind."""
        found = []
        for path in self.folder.glob(f"*{segment.SUFFIX}"):
            if named := NAME.fullmatch(path.name):  # whatever else lies there is not ours
                found.append(Sealed(*map(int, named.groups()), path))
        found.sort(key=lambda s: (s.first, -s.last, -s.turn))
        kept: list[Sealed] = []
        for sealed in found:
            if not kept or sealed.last > kept[-1].last:
                kept.append(sealed)
        return kept

    def segment(self, first: int, last: int, turn: int = 0) -> Path:
        return self.folder / segment.name(first, last, turn)

    def sweep(self) -> None:
        """Remove what a crash left half written, and segments that another one stands for."""
        standing = {sealed.path for sealed in self.segments()}
        for path in self.folder.iterdir():
            if path.name.endswith(UNFINISHED):  # another process may be writing that just now
                continue
            if path.suffix == ".writing" or (NAME.fullmatch(path.name) and path not in standing):
                path.unlink()

    def size(self) -> int:
        """Bytes of all files but the base; any may be replaced meanwhile."""
        return sum(_size(path) for path in self.folder.iterdir())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
