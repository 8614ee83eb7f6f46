"""The true simulator behind the interface of the imagined one, for scoring only."""

from __future__ import annotations

import numpy as np

from latentworld.sim.world import World
from latentworld.types import Consequences, FreeSpace, WorldState

RADIUS, LAG, SHARPNESS = 0.2, 0.15, 0.01  # metres, seconds, metres


class OracleSimulator:
    """Rolls candidates out by the kinematics of the base among the true obstacles, where they stand now."""

    def __init__(self, world: World):
        self.world = world

    def pose(self) -> np.ndarray:
        return self.world.truth().pose

    def simulate(self, state: WorldState, candidates: np.ndarray, dt: float, latents: bool = False) -> Consequences:
        """As ConsequenceSimulator.simulate; contact and drop are all but certain on either side of the rim."""
        k, horizon, _ = candidates.shape
        velocity = np.repeat(state.velocity[None].astype(np.float32), k, 0)
        follow = np.float32(1 - np.exp(-dt / LAG))
        speeds = np.empty_like(candidates)
        for step in range(horizon):
            before = velocity
            velocity = before + follow * (candidates[:, step] - before)
            speeds[:, step] = (before + velocity) / 2
        turn = speeds[..., 1] * dt
        yaw = state.pose[2] + turn.cumsum(1)
        heading, step = yaw - turn / 2, speeds[..., 0] * dt
        x = state.pose[0] + (step * np.cos(heading)).cumsum(1)
        y = state.pose[1] + (step * np.sin(heading)).cumsum(1)
        poses = np.stack([x, y, yaw], -1).astype(np.float32)
        points = poses[..., :2].reshape(-1, 2)
        if self.world.room.movers:  # where they will be by then
            steps = [self.world.clearance(poses[:, i, :2], (i + 1) * dt) for i in range(horizon)]
            room = np.stack(steps, 1) - RADIUS
        else:
            room = self.world.clearance(points).reshape(k, horizon) - RADIUS
        # Half the base may hang over an edge before it tips; a planner that knows it still should not.
        edge = self.world.drop_distance(points).reshape(k, horizon) - RADIUS
        return Consequences(
            dt, poses, _certain(room), _certain(edge + RADIUS / 2), np.minimum(room, edge).astype(np.float32),
            np.zeros((k, horizon), np.float32), np.zeros((k, horizon), np.float32),
        )  # fmt: skip

    def free_space(self, state: WorldState, cells: int = 24, cell: float = 0.2) -> FreeSpace:
        """As ConsequenceSimulator.free_space: no farther than the model's belief reaches, but true."""
        line = (np.arange(cells) + 0.5 - cells / 2) * cell
        y, x = np.meshgrid(line + state.pose[1], line + state.pose[0], indexing="ij")
        points = np.stack([x.ravel(), y.ravel()], -1)
        room = np.minimum(self.world.clearance(points), self.world.drop_distance(points)) - RADIUS
        return FreeSpace(room.reshape(cells, cells), np.zeros((cells, cells)), points[0], cell)


def _certain(distance: np.ndarray) -> np.ndarray:
    return (1 / (1 + np.exp(np.clip(distance / SHARPNESS, -50, 50)))).astype(np.float32)
