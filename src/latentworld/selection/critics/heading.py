import numpy as np

from latentworld.selection.critics import Scene

STEP, NEAR = 0.3, 0.6  # metres


def heading(scene: Scene) -> np.ndarray:
    """Does the base at last face where it must go next, or, at the goal, where it is to face there?

    Far off: metres that a step ahead would not bring it nearer. Near: radians off the goal's heading, if it has one.
    """
    last = scene.consequences.poses[:, -1]
    ahead = last[:, :2] + STEP * np.stack([np.cos(last[:, 2]), np.sin(last[:, 2])], -1)
    here, there = scene.way(last[:, :2]), scene.way(ahead)
    far = np.minimum(1.0, here / NEAR)
    astray = far * np.clip(STEP + there - here, 0, 4 * STEP)
    if np.isnan(scene.goal[2]):
        return astray
    return astray + (1 - far) * np.abs((scene.goal[2] - last[:, 2] + np.pi) % (2 * np.pi) - np.pi)
