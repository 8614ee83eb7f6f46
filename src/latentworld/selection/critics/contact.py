import numpy as np

from latentworld.selection.critics import Scene

DISCOUNT = 0.95  # a step: what is near is foreseen better and matters more


def contact(scene: Scene) -> np.ndarray:
    """Expected contacts, discounted by how far ahead they are."""
    p = scene.consequences.contact
    return p @ (DISCOUNT ** np.arange(p.shape[1], dtype=np.float32))
