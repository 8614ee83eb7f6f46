import numpy as np

from latentworld.selection.critics import Scene

NEAR = 0.8  # metres: from farther off, views differ for other reasons than being wrong


def goal_image(scene: Scene) -> np.ndarray:
    """Mean squared difference between the goal image's latent and the view imagined at the end of the plan."""
    k = len(scene.candidates)
    if scene.look is None or np.hypot(*(scene.goal[:2] - scene.state.pose[:2])) > NEAR:
        return np.zeros(k, np.float32)
    poses = scene.consequences.poses[:, -1]
    imagined = scene.look(poses)
    return np.square(imagined - scene.latent[: imagined.shape[1]]).mean(1)
