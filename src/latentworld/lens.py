"""OpenCV's lens models, as ``sensor_msgs/CameraInfo`` names them: from pixels to directions and back."""

from __future__ import annotations

import cv2
import numpy as np

from latentworld.robot import Intrinsics

CLOSE = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 60, 1e-9)  # rounds, and error, of undoing a distortion


def camera_matrix(picture: Intrinsics) -> np.ndarray:
    """(3, 3), K of CameraInfo."""
    return np.array([[picture.fx, 0, picture.cx], [0, picture.fy, picture.cy], [0, 0, 1.0]])


def rays(picture: Intrinsics) -> np.ndarray:
    """(height, width, 3) float32: the direction of each pixel in the camera's body frame, scaled to x = 1.

    NaN where the lens sees farther than 89 degrees off its axis.
    """
    v, u = np.mgrid[: picture.height, : picture.width].astype(np.float64)
    pixels = np.stack([u, v], -1).reshape(-1, 1, 2)
    matrix, distortion = camera_matrix(picture), np.array(picture.distortion or (0.0,) * 4)
    if picture.distortion_model == "equidistant":
        flat = (pixels[:, 0] - matrix[:2, 2]) / (picture.fx, picture.fy)
        seen = np.hypot(*flat.T)
        angle = _undo(seen, distortion)
        with np.errstate(invalid="ignore", divide="ignore"):
            scale = np.where(seen > 1e-9, np.tan(angle) / seen, 1.0)
        flat = np.where((angle < np.radians(89))[:, None], flat * scale[:, None], np.nan)
    else:
        flat = cv2.undistortPoints(pixels, matrix, distortion, criteria=CLOSE).reshape(-1, 2)
    out = np.stack([np.ones(len(flat)), -flat[:, 0], -flat[:, 1]], -1)
    return out.reshape(picture.height, picture.width, 3).astype(np.float32)


def _undo(seen: np.ndarray, k: np.ndarray) -> np.ndarray:
    """The angle off the axis whose distorted value is ``seen`` (Kannala and Brandt 2006, as OpenCV), by Newton."""
    angle = seen.copy()
    for _ in range(20):
        square = angle**2
        value = angle * (1 + square * (k[0] + square * (k[1] + square * (k[2] + square * k[3]))))
        slope = 1 + square * (3 * k[0] + square * (5 * k[1] + square * (7 * k[2] + square * 9 * k[3])))
        angle = np.clip(angle - (value - seen) / np.where(np.abs(slope) > 1e-3, slope, 1.0), 0, np.pi)
    return angle


def project(points: np.ndarray, picture: Intrinsics) -> np.ndarray:
    """Points (..., 3) in the camera's body frame -> (..., 2) pixels, x and y.

    NaN behind the camera.
    """
    shape = points.shape[:-1]
    ahead = points.reshape(-1, 3).astype(np.float64)
    optical = np.stack([-ahead[:, 1], -ahead[:, 2], ahead[:, 0]], -1).reshape(-1, 1, 3)
    matrix, distortion = camera_matrix(picture), np.array(picture.distortion or (0.0,) * 4)
    still, away = np.zeros(3), ahead[:, 0] <= 1e-6
    optical[away] = (0, 0, 1)
    if picture.distortion_model == "equidistant":
        pixels, _ = cv2.fisheye.projectPoints(optical, still, still, matrix, distortion)
    else:
        pixels, _ = cv2.projectPoints(optical, still, still, matrix, distortion)
    pixels = pixels.reshape(-1, 2)
    pixels[away] = np.nan
    return pixels.reshape(*shape, 2)
