"""Robots that ship with nobody, each one YAML file: what a user writes for an own one."""

from __future__ import annotations

from pathlib import Path

DIFFERENTIAL = """
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
LIDAR = """
name: lidar alone
base: {radius: 0.18, max_linear: 0.4, max_reverse: 0.1}
lidars:
  - mount: {x: 0.05, z: 0.2}
    beams: 240
    least: 0.05
    most: 8.0
"""
TWO_CAMERAS = """
name: two cameras
base: {radius: 0.2}
cameras:
  - name: rear
    intrinsics: {width: 64, height: 48, field_of_view: 1.0}
    mount: {x: -0.1, z: 0.3, yaw: 3.14159}
  - name: left
    intrinsics: {width: 64, height: 48, field_of_view: 1.0}
    mount: {x: 0.1, y: 0.05, z: 0.3, pitch: 0.2, yaw: 0.4}
    depth: {least: 0.1, most: 8.0}
  - name: right/eye
    intrinsics: {width: 64, height: 48, field_of_view: 1.0}
    mount: {x: 0.1, y: -0.05, z: 0.3, pitch: 0.2, yaw: -0.4}
    depth: {least: 0.1, most: 8.0}
"""
BLIND = """
name: looks back
base: {radius: 0.2}
cameras:
  - intrinsics: {width: 64, height: 48, field_of_view: 1.0}
    mount: {z: 0.3, yaw: 3.14159}
"""


def write(folder: Path, text: str = DIFFERENTIAL) -> str:
    """The path of the file, in ``folder``."""
    path = folder / "mine.yaml"
    path.write_text(text)
    return str(path)
