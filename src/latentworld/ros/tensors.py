"""Arrays in messages, the fast way.

A message field of numbers is an ``array.array``; filling it from a list or a NumPy array element by element takes
100 ms for what ``frombytes`` does in one. Reading is a view: the message owns the memory, nobody may write into it.
"""

from __future__ import annotations

from array import array

import numpy as np
from latentworld_ros.msg import Tensor

from latentworld.types import LatentworldError

_DTYPES = {
    Tensor.FLOAT32: np.dtype("<f4"),
    Tensor.FLOAT16: np.dtype("<f2"),
    Tensor.UINT8: np.dtype("u1"),
    Tensor.INT64: np.dtype("<i8"),
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}


def packed(values: np.ndarray, typecode: str) -> array:
    """The bytes of ``values`` as an array.array of the given typecode, in one copy."""
    filled = array(typecode)
    values = np.ascontiguousarray(values)
    if values.size:
        filled.frombytes(memoryview(values).cast("B"))
    return filled


def to_tensor(values: np.ndarray) -> Tensor:
    """Any array of float32, float16, uint8 or int64 as a Tensor."""
    dtype = values.dtype.newbyteorder("<")
    if dtype not in _CODES:
        raise LatentworldError(f"Tensor: expected float32, float16, uint8 or int64, got {values.dtype}")
    message = Tensor(dtype=_CODES[dtype], data=packed(values.astype(dtype, copy=False), "B"))
    message.shape = array("I", values.shape)
    return message


def from_tensor(message: Tensor, name: str, *shape: int | None) -> np.ndarray:
    """A view of a Tensor. ``shape``: what is expected, None for any length; left out: anything goes."""
    if message.dtype not in _DTYPES:
        raise LatentworldError(f"{name}: expected a dtype of Tensor, got {message.dtype}")
    dtype, got = _DTYPES[message.dtype], tuple(message.shape)
    expected = int(np.prod(got, dtype=np.int64)) * dtype.itemsize
    if len(message.data) != expected:
        raise LatentworldError(
            f"{name}: expected {expected} bytes for {dtype.name} of shape {got}, got {len(message.data)}"
        )
    if shape and (len(got) != len(shape) or any(s is not None and s != g for s, g in zip(shape, got, strict=True))):
        wanted = "(" + ", ".join("any" if s is None else str(s) for s in shape) + ")"
        raise LatentworldError(f"{name}: expected shape {wanted}, got {got}")
    return np.frombuffer(message.data, dtype).reshape(got)
