"""A planar lidar in the embedded world: beams that end at the footprint of the nearest thing."""

from __future__ import annotations

import math

import numpy as np

from latentworld.geometry import rotation
from latentworld.robot import Lidar
from latentworld.sim import World

STEPS = 40  # along a beam at most
CLOSE = 0.005  # m from a thing at which a beam has met it


def scan(world: World, lidar: Lidar) -> np.ndarray:
    """(beams,) float32 metres; infinite where nothing is within ``lidar.most``, 0 where it is nearer than ``least``.

    Each beam goes on by the distance to whatever is nearest (sphere tracing, Hart 1996), so it never passes a thing.
    """
    x, y, yaw = world.truth().pose
    turned = rotation(0.0, 0.0, yaw)
    bearing = np.linspace(lidar.first, lidar.last, lidar.beams)
    beams = np.stack([np.cos(bearing), np.sin(bearing), np.zeros_like(bearing)], -1)
    along = (beams @ (turned @ lidar.mount.rotation).T)[:, :2]
    start = np.array([x, y]) + (turned @ lidar.mount.position)[:2]
    ranges, open_ahead = np.zeros(lidar.beams), np.arange(lidar.beams)
    for _ in range(STEPS):
        free = world.clearance(start + ranges[open_ahead, None] * along[open_ahead])
        ranges[open_ahead] += np.maximum(free, 0.0)
        open_ahead = open_ahead[(free > CLOSE) & (ranges[open_ahead] < lidar.most)]
        if not len(open_ahead):
            break
    ranges[ranges >= lidar.most] = math.inf
    ranges[ranges < lidar.least] = 0.0
    return ranges.astype(np.float32)
