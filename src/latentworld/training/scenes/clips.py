"""Possible clips to learn from: a dataset of ours, or a folder of films that others made."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from latentworld.model.scene_model import SIDE
from latentworld.training.scenes.augmentation import other_look
from latentworld.types import LatentworldError

SHORTEST = 8  # frames


def read_clip(path: Path, key: str) -> np.ndarray:
    """``key`` of an .npz file: (T, 64, 64, 3) uint8, T at least 8. Never unpickles."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if key not in file:
                raise LatentworldError(f"clip {path}: expected an array '{key}', got {sorted(file) or 'none'}")
            clip = file[key]
    except LatentworldError:
        raise
    except Exception as error:  # what a broken archive raises depends on where it is broken
        raise LatentworldError(f"clip {path}: expected a readable .npz file, got {error}") from None
    if clip.dtype != np.uint8:
        raise LatentworldError(f"clip {path}: {key}: expected uint8, got {clip.dtype}")
    if clip.ndim != 4 or clip.shape[1:] != (SIDE, SIDE, 3):
        raise LatentworldError(f"clip {path}: {key}: expected (T, {SIDE}, {SIDE}, 3), got {clip.shape}")
    if len(clip) < SHORTEST:
        raise LatentworldError(f"clip {path}: {key}: expected at least {SHORTEST} frames, got {len(clip)}")
    return clip


class _OnDisk:
    """Clips of one length, read when they are asked for: all of them would fill the memory of a small machine."""

    def __init__(self, pixels: h5py.Dataset, count: int):
        self._pixels, self._count, self._frames = pixels, count, len(pixels) // count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, clip: int) -> np.ndarray:
        if not 0 <= clip < self._count:
            raise IndexError(clip)
        return self._pixels[clip * self._frames : (clip + 1) * self._frames]


class Clips:
    """Clips to draw batches from. position (N, T, 2), hidden (N, T): known of ours, None of others'."""

    def __init__(self, pixels: list[np.ndarray] | _OnDisk, position=None, hidden=None):
        self.pixels, self.position, self.hidden = pixels, position, hidden
        self.length = len(pixels[0]) if isinstance(pixels, _OnDisk) else min(len(clip) for clip in pixels)

    def __len__(self) -> int:
        return len(self.pixels)

    @classmethod
    def from_dataset(cls, path: str | Path) -> Clips:
        """All of an HDF5 file written by ``latentworld collect --recipe physics-small``."""
        path = Path(path)
        if not path.is_file():
            raise LatentworldError(f"dataset {path}: no such file; `latentworld collect` makes one")
        try:
            file = h5py.File(path, "r")
            count = len(file["ep_len"])
            pixels = _OnDisk(file["pixels"], count)
            position, hidden = (file[name][:] for name in ("position", "hidden"))
        except (OSError, KeyError) as error:
            raise LatentworldError(f"dataset {path}: expected HDF5 with pixels, position, hidden: {error}") from None
        return cls(pixels, *(column.reshape(count, -1, *column.shape[1:]) for column in (position, hidden)))

    @classmethod
    def from_folder(cls, folder: str | Path, key: str = "possible") -> Clips:
        """Every ``*.npz`` in a folder and below it, in the order of their names."""
        paths = sorted(Path(folder).rglob("*.npz"))
        if not paths:
            raise LatentworldError(f"clips {folder}: expected *.npz files with '{key}', found none")
        return cls([read_clip(path, key) for path in paths])

    def split(self, every: int) -> tuple[Clips, Clips]:
        """All clips but every ``every``-th, and those: two at least, for surprise is scaled on one half of them."""
        if len(self) <= every:
            raise LatentworldError(f"clips: expected more than {every}, some to calibrate on, got {len(self)}")
        apart = set(range(0, len(self), every))
        return tuple(
            Clips([self.pixels[i] for i in range(len(self)) if (i in apart) == held]) for held in (False, True)
        )

    def sample(
        self, rng: np.random.Generator, count: int, length: int, stride: int = 1, vary: float | None = None
    ) -> np.ndarray:
        """(count, length, 64, 64, 3) uint8, every ``stride``-th frame. vary: share that gets other looks."""
        length = min(length, self.length // stride)
        span = (length - 1) * stride + 1
        out = np.empty((count, length, SIDE, SIDE, 3), np.uint8)
        for i, clip in enumerate(rng.integers(len(self), size=count)):
            frames = self.pixels[clip]
            start = rng.integers(len(frames) - span + 1)
            frames = frames[start : start + span : stride]
            out[i] = frames if vary is None else other_look(rng, frames, vary)
        return out
