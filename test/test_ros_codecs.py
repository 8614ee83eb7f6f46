"""Nouns and images through messages and back; nothing copied that need not be."""

import math

import numpy as np
import pytest
from geometry_msgs.msg import Quaternion
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image

from latentworld.ros import codecs, images, transforms
from latentworld.ros.tensors import from_tensor, to_tensor
from latentworld.types import (
    Action,
    ActionSequence,
    Consequences,
    Latent,
    LatentworldError,
    Odometry,
    Plan,
    PlanStatus,
    Surprise,
    WorldState,
)

RNG = np.random.default_rng(0)


def over_the_wire(message):
    return deserialize_message(serialize_message(message), type(message))


def same(a, b):
    """Equal field by field, to float32."""
    if a is None or b is None:
        return a is b
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if hasattr(a, "__dataclass_fields__"):
        return all(same(getattr(a, name), getattr(b, name)) for name in a.__dataclass_fields__)
    if isinstance(a, np.ndarray | float):
        return np.allclose(a, b, rtol=1e-6, atol=1e-6, equal_nan=True)
    return a == b


def consequences(k=3, h=5):
    rng = RNG
    return Consequences(
        0.2,
        rng.normal(size=(k, h, 3)).astype(np.float32),
        *(rng.random((k, h), dtype=np.float32) for _ in range(5)),
        costs={"goal": rng.random(k, dtype=np.float32), "contact": rng.random(k, dtype=np.float32)},
        total=rng.random(k, dtype=np.float32),
    )


STATE = WorldState(
    3_000_000_001, 2_900_000_000, "abc", RNG.normal(size=3), RNG.normal(size=3), RNG.normal(size=3),
    RNG.normal(size=9731).astype(np.float32), 1.5, 0.25, 0.75,
)  # fmt: skip
SIDEWAYS = ActionSequence(0.2, RNG.normal(size=(15, 3)).astype(np.float32), ("linear.x", "angular.z", "linear.y"))


@pytest.mark.parametrize(
    ("codec", "noun"),
    [
        (codecs.LATENT, Latent(1_234_567_890_123, "abc", RNG.normal(size=256).astype(np.float32), 0.0015)),
        (codecs.STATE, STATE),
        (codecs.SURPRISE, Surprise(5_000_000_000, 2.5, 0.001, 0.01, True)),
        (codecs.ODOMETRY, Odometry(7_000_000_007, np.array([1.0, -2.0, 3.0]), 0.4, -1.2, 0.3)),
        (
            codecs.PLAN,
            Plan(
                1, 2, "abc", PlanStatus.OK, ActionSequence(0.2, RNG.normal(size=(15, 2)).astype(np.float32)),
                consequences(1), 512, 3, 0.06, 0.04, 0.3, consequences(4), "",
            ),
        ),
        (codecs.PLAN, Plan(1, 2, "abc", PlanStatus.OK, SIDEWAYS, None)),
        (codecs.PLAN, Plan(1, 2, "abc", PlanStatus.NO_GOAL, ActionSequence(0.2, np.zeros((1, 2), np.float32)), None)),
    ],
    ids=lambda x: type(x).__name__,
)  # fmt: skip
def test_round_trip(codec, noun):
    assert same(codec.decode(over_the_wire(codec.encode(noun))), noun)


def test_commands_round_trip():
    action = Action(12_000_000_034, 0.3, -0.7, 0.2)
    message = over_the_wire(codecs.stamped_from_action(action))
    assert (message.twist.linear.x, message.twist.linear.y, message.twist.angular.z) == (0.3, 0.2, -0.7)
    assert same(codecs.action_from_stamped(message), action)
    assert same(codecs.action_from_twist(message.twist, 5), Action(5, 0.3, -0.7, 0.2))


@pytest.mark.parametrize("axis", ["linear.x", "linear.y", "angular.z"])
def test_odometry_that_is_not_a_number_is_named(axis):
    message = codecs.odometry_to_message(Odometry(1, np.zeros(3), 0.1, 0.2, 0.3))
    part, name = axis.split(".")
    setattr(getattr(message.twist.twist, part), name, math.nan)
    with pytest.raises(LatentworldError, match="odometry: expected finite numbers"):
        codecs.odometry_from_message(message)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint8, np.int64])
@pytest.mark.parametrize("shape", [(), (0,), (7,), (2, 3, 4)])
def test_tensor_round_trip(dtype, shape):
    values = (RNG.random(shape) * 100).astype(dtype)
    back = from_tensor(over_the_wire(to_tensor(values)), "x")
    assert back.dtype == dtype and back.shape == shape and np.array_equal(back, values)


def test_tensor_reads_are_views():
    message = to_tensor(np.zeros((64, 256), np.float32))
    view = from_tensor(message, "x")
    assert np.shares_memory(view, np.frombuffer(message.data, np.uint8))


def test_tensor_of_non_contiguous_values():
    values = np.arange(12, dtype=np.float32).reshape(3, 4).T
    assert np.array_equal(from_tensor(to_tensor(values), "x"), values)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda m: m.data.pop(), "belief: expected 12 bytes for float32 of shape (3,), got 11"),
        (lambda m: setattr(m, "dtype", 9), "belief: expected a dtype of Tensor, got 9"),
        (lambda m: setattr(m, "shape", [1, 3]), "belief: expected shape (any), got (1, 3)"),
    ],
)
def test_a_bad_tensor_is_named(spoil, said):
    message = to_tensor(np.zeros(3, np.float32))
    spoil(message)
    with pytest.raises(LatentworldError) as error:
        from_tensor(message, "belief", None)
    assert str(error.value) == said


def test_tensor_refuses_other_types():
    with pytest.raises(LatentworldError, match="float64"):
        to_tensor(np.zeros(3))


PIXELS = RNG.integers(0, 256, (6, 8, 4), dtype=np.uint8)


def image(pixels, encoding, padding=0, big=False):
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels).reshape(height, -1).view(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, padding)))
    message = Image(height=height, width=width, encoding=encoding, step=rows.shape[1], is_bigendian=int(big))
    message.data.frombytes(rows.tobytes())
    return message


@pytest.mark.parametrize("padding", [0, 4])
def test_colour_encodings(padding):
    rgb = PIXELS[..., :3]
    assert np.array_equal(images.colour(image(rgb, "rgb8", padding), "t"), rgb)
    assert np.array_equal(images.colour(image(rgb[..., ::-1], "bgr8", padding), "t"), rgb)
    assert np.array_equal(images.colour(image(PIXELS, "rgba8", padding), "t"), rgb)
    assert np.array_equal(images.colour(image(PIXELS[..., [2, 1, 0, 3]], "bgra8", padding), "t"), rgb)
    assert np.array_equal(images.colour(image(PIXELS[..., 0], "mono8", padding), "t"), PIXELS[..., [0, 0, 0]])


def test_rgb_is_a_view():
    message = image(PIXELS[..., :3], "rgb8")
    assert np.shares_memory(images.colour(message, "t"), np.frombuffer(message.data, np.uint8))


@pytest.mark.parametrize("big", [False, True])
def test_depth_encodings(big):
    order = ">" if big else "<"
    metres = RNG.random((6, 8), dtype=np.float32) * 5
    metres[0, 0] = np.nan
    got = images.depth(image(metres.astype(order + "f4"), "32FC1", big=big), "t")
    assert got.dtype == np.float32 and np.array_equal(got, metres, equal_nan=True)
    millimetres = RNG.integers(0, 5000, (6, 8)).astype(order + "u2")
    got = images.depth(image(millimetres, "16UC1", big=big), "t")
    assert got.dtype == np.float32 and np.allclose(got, millimetres.astype(np.float32) / 1000)


@pytest.mark.parametrize(
    ("read", "message", "said"),
    [
        (
            images.colour,
            image(PIXELS[..., :2], "yuv422_yuy2"),
            "/cam: expected encoding rgb8, bgr8, rgba8, bgra8, mono8",
        ),
        (images.colour, Image(encoding="rgb8"), "/cam: expected an image of some size, got 0x0"),
        (
            images.colour,
            Image(encoding="rgb8", width=8, height=6, step=24),
            "/cam: expected 144 bytes for 8x6 rgb8, got 0",
        ),
        (
            images.colour,
            image(PIXELS[..., 0], "rgb8"),
            "/cam: expected at least 24 bytes a row of 8 rgb8 pixels, got step 8",
        ),
        (images.depth, image(PIXELS[..., :3], "rgb8"), "/cam: expected encoding 32FC1 (m) or 16UC1 (mm), got 'rgb8'"),
    ],
)
def test_a_bad_image_is_named(read, message, said):
    with pytest.raises(LatentworldError) as error:
        read(message, "/cam")
    assert str(error.value).startswith(said)


def test_images_round_trip():
    rgb, metres = PIXELS[..., :3], RNG.random((6, 8), dtype=np.float32)
    assert np.array_equal(images.colour(over_the_wire(images.to_image(rgb, 5, "camera")), "t"), rgb)
    assert np.array_equal(images.depth(over_the_wire(images.to_image(metres, 5, "camera")), "t"), metres)


@pytest.mark.parametrize("yaw", np.linspace(-math.pi + 1e-6, math.pi, 9))
def test_yaw(yaw):
    assert transforms.yaw_of_quaternion(transforms.quaternion_of_yaw(yaw)) == pytest.approx(yaw)


def test_yaw_of_a_tilted_base():
    from transforms3d.euler import euler2quat

    w, x, y, z = euler2quat(0.1, -0.2, 1.1, "sxyz")
    assert transforms.yaw_of_quaternion(Quaternion(x=x, y=y, z=z, w=w)) == pytest.approx(1.1)


@pytest.mark.skipif(
    transforms.quaternion_from_euler is None,
    reason="tf_transformations is not on PyPI: this runs where a ROS 2 that has it is sourced",
)
def test_both_paths_agree(monkeypatch):
    installed = [transforms.yaw_of_quaternion(transforms.quaternion_of_yaw(y)) for y in (-2.0, 0.3)]
    monkeypatch.setattr(transforms, "quaternion_from_euler", None)
    monkeypatch.setattr(transforms, "euler_from_quaternion", None)
    assert installed == pytest.approx(
        [transforms.yaw_of_quaternion(transforms.quaternion_of_yaw(y)) for y in (-2.0, 0.3)]
    )
