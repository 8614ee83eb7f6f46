"""Robots drawn at random: what a model that shall serve any robot is trained on. Ranges, no particular robot."""

from __future__ import annotations

import math

import numpy as np

from latentworld.robot import VIEW, Base, Camera, Depth, Intrinsics, Mount, Robot

SHIPPED_SHARE = 0.2  # of robots whose camera is the model's own view
WIDTH = 160  # pixels across of the pictures that are drawn
SHAPES = ((1, 1), (4, 3), (16, 9))  # of a picture
FIELD_OF_VIEW = (0.73, 2.2)  # radians, horizontal
HEIGHT = (0.1, 1.4)  # metres
PITCH = (-0.09, 0.61)  # radians down
SEES_FLOOR = 4.0  # metres within which a camera must see some of the floor
RADIUS, TOP_SPEED, LATENCY, ACCELERATION = (0.12, 0.32), (0.25, 1.2), (0.0, 0.2), (0.6, 3.0)
LEAST, HOLES, NOISE = (0.15, 0.4), (0.0, 0.25), (0.003, 0.02)  # of depth


def draw_robot(rng: np.random.Generator) -> Robot:
    """A round differential robot with one RGB-D camera of any kind."""
    base = Base(
        radius=rng.uniform(*RADIUS),
        max_linear=rng.uniform(*TOP_SPEED),
        max_reverse=0.25,
        latency=rng.uniform(*LATENCY),
        acceleration=rng.uniform(*ACCELERATION),
    )
    if rng.random() < SHIPPED_SHARE:
        camera = Camera(VIEW.intrinsics, VIEW.mount, _depth(rng))
    else:
        camera = Camera(*_optics(rng, base.radius), _depth(rng))
    return Robot("drawn", base, (camera,))


def _optics(rng: np.random.Generator, radius: float) -> tuple[Intrinsics, Mount]:
    across, down = SHAPES[rng.integers(len(SHAPES))]
    width, height = WIDTH, round(WIDTH * down / across)
    while True:
        picture = Intrinsics.from_field_of_view(width, height, rng.uniform(*FIELD_OF_VIEW))
        # Low cameras are as common as high ones: heights are drawn by their logarithm.
        z = math.exp(rng.uniform(*np.log(HEIGHT)))
        pitch = rng.uniform(*PITCH)
        lowest = pitch + picture.field_of_view[1] / 2
        if lowest > math.atan2(z, SEES_FLOOR):
            break
    mount = Mount(
        x=rng.uniform(-0.5, 0.9) * radius, y=rng.normal(0, 0.02), z=z, roll=rng.normal(0, 0.015), pitch=pitch,
        yaw=rng.normal(0, 0.02),
    )  # fmt: skip
    return picture, mount


def _depth(rng: np.random.Generator) -> Depth:
    """With the faults of real depth cameras in two of three."""
    noise = rng.uniform(*NOISE)
    if rng.random() < 1 / 3:
        return Depth(noise=noise)
    return Depth(least=rng.uniform(*LEAST), noise=noise, holes=rng.uniform(*HOLES), most=rng.uniform(4.0, 10.0))
