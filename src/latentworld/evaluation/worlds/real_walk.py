"""A walk with a camera on a head, read from files: colour, depth, and where the camera was.

A folder of frames: ``frames.csv`` (index, rgb, depth), ``poses.csv`` (index, tx ty tz, qx qy qz qw: camera to world,
optical axes, world y up), ``intrinsics.yaml`` (camera, depth: width, height, fx, fy, cx, cy). Depth is uint16 PNG in
millimetres, 0 where none was measured.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import yaml

from latentworld import robot_file
from latentworld.geometry import OPTICAL, euler
from latentworld.robot import Camera, Intrinsics, Mount, Robot
from latentworld.types import Frame, LatentworldError, stamp_of

SOURCE = "github ardaduz/deep-video-mvs, sample-data/hololens-dataset/000"
FOLDER = "1_hololens_office_walk"
PERIOD = 0.1  # s from one frame to the next; the source does not state it
UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # world axes of the source (y up) -> z up
FLOOR_BAND, FLOOR_SHARE = 0.02, 0.25  # metres; of the most points in a band, from which on a lower one is the floor


@dataclass(frozen=True)
class Walk:
    """indices: (N,) of the source, ascending; where one is left out the walk is cut. rotations: (N, 3, 3), columns: the
    camera's axes forward, left, up in a frame with z up. positions: (N, 3) metres, z above the floor.
    """

    folder: Path
    indices: np.ndarray
    pictures: tuple[tuple[str, str], ...]
    rotations: np.ndarray
    positions: np.ndarray
    colour: Intrinsics
    depth: Intrinsics

    def __len__(self) -> int:
        return len(self.indices)

    def frame(self, i: int, with_depth: bool = True) -> Frame:
        """rgb (H, W, 3) uint8, depth (h, w) float32 metres, 0 where unknown."""
        rgb = cv2.imread(str(self.folder / self.pictures[i][0]), cv2.IMREAD_COLOR)
        if rgb is None:
            raise LatentworldError(f"frames {self.folder / self.pictures[i][0]}: expected a picture, got none")
        depth = self.metres(i) if with_depth else None
        return Frame(stamp_of(PERIOD * float(self.indices[i])), np.ascontiguousarray(rgb[..., ::-1]), depth)

    def metres(self, i: int) -> np.ndarray:
        """(h, w) float32 metres along the optical axis, 0 where unknown."""
        path = self.folder / self.pictures[i][1]
        depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if depth is None or depth.dtype != np.uint16 or depth.shape != (self.depth.height, self.depth.width):
            raise LatentworldError(
                f"frames {path}: expected depth of {self.depth.width} x {self.depth.height} uint16, got "
                f"{'none' if depth is None else f'{depth.shape} {depth.dtype}'}"
            )
        return depth.astype(np.float32) / 1000

    def points(self, i: int) -> np.ndarray:
        """(M, 3) metres, z above the floor: what depth measured."""
        metres, picture = self.metres(i), self.depth
        rows, columns = np.nonzero(metres)
        x = metres[rows, columns]
        local = np.stack([x, -(columns - picture.cx) / picture.fx * x, -(rows - picture.cy) / picture.fy * x], -1)
        return local @ self.rotations[i].T + self.positions[i]

    def base_pose(self, i: int) -> np.ndarray:
        """(3,) x, y, yaw: on the floor below the camera, heading where it looks."""
        ahead = self.rotations[i][:2, 0]
        return np.array([*self.positions[i][:2], np.arctan2(ahead[1], ahead[0])])

    def mount(self, i: int) -> Mount:
        """How the camera sits on that base: as high as it is, turned as the head is."""
        roll, pitch, _ = euler(self.rotations[i])
        return Mount(z=float(self.positions[i][2]), roll=roll, pitch=pitch)

    def robot(self, i: int) -> Robot:
        """AR glasses with this camera, the head as in frame ``i``."""
        camera = Camera(self.colour, self.mount(i), self._glasses.camera.depth, rate=1 / PERIOD)
        return replace(self._glasses, cameras=(camera,))

    @cached_property
    def _glasses(self) -> Robot:
        return robot_file.load("ar_glasses")


def find(folder: str | Path) -> Path | None:
    """The walk's folder in (or at) the one named; None: it is not there."""
    for path in (Path(folder), Path(folder) / FOLDER):
        if (path / "frames.csv").is_file() and (path / "poses.csv").is_file():
            return path
    return None


def read(folder: str | Path) -> Walk:
    """Raises LatentworldError for files that are not as said above."""
    folder = Path(folder)
    try:
        pictures = {int(row["index"]): (row["rgb"], row["depth"]) for row in _rows(folder / "frames.csv")}
        poses = {int(row["index"]): row for row in _rows(folder / "poses.csv")}
        said = yaml.safe_load((folder / "intrinsics.yaml").read_text())
        colour, depth = (_intrinsics(said[name]) for name in ("camera", "depth"))
        indices = sorted(set(pictures) & set(poses))
        numbers = np.array(
            [[float(poses[i][name]) for name in ("tx", "ty", "tz", "qx", "qy", "qz", "qw")] for i in indices]
        )
    except (OSError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise LatentworldError(
            f"frames {folder}: expected frames.csv, poses.csv and intrinsics.yaml of a walk, got {error!r}"
        ) from error
    if not indices:
        raise LatentworldError(f"frames {folder}: expected frames with poses, got none")
    rotations = np.stack([UP @ _matrix(q) @ OPTICAL.T for q in numbers[:, 3:]])
    walk = Walk(
        folder, np.array(indices), tuple(pictures[i] for i in indices), rotations, numbers[:, :3] @ UP.T, colour, depth
    )
    walk.positions[:, 2] -= floor_height(np.concatenate([walk.points(i)[::7, 2] for i in range(0, len(walk), 3)]))
    return walk


def floor_height(heights: np.ndarray) -> float:
    """Where the floor is among the heights of many points: the lowest level on which many of them lie."""
    edges = np.arange(heights.min(), heights.max() + 2 * FLOOR_BAND, FLOOR_BAND)
    counts, _ = np.histogram(heights, edges)
    # A floor is a sharp peak: more than just above and below it.
    level = int(np.argmax(counts >= FLOOR_SHARE * counts.max()))
    level += int(np.argmax(counts[level : level + 5]))
    near = heights[np.abs(heights - edges[level] - FLOOR_BAND / 2) < 1.5 * FLOOR_BAND]
    return float(np.median(near))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _intrinsics(said: dict) -> Intrinsics:
    return Intrinsics(*(int(said[n]) for n in ("width", "height")), *(float(said[n]) for n in ("fx", "fy", "cx", "cy")))


def _matrix(quaternion: np.ndarray) -> np.ndarray:
    """(3, 3) of a quaternion x, y, z, w."""
    x, y, z, w = quaternion / np.linalg.norm(quaternion)
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip
