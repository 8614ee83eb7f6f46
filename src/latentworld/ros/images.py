"""sensor_msgs/Image <-> arrays. Pixels are views of the message where the layout allows it, one copy where not."""

from __future__ import annotations

import numpy as np
from sensor_msgs.msg import Image

from latentworld.ros.codecs import to_header
from latentworld.ros.tensors import packed
from latentworld.types import LatentworldError

try:  # from apt on a robot; the PyPI package does not work with NumPy 2
    from cv_bridge import CvBridge
except ImportError:
    CvBridge = None

_COLOUR = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1}
_DEPTH = {"32FC1": "f4", "16UC1": "u2"}


def colour(message: Image, topic: str) -> np.ndarray:
    """(height, width, 3) uint8 RGB. Encodings beyond the plain ones (Bayer, YUV) go through cv_bridge, if installed."""
    if message.encoding not in _COLOUR:
        return _through_cv_bridge(message, topic)
    channels = _COLOUR[message.encoding]
    pixels = _pixels(message, topic, np.dtype("u1"), channels)
    if channels == 1:
        return np.repeat(pixels, 3, axis=2)
    if message.encoding.startswith("bgr"):
        return np.ascontiguousarray(pixels[..., 2::-1])
    return pixels[..., :3]


def depth(message: Image, topic: str) -> np.ndarray:
    """(height, width) float32 metres."""
    if message.encoding not in _DEPTH:
        raise LatentworldError(f"{topic}: expected encoding 32FC1 (m) or 16UC1 (mm), got '{message.encoding}'")
    order = ">" if message.is_bigendian else "<"
    pixels = _pixels(message, topic, np.dtype(order + _DEPTH[message.encoding]), 1)[..., 0]
    if message.encoding == "16UC1":
        return pixels.astype(np.float32) * np.float32(1e-3)
    return pixels.astype(np.float32, copy=False)


def to_image(pixels: np.ndarray, stamp: int, frame_id: str) -> Image:
    """(height, width, 3) uint8 as rgb8, or (height, width) float32 as 32FC1."""
    encoding = "rgb8" if pixels.ndim == 3 else "32FC1"
    height, width = pixels.shape[:2]
    return Image(
        header=to_header(stamp, frame_id),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=width * (3 if pixels.ndim == 3 else 4),
        data=packed(pixels, "B"),
    )


def _pixels(message: Image, topic: str, dtype: np.dtype, channels: int) -> np.ndarray:
    """(height, width, channels) view, with what a driver may get wrong checked."""
    height, width, step = message.height, message.width, message.step
    row = width * channels * dtype.itemsize
    if height == 0 or width == 0:
        raise LatentworldError(f"{topic}: expected an image of some size, got {width}x{height}")
    if step < row or step % dtype.itemsize:
        raise LatentworldError(
            f"{topic}: expected at least {row} bytes a row of {width} {message.encoding} pixels, got step {step}"
        )
    if len(message.data) < step * height - (step - row):
        raise LatentworldError(
            f"{topic}: expected {step * height} bytes for {width}x{height} {message.encoding}, got {len(message.data)}"
        )
    strides = (step, channels * dtype.itemsize, dtype.itemsize)
    return np.ndarray((height, width, channels), dtype, buffer=message.data, strides=strides)


def _through_cv_bridge(message: Image, topic: str) -> np.ndarray:
    expected = ", ".join(_COLOUR)
    if CvBridge is None:
        raise LatentworldError(
            f"{topic}: expected encoding {expected} (others need cv_bridge), got '{message.encoding}'"
        )
    try:
        return np.asarray(CvBridge().imgmsg_to_cv2(message, desired_encoding="rgb8"))
    except Exception as error:
        raise LatentworldError(
            f"{topic}: expected encoding {expected} or one of cv_bridge's, got '{message.encoding}'"
        ) from error
