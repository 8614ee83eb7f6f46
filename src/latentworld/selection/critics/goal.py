import numpy as np

from latentworld.selection.critics import Scene


def goal(scene: Scene) -> np.ndarray:
    """Metres still to go: mean along the path (so that sooner is better) + at the end + half the least.

    What touches something gets no farther: behind an obstacle no plan is nearer to the goal than in front of it.
    """
    distance = expected(scene.way(scene.consequences.poses[..., :2]), scene.consequences.contact)
    return scene.urgency * (distance.mean(1) + distance[:, -1] + 0.5 * distance.min(1))


def expected(distance: np.ndarray, contact: np.ndarray) -> np.ndarray:
    """(K, H) distances along plans as they are to be expected: after a contact, that of where it happened.

    contact: (K, H) probabilities. Steps are no independent trials: the highest so far says whether it has happened. A
    gap that is likelier free than not is tried: from nearby it is seen better.
    """
    touched = np.maximum.accumulate(np.maximum(2 * contact - 1, 0), 1)
    here = np.diff(touched, axis=1, prepend=0.0)  # probability that it happens at this step
    return (1 - touched) * distance + np.cumsum(here * distance, 1)
