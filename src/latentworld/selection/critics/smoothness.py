import numpy as np

from latentworld.selection.critics import Scene


def smoothness(scene: Scene) -> np.ndarray:
    """Change of speeds from step to step as a share of the limits, the jump from the command in force included."""
    p, (k, _, axes) = scene.parameters, scene.candidates.shape
    limits = np.array([p.max_linear, p.max_angular, p.max_lateral], np.float32)[:axes]
    command = np.concatenate([scene.state.command, np.zeros(3, np.float32)])[:axes]
    command = np.broadcast_to(command, (k, 1, axes))
    change = np.diff(np.concatenate([command, scene.candidates], 1), axis=1) / np.maximum(limits, 1e-3)
    return np.square(change).sum(2).mean(1)
