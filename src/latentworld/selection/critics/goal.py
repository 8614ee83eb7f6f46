import numpy as np

from latentworld.selection.critics import Scene


def goal(scene: Scene) -> np.ndarray:
    """Metres to the goal: mean along the path (so that sooner is better) + at the end + half the nearest."""
    off = scene.consequences.poses[..., :2] - scene.goal[:2]
    distance = np.hypot(off[..., 0], off[..., 1])
    return distance.mean(1) + distance[:, -1] + 0.5 * distance.min(1)
