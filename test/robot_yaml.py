"""A robot that ships with nobody, as one YAML file: what a user writes for an own one."""

from __future__ import annotations

from pathlib import Path

YAML = """
name: mine
base:
  kind: differential
  radius: 0.16
  height: 0.5
  mass: 3.0
  max_linear: 0.45
  max_reverse: 0.12
  max_angular: 1.4
  acceleration: 1.2
  latency: 0.06
cameras:
  - name: front
    intrinsics: {width: 320, height: 240, field_of_view: 1.39626}
    mount: {x: 0.1, z: 0.4, pitch: 0.174533}
    depth: {least: 0.2, most: 8.0, noise: 0.01, holes: 0.02}
"""


def write(folder: Path, text: str = YAML, name: str = "mine") -> Path:
    """The file, in ``folder``."""
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path
