"""Every number that shapes a network; it travels inside the checkpoint."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import TypeVar

from latentworld.types import LatentworldError

Config = TypeVar("Config")


class StoredConfig:
    """A dataclass of numbers and tuples of them, as JSON."""

    __slots__ = ()

    def to_json(self) -> str:
        """A field that came later is left out at its default, so that the identity of older weights stays as it was."""
        later = {f.name: f.default for f in fields(self) if f.metadata.get("later")}
        values = {name: value for name, value in asdict(self).items() if name not in later or value != later[name]}
        return json.dumps(values, sort_keys=True)

    @classmethod
    def from_json(cls: type[Config], text: str) -> Config:
        """Raises LatentworldError for fields that it does not know."""
        values = json.loads(text)
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise LatentworldError(f"{cls.__name__}: unknown fields {sorted(unknown)}; made by a newer latentworld?")
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


@dataclass(frozen=True, slots=True)
class ModelConfig(StoredConfig):
    """Sizes are dimensionless unless a unit is named."""

    image_size: int = 64  # pixels, square
    uses_depth: bool = True  # a fourth input channel; zeros where the camera has none
    # One more, of what was measured; else what is filled looks as if it had been.
    uses_mask: bool = field(default=False, metadata={"later": True})
    channels: tuple[int, ...] = (32, 64, 128)
    latent_dim: int = 256  # what of a latent is foretold
    descriptor_dim: int = 64  # what of it places are known again by
    layout_channels: int = 16  # what of it tells views apart, in each of 8 x 8 cells
    hidden_dim: int = 256  # recurrent half of the belief
    map_channels: int = 16  # spatial half of the belief
    map_cells: int = 28  # cells a side
    cell: float = 0.2  # metres a cell
    view_cells: tuple[int, int] = (16, 24)  # what one latent speaks about: cells ahead, cells across
    maps_ahead: int = 4  # maps foretold
    map_period: float = 0.8  # seconds from one of them to the next
    opinions: int = 3  # heads that read free space off the map; where they differ, the model does not know
    place_dim: int = 16  # numbers by which a place is known again
    camera_period: float = 0.1  # seconds between frames, in training

    @property
    def input_channels(self) -> int:
        return 3 + self.uses_depth + self.uses_mask

    @property
    def vector_dim(self) -> int:
        """Length of a whole latent: what is foretold, the descriptor of the place, the layout of the view."""
        return self.kept_dim + self.layout_dim

    @property
    def kept_dim(self) -> int:
        """How many of a latent's first numbers a memory keeps: all but the layout."""
        return self.latent_dim + self.descriptor_dim

    @property
    def layout_side(self) -> int:
        """Cells."""
        return self.image_size // 8

    @property
    def layout_dim(self) -> int:
        return self.layout_channels * self.layout_side**2

    @property
    def belief_dim(self) -> int:
        """Length of a flattened belief: recurrent state, last latent, place in the map, map."""
        return self.hidden_dim + self.vector_dim + 3 + self.map_channels * self.map_cells**2
