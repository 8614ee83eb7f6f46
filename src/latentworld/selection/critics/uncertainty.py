import numpy as np

from latentworld.selection.critics import Scene


def uncertainty(scene: Scene) -> np.ndarray:
    """Metres by which the model's opinions differ about where the way leads, mean over the horizon."""
    return scene.consequences.doubt.mean(1)
