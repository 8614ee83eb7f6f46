import numpy as np

from latentworld.selection.critics import Scene

STEP, NEAR = 0.3, 0.6  # metres


def heading(scene: Scene) -> np.ndarray:
    """Metres that a step ahead of the last pose would not bring the base nearer: does it face where it must go next?

    Fades out near the goal, where any heading will do.
    """
    last = scene.consequences.poses[:, -1]
    ahead = last[:, :2] + STEP * np.stack([np.cos(last[:, 2]), np.sin(last[:, 2])], -1)
    here, there = scene.way(last[:, :2]), scene.way(ahead)
    return np.clip(STEP + there - here, 0, 4 * STEP) * np.minimum(1.0, here / NEAR)
