import numpy as np

from latentworld.selection.critics import Scene


def smoothness(scene: Scene) -> np.ndarray:
    """Change of speeds from step to step as a share of the limits, the jump from the command in force included."""
    limits = np.array([scene.parameters.max_linear, scene.parameters.max_angular], np.float32)
    command = np.broadcast_to(scene.state.command, (len(scene.candidates), 1, 2))
    change = np.diff(np.concatenate([command, scene.candidates], 1), axis=1) / np.maximum(limits, 1e-3)
    return np.square(change).sum(2).mean(1)
