"""What is ordinary for one robot: its own quantiles of surprise, from a few minutes of ordinary driving.

A model's own quantiles hold for the robot whose drives they were taken from. Through another camera, in another
building, ordinary frames are predicted better or worse; p-values of a robot that was not calibrated mean nothing.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from latentworld import robot_file
from latentworld.robot import Robot
from latentworld.tracking.surprise import VIOLATION, SurpriseScale
from latentworld.types import LatentworldError

QUANTILES = 513
LEAST = 600  # frames: a minute at 10 Hz; five minutes are better
FORMAT = "latentworld-calibration-1"


@dataclass(frozen=True)
class Calibration:
    """quantiles: (513,) evenly spaced quantiles of the scores of ``tracking.surprise.score`` over ordinary frames.

    robot_id, model_id: whose and by which weights. frames: how many were taken. robot: its name, for people.
    """

    robot: str
    robot_id: str
    model_id: str
    frames: int
    quantiles: np.ndarray
    source: str = ""  # the file it came from

    @classmethod
    def of(cls, scores: np.ndarray, robot: Robot, model_id: str) -> Calibration:
        """From the scores (N,) of ordinary frames. Raises LatentworldError for fewer than ``LEAST``."""
        scores = np.asarray(scores, np.float64)
        scores = scores[np.isfinite(scores)]
        if len(scores) < LEAST:
            raise LatentworldError(
                f"calibration: expected {LEAST} frames or more of ordinary driving, got {len(scores)}"
            )
        quantiles = np.quantile(scores, np.linspace(0, 1, QUANTILES)).astype(np.float32)
        return cls(robot.name, robot_id(robot), model_id, len(scores), quantiles)

    def scale(self, threshold: float = VIOLATION) -> SurpriseScale:
        """What turns scores into p-values."""
        return SurpriseScale(self.quantiles, threshold, frames=self.frames)

    def save(self, path: str | Path) -> None:
        """Whole or not at all."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        about = {"robot": self.robot, "robot_id": self.robot_id, "model_id": self.model_id, "frames": str(self.frames)}
        partial = path.with_suffix(".partial")
        save_file({"quantiles": self.quantiles}, partial, {"format": FORMAT} | about)
        partial.replace(path)

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Raises LatentworldError for a file that is missing, or is no calibration."""
        path = Path(path)
        if not path.is_file():
            raise LatentworldError(f"calibration {path}: no such file; `latentworld calibrate` makes one")
        try:
            with safe_open(path, "numpy") as file:
                about = file.metadata() or {}
                quantiles = file.get_tensor("quantiles") if "quantiles" in file.keys() else np.zeros(0)
        except (SafetensorError, OSError) as error:
            raise LatentworldError(f"calibration {path}: expected a safetensors file: {error}") from None
        if about.get("format") != FORMAT:
            raise LatentworldError(f"calibration {path}: expected format {FORMAT}, got {about.get('format', 'none')}")
        if quantiles.shape != (QUANTILES,) or not (np.diff(quantiles) >= 0).all():
            raise LatentworldError(f"calibration {path}: expected {QUANTILES} rising quantiles, got {quantiles.shape}")
        frames = int(about["frames"])
        return cls(
            about["robot"], about["robot_id"], about["model_id"], frames, quantiles.astype(np.float64), str(path)
        )

    def check(self, robot: Robot, model_id: str) -> None:
        """Raises LatentworldError where it is of another robot or model."""
        if self.robot_id != robot_id(robot):
            raise LatentworldError(
                f"calibration {self.source}: expected one of {robot.name} as it is described now ({robot_id(robot)}), "
                f"got one of {self.robot} ({self.robot_id}); run `latentworld calibrate` again"
            )
        if self.model_id != model_id:
            raise LatentworldError(
                f"calibration {self.source}: expected one for the model {model_id}, got one for {self.model_id}; run "
                "`latentworld calibrate` again"
            )


def robot_id(robot: Robot) -> str:
    """Twelve hex digits that name a description: cameras, body and all."""
    text = json.dumps(asdict(robot), sort_keys=True, default=lambda value: np.asarray(value).tolist())
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def is_the_models_own(robot: Robot) -> bool:
    """Whether the quantiles in the shipped weights were taken from drives of this robot."""
    return robot_id(robot) == robot_id(robot_file.load())
