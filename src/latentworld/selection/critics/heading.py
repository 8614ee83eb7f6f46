import numpy as np

from latentworld.selection.critics import Scene
from latentworld.types import turn

STEP, NEAR = 0.3, 0.6  # metres


def heading(scene: Scene) -> np.ndarray:
    """Does the base at last face where it must go next, or, at the goal, where it is to face there?

    Far off: metres that a step ahead of the last pose would not bring it nearer. Near: radians off the goal's
    heading, if it
    has one, mean over the path: asked of the end alone, turning could be put off for ever.
    """
    poses = scene.consequences.poses
    last = poses[:, -1]
    ahead = last[:, :2] + STEP * np.stack([np.cos(last[:, 2]), np.sin(last[:, 2])], -1)
    here, there = scene.way(last[:, :2]), scene.way(ahead)
    astray = np.minimum(1.0, here / NEAR) * np.clip(STEP + there - here, 0, 4 * STEP)
    if np.isnan(scene.goal[2]):
        return astray
    off = poses[..., :2] - scene.goal[:2]
    near = np.maximum(0.0, 1 - np.hypot(off[..., 0], off[..., 1]) / NEAR)
    return astray + (near * np.abs(turn(scene.goal[2] - poses[..., 2]))).mean(1)
