"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def publish(temporary: Path, path: Path) -> None:
    """Give a finished file its name, durably."""
    os.replace(temporary, path)
    settle(path.parent)


def write_whole(path: Path, data: bytes) -> None:
    """A file of these bytes, durably, or the one that was there before."""
    temporary = path.with_name(f"{path.name}.writing")
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    publish(temporary, path)


def settle(folder: Path) -> None:
    """Return once the names in a folder are on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
