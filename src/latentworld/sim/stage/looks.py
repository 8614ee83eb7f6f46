"""How a stage looks: everything about a clip that has nothing to do with its physics."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..engine import mujoco
from ..textures import PATTERNS, pattern

FIELD_OF_VIEW = np.radians(42.0)
DISTANCE = 4.0  # of the camera from the plane in which things move (m)
TEXTURES = (64, 64, 128)  # table, ground, backdrop: sides in pixels
PROP_TEXTURES = 6


@dataclass(frozen=True, slots=True)
class Style:
    """What clips of a set may look like. Hues are parts of the colour circle."""

    name: str
    shapes: tuple[str, ...]
    hues: tuple[float, float]  # of props
    patterns: tuple[str, ...]  # of table, ground and backdrop
    heights: tuple[tuple[float, float], ...]  # of the camera (m)
    drifting: float = 0.5  # share of films in which the backdrop moves


SEEN = Style(
    "seen",
    ("ball", "cube", "pyramid", "drum"),
    (0.0, 0.55),
    ("checker", "gradient", "clouds", "planks", "plain"),
    ((0.9, 1.5),),
)
SHIFTED = Style(
    "shifted",
    ("egg", "capsule", "prism", "diamond"),
    (0.6, 0.97),
    ("stripes", "bricks", "speckle"),
    ((0.5, 0.8), (1.6, 1.9)),
)


# To learn from: more shapes than are asked about, so that it is shapes that are learned and not four of them.
LEARNED = replace(SEEN, name="learned", shapes=(*SEEN.shapes, "wedge", "frustum", "slab", "pillar"))
STILL, DRIFTING = replace(SEEN, name="still", drifting=0.0), replace(SEEN, name="drifting", drifting=1.0)
STYLES = {style.name: style for style in (SEEN, SHIFTED, LEARNED, STILL, DRIFTING)}


@dataclass(frozen=True, slots=True)
class Looks:
    """position (3,) and rotation (3, 3: columns forward, left, up) of the camera; light and paint; drift (2,) of the
    backdrop (m/s), zero where it rests.
    """

    style: Style
    position: np.ndarray
    rotation: np.ndarray
    lights: str
    paints: tuple[np.ndarray, ...]
    drift: np.ndarray
    sway: np.ndarray

    @staticmethod
    def draw(rng: np.random.Generator, style: Style) -> Looks:
        low, high = style.heights[rng.integers(len(style.heights))]
        position = np.array([rng.uniform(-0.15, 0.15), -DISTANCE + rng.uniform(-0.15, 0.15), rng.uniform(low, high)])
        target = np.array([position[0] + rng.uniform(-0.05, 0.05), 0.0, 0.65 + rng.uniform(-0.05, 0.05)])
        moving = rng.random() < style.drifting
        return Looks(
            style,
            position,
            _facing(target - position),
            _lights(rng),
            tuple(_paint(rng, n, style.patterns, 0.45) for n in TEXTURES)
            + tuple(pattern(rng, 32, 0.25) for _ in range(PROP_TEXTURES)),
            moving * rng.uniform(-0.6, 0.6, 2),
            moving * np.array([rng.uniform(0, 0.3), rng.uniform(2, 6)]),
        )

    def project(self, points: np.ndarray) -> np.ndarray:
        """World points (..., 3) -> (..., 2) picture coordinates, right and up, the picture being [-1, 1] squared."""
        rays = (points - self.position) @ self.rotation
        return np.stack([-rays[..., 1], rays[..., 2]], -1) / rays[..., :1] / np.tan(FIELD_OF_VIEW / 2)

    def backdrop(self, seconds: float) -> np.ndarray:
        """Where the backdrop has drifted to: (2,) metres right and up."""
        amplitude, rate = self.sway
        return self.drift * seconds + amplitude * np.sin(rate * seconds) * np.array([1.0, 0.3])

    def paint(self, model: mujoco.MjModel) -> None:
        for texture, image in enumerate(self.paints):
            n, start = len(image), int(model.tex_adr[texture])
            faces = int(model.tex_height[texture]) // n
            model.tex_data[start : start + 3 * n * n * faces] = np.tile(image, (faces, 1, 1)).ravel()


def prop_colour(rng: np.random.Generator, style: Style) -> np.ndarray:
    """A strong colour (3,) in [0, 1] of one of the style's hues."""
    return _hue(rng.uniform(*style.hues), rng.uniform(0.65, 1.0), rng.uniform(0.6, 1.0))


def other_colour(rng: np.random.Generator, style: Style, than: np.ndarray) -> np.ndarray:
    """A colour that nobody takes for ``than``."""
    while True:
        new = prop_colour(rng, style)
        if np.abs(new - than).sum() > 0.7:
            return new


def _hue(hue: float, saturation: float, value: float) -> np.ndarray:
    return value * (1 - saturation * np.clip(2 - np.abs((6 * hue + np.array([3.0, 1.0, 5.0])) % 6 - 3), 0, 1))


def _paint(rng: np.random.Generator, n: int, names: tuple[str, ...], saturation: float) -> np.ndarray:
    kinds = [kind for kind in PATTERNS if kind.__name__.removeprefix("_") in names]
    return pattern(rng, n, saturation, kinds)


def _facing(forward: np.ndarray) -> np.ndarray:
    forward = forward / np.linalg.norm(forward)
    left = np.cross([0.0, 0.0, 1.0], forward)
    left /= np.linalg.norm(left)
    return np.stack([forward, left, np.cross(forward, left)], 1)


def _lights(rng: np.random.Generator) -> str:
    fill, level = rng.uniform(0.35, 0.6), rng.uniform(0.4, 0.8)
    x, tint = rng.uniform(-0.7, 0.7), 1 + rng.uniform(-0.1, 0.1, 3)

    def v(values) -> str:
        return " ".join(f"{value:.3f}" for value in values)

    return (
        f'<light type="directional" dir="{x:.3f} 0.8 -1" castshadow="false" ambient="{v(fill * tint)}"'
        f' diffuse="{v(level * tint)}" specular="0.1 0.1 0.1"/>'
    )
