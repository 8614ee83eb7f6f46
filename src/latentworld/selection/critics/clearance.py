import numpy as np

from latentworld.selection.critics import Scene


def clearance(scene: Scene) -> np.ndarray:
    """Metres short of the clearance wanted, doubt taken off, mean over the horizon."""
    p, c = scene.parameters, scene.consequences
    safe = c.clearance - p.caution * c.uncertainty
    return np.maximum(0.0, p.clearance_wanted - safe).mean(1)
