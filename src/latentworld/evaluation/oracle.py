"""The true simulator behind the interface of the imagined one, for scoring only."""

from __future__ import annotations

import numpy as np
import torch

from latentworld.consequence.motion import DelayedMotion, DriveTrain
from latentworld.model.latent_map import compose
from latentworld.sim.world import World
from latentworld.types import Consequences, FreeSpace, WorldState

SHARPNESS = 0.01  # metres


class OracleSimulator:
    """Rolls candidates out by the kinematics of the base among the true obstacles, where they stand now."""

    def __init__(self, world: World):
        self.world, self.discs = world, world.base.discs
        self.motion = DelayedMotion(DriveTrain.of(world.base))

    def pose(self) -> np.ndarray:
        return self.world.truth().pose

    def simulate(self, state: WorldState, candidates: np.ndarray, dt: float, latents: bool = False) -> Consequences:
        """As ConsequenceSimulator.simulate; contact and drop are all but certain on either side of the rim."""
        k, horizon, axes = candidates.shape
        velocity, command = (
            torch.from_numpy(np.concatenate([part, np.zeros(3)])[:axes].astype(np.float32))
            for part in (state.velocity, state.command)
        )
        moved = self.motion(velocity, command, torch.from_numpy(candidates.astype(np.float32)), dt)
        start = torch.from_numpy(np.asarray(state.pose, np.float32)).expand_as(moved)
        poses = compose(start, moved).numpy()
        c, s = np.cos(poses[..., 2, None]), np.sin(poses[..., 2, None])
        x, y, radius = self.discs.T
        points = np.stack([poses[..., :1] + c * x - s * y, poses[..., 1:2] + s * x + c * y], -1)  # (K, H, P, 2)
        if self.world.room.movers:  # where they will be by then
            steps = [self.world.clearance(points[:, i].reshape(-1, 2), (i + 1) * dt) for i in range(horizon)]
            room = np.stack([step.reshape(k, -1) for step in steps], 1)
        else:
            room = self.world.clearance(points.reshape(-1, 2)).reshape(points.shape[:3])
        room = (room - radius).min(-1)
        # Half of a disc may hang over an edge before it tips; a planner that knows it still should not.
        edge = self.world.drop_distance(points.reshape(-1, 2)).reshape(points.shape[:3])
        ledge, tipping = (edge - radius).min(-1), (edge - radius / 2).min(-1)
        return Consequences(
            dt, poses, _certain(room), _certain(tipping), np.minimum(room, ledge).astype(np.float32),
            np.zeros((k, horizon), np.float32), np.zeros((k, horizon), np.float32),
        )  # fmt: skip

    def free_space(self, state: WorldState, cells: int = 24, cell: float = 0.2) -> FreeSpace:
        """As ConsequenceSimulator.free_space: no farther than the model's belief reaches, but true."""
        line = (np.arange(cells) + 0.5 - cells / 2) * cell
        y, x = np.meshgrid(line + state.pose[1], line + state.pose[0], indexing="ij")
        points = np.stack([x.ravel(), y.ravel()], -1)
        room = np.minimum(self.world.clearance(points), self.world.drop_distance(points)) - self.world.base.narrowest
        return FreeSpace(room.reshape(cells, cells), np.zeros((cells, cells)), points[0], cell)


def _certain(distance: np.ndarray) -> np.ndarray:
    return (1 / (1 + np.exp(np.clip(distance / SHARPNESS, -50, 50)))).astype(np.float32)
