import numpy as np

from latentworld.selection.critics import Scene

ORDINARY = 0.01  # p-value of a frame that happens in an ordinary drive every ten seconds


def surprise(scene: Scene) -> np.ndarray:
    """Share of top speed, times the orders of magnitude by which the last frame was rarer than an ordinary one."""
    rare = np.log10(ORDINARY / np.clip(scene.state.p_value, 1e-6, ORDINARY))
    return rare * np.abs(scene.candidates[..., 0]).mean(1) / max(scene.parameters.max_linear, 1e-3)
