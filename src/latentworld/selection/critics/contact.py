import numpy as np

from latentworld.selection.critics import Scene

DISCOUNT = 0.95  # a step: what is near is foreseen better and matters more


def contact(scene: Scene) -> np.ndarray:
    """Probability of a contact, discounted by how far ahead it is.

    Steps are no independent trials: what passes a thing slowly meets it no more often than what rushes by. So each step
    counts by what it adds to the highest probability before it.
    """
    highest = np.maximum.accumulate(scene.consequences.contact, 1)
    added = np.diff(highest, axis=1, prepend=0.0)
    return added @ (DISCOUNT ** np.arange(added.shape[1], dtype=np.float32))
