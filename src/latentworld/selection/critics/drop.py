import numpy as np

from latentworld.selection.critics import Scene


def drop(scene: Scene) -> np.ndarray:
    """Expected steps spent over a ledge. Not discounted: there is no way back."""
    return scene.consequences.drop.sum(1)
