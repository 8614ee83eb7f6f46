import numpy as np

from latentworld.selection.critics import Scene


def speed(scene: Scene) -> np.ndarray:
    """Share of top speed where there is less room than ``clearance_wanted``, mean over the horizon."""
    p = scene.parameters
    near = np.clip(1 - scene.consequences.clearance / max(p.clearance_wanted, 1e-3), 0, 1)
    along = np.hypot(scene.candidates[..., 0], scene.candidates[..., 2:].sum(-1))
    return (near * along).mean(1) / max(p.max_linear, 1e-3)
