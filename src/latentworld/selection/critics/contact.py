import numpy as np

from latentworld.selection.critics import Scene

DISCOUNT = 0.95  # a step: what is near is foreseen better and matters more
APART = 0.5  # metres: of poses farther apart, each may touch something of its own


def contact(scene: Scene) -> np.ndarray:
    """Expected contacts, discounted by how far ahead they are.

    Steps are no independent trials, places are: what passes a thing slowly meets it no more often than what rushes by,
    and standing adds nothing. So each step counts by what it adds to the highest probability before it, and by its own
    probability for the distance that it goes.
    """
    p, poses = scene.consequences.contact, scene.consequences.poses[..., :2]
    before = np.concatenate([np.broadcast_to(scene.state.pose[:2], (len(poses), 1, 2)), poses[:, :-1]], 1)
    gone = np.linalg.norm(poses - before, axis=-1)
    added = np.diff(np.maximum.accumulate(p, 1), axis=1, prepend=0.0) + p * gone / APART
    return added @ (DISCOUNT ** np.arange(p.shape[1], dtype=np.float32))
