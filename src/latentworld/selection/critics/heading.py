import numpy as np

from latentworld.selection.critics import Scene

NEAR = 0.6  # metres


def heading(scene: Scene) -> np.ndarray:
    """Radians between the last heading and the way to the goal; near the goal, and the goal's own heading if it has one."""
    last = scene.consequences.poses[:, -1]
    off = scene.goal[:2] - last[:, :2]
    distance = np.hypot(off[:, 0], off[:, 1])
    bearing = np.abs((np.arctan2(off[:, 1], off[:, 0]) - last[:, 2] + np.pi) % (2 * np.pi) - np.pi)
    return bearing * np.minimum(1.0, distance / NEAR)
