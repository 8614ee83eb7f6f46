"""Episodes to draw batches from."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import torch
from torch import Tensor

from latentworld.types import LatentworldError


class Batch(NamedTuple):
    """n clips of L steps of the model, and m pairs of rows.

    rows: (n, L + 1) numbers in the dataset. pixels: (n, L + 1, 64, 64, 3) uint8, or None where latents are at hand.
    actions: (n, L, block * A). pairs: (m, 2) rows of one episode, the second no earlier than the first. apart: (m,)
    steps of the environment from one to the other. following: (m, 2) rows one step apart.
    """

    rows: Tensor
    pixels: Tensor | None
    actions: Tensor
    pairs: Tensor
    apart: Tensor
    following: Tensor


class Episodes:
    """All of a dataset, in memory. pixels: (N, 64, 64, 3), action: (N, A), lengths and offsets: of its episodes."""

    def __init__(self, path: str | Path):
        path = Path(path)
        if not path.is_file():
            raise LatentworldError(f"dataset {path}: no such file; `latentworld collect` makes one")
        try:
            with h5py.File(path, "r") as file:
                self.pixels, self.action = file["pixels"][:], file["action"][:]
                self.lengths, self.offsets = file["ep_len"][:], file["ep_offset"][:]
        except (OSError, KeyError) as error:
            raise LatentworldError(f"dataset {path}: expected HDF5 with pixels, action: {error}") from None
        self.last = np.repeat(self.offsets + self.lengths - 1, self.lengths)  # (N,) last row of each row's episode
        self._starts: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.pixels)

    def starts(self, span: int) -> np.ndarray:
        """Rows that ``span`` more of their episode follow."""
        if span not in self._starts:
            found = np.flatnonzero(np.arange(len(self)) + span <= self.last)
            if not len(found):
                raise LatentworldError(
                    f"dataset: expected an episode of more than {span} rows, got {self.lengths.max()}"
                )
            self._starts[span] = found
        return self._starts[span]

    def sample(self, rng: np.random.Generator, clips: int, length: int, block: int, pairs: int, images: bool) -> Batch:
        """Draw a batch; the same rng state draws the same batch."""
        first = rng.choice(self.starts(length * block), clips)
        rows = first[:, None] + np.arange(length + 1) * block
        actions = self.action[first[:, None] + np.arange(length * block)].reshape(clips, length, -1)
        here = rng.choice(self.starts(1), pairs)
        then = rng.integers(here, self.last[here] + 1)
        following = rng.choice(self.starts(1), pairs)
        pixels = torch.from_numpy(self.pixels[rows]) if images else None
        arrays = (
            actions, np.stack([here, then], 1), (then - here).astype(np.float32),
            np.stack([following, following + 1], 1),
        )  # fmt: skip
        return Batch(torch.from_numpy(rows), pixels, *map(torch.from_numpy, arrays))
