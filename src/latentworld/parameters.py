"""Tunable numbers as frozen dataclasses: one declaration serves Python, the ROS parameters and the documentation."""

from __future__ import annotations

from dataclasses import field, fields
from typing import Any

from latentworld.types import LatentworldError


def parameter(default: Any, description: str, minimum: float | None = None, maximum: float | None = None) -> Any:
    """A dataclass field with a description (units included) and inclusive bounds."""
    return field(default=default, metadata={"description": description, "min": minimum, "max": maximum})


def check(parameters: Any) -> None:
    """Raise LatentworldError for the first value of a parameter dataclass that is ill-typed or out of bounds."""
    for f in fields(parameters):
        value, kind = getattr(parameters, f.name), type(f.default)
        if kind is float and type(value) is int:
            continue
        if type(value) is not kind:
            raise LatentworldError(f"parameter {f.name}: expected {kind.__name__}, got {value!r}")
        low, high = f.metadata.get("min"), f.metadata.get("max")
        if (low is not None and not value >= low) or (high is not None and not value <= high):
            raise LatentworldError(f"parameter {f.name}: expected within [{low}, {high}], got {value!r}")
