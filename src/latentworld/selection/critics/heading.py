import numpy as np

from latentworld.selection.critics import Scene
from latentworld.selection.way import WayToGoal
from latentworld.types import turn

STEP, NEAR = 0.3, 0.6  # metres
AT = 0.3  # metres from the goal below which it need no longer face it to get there


def heading(scene: Scene) -> np.ndarray:
    """Does the base at last face where it must go next, or, at the goal, where it is to face there?

    Far off: metres that a step ahead of the last pose would not bring it nearer. A base that can't turn on the spot
    must drive to face the way: those metres count, if they are more. Near, if the goal has a heading: radians still to
    turn, mean over the path: asked of the end alone, turning could be put off for ever.
    """
    poses = scene.consequences.poses
    last = poses[:, -1]
    ahead = last[:, :2] + STEP * np.stack([np.cos(last[:, 2]), np.sin(last[:, 2])], -1)
    here, there = scene.way(last[:, :2]), scene.way(ahead)
    astray = np.clip(STEP + there - here, 0, 4 * STEP)
    if scene.turning_radius > 0:
        astray = np.maximum(astray, scene.turning_radius * _off_the_way(scene.way, last))
    astray = np.minimum(1.0, here / NEAR) * astray
    if np.isnan(scene.goal[2]):
        return astray
    # Where it comes no nearer, it turns where it is.
    return astray + scene.urgency * _still_to_turn(poses, scene.goal, AT * scene.urgency).mean(1)


def _off_the_way(way: WayToGoal, poses: np.ndarray) -> np.ndarray:
    """Radians (K,) from where poses (K, 3) face to where the way goes on."""
    slope = [way(poses[:, :2] + step) - way(poses[:, :2] - step) for step in (STEP / 2) * np.eye(2)]
    return np.abs(turn(np.arctan2(-slope[1], -slope[0]) - poses[:, 2]))


def _still_to_turn(poses: np.ndarray, goal: np.ndarray, at: float) -> np.ndarray:
    """(K, H) radians: towards the goal and, nearer than ``at`` metres, to its heading. Farther off than NEAR a half
    turn whatever it faces, so that coming near costs nothing: what would, stops a robot that came from the side in
    front of its goal.
    """
    off = goal[:2] - poses[..., :2]
    away, bearing = np.hypot(off[..., 0], off[..., 1]), np.arctan2(off[..., 1], off[..., 0])
    beside = np.minimum(1.0, away / at)
    by_way = np.abs(turn(bearing - poses[..., 2])) + np.abs(turn(goal[2] - bearing))
    left = beside * by_way + (1 - beside) * np.abs(turn(goal[2] - poses[..., 2]))
    return np.pi - np.maximum(0.0, 1 - away / NEAR) * (np.pi - np.minimum(left, np.pi))
