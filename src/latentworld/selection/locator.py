"""Where a goal image was taken, as far as what has been seen tells: a Bayes filter over all poses the map has shown."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from latentworld.model.place_matcher import HEADINGS
from latentworld.model.world_model import Belief, WorldModel
from latentworld.selection.approach import Approach
from latentworld.selection.looks import Looks
from latentworld.types import Latent, LatentworldError, WorldState

NEAR = 0.5  # metres about the likeliest place that count as the same
HERE = 0.35  # metres about the robot that count as where it stands
SHARPNESS = 0.6  # of the scores: on held-out rooms they are that much too sure of themselves
ASTRAY = 0.4  # share of goals whose likeness the map shows elsewhere: so much may lie anywhere
HELD = 0.6  # of the likeliest place's probability, down to which the robot keeps to the one it is driving to
SIDE = 3  # maps a side of the grid on which places that the map has left are kept

REFUTED = 2.5  # nats against a place about which the robot has looked in vain
CERTAIN = 6.0  # the most that one look may say, in nats: some walls look alike
ALIKE, STEADY, CAUTION = (0.2, 0.25), 3.0, 0.5  # of the evidence of ``Looks``


class Place(NamedTuple):
    """pose: (3,) in odom. probability: that the goal is within ``NEAR`` of it, if it lies on what was mapped at all.
    here: the same within ``HERE`` of the robot. same: nats that what it sees is what the goal shows.
    """

    pose: np.ndarray
    probability: float
    here: float
    same: float = 0.0


class GoalLocator:
    """Holds what the goal shows against the belief's map, at every cell and under every heading, and against what was
    seen from where the robot has been. What the map has scrolled away from is kept.
    """

    def __init__(self, model: WorldModel):
        self.model = model
        self.headings = model.place.headings.numpy()
        self.side = SIDE * model.config.map_cells
        self.reset()

    def reset(self) -> None:
        """Another goal."""
        shape = HEADINGS, self.side, self.side
        self._goal: Latent | None = None
        self._kernel: torch.Tensor | None = None
        self._held: np.ndarray | None = None
        self._first: np.ndarray | None = None  # (2,) odom of the grid's first cell
        self._score = np.full(shape, -np.inf, np.float32)  # of the map; -inf: never mapped
        self._looks = Looks(self.headings, self.side, self.model.config.cell, ALIKE, STEADY, CAUTION)
        self._refuted = np.zeros((1, *shape[1:]), np.float32)  # nats against places, under every heading
        self._approach = Approach()

    def locate(self, state: WorldState, goal: Latent) -> Place:
        """The likeliest place by all that is known. Raises LatentworldError for a latent of another model."""
        self._take(goal)
        with torch.inference_mode():
            belief = self.model.unflatten(torch.from_numpy(state.belief).unsqueeze(0))
            score = self.model.place.everywhere(self.model.place.mapped(belief.memory), self._kernel).numpy()
        corner = self._corner(state, belief)
        rows, columns = (slice(c, c + score.shape[-1]) for c in corner[::-1])
        self._score[:, rows, columns] = SHARPNESS * score
        same = self._look(state, belief.latent[0], goal)
        place = self._likeliest(state)
        exact = self._approach.pose(place.pose)
        return place._replace(pose=place.pose if exact is None else exact, same=same)

    def refute(self, pose: np.ndarray) -> None:
        """The robot has looked about ``pose`` (x, y, ...) long enough to have arrived if that were the goal."""
        if self._first is None:
            return
        cell = self.model.config.cell
        x, y = (self._first[i] + np.arange(self.side) * cell - pose[i] for i in (0, 1))
        self._refuted[0][np.hypot(x, y[:, None]) < NEAR] -= REFUTED

    def _corner(self, state: WorldState, belief: Belief) -> np.ndarray:
        """(2,) column and row of the grid at which the map begins. Map and grid share their cells: the map's axes are
        those of odom, it moves by whole cells, and the robot stands at ``place`` in it.
        """
        cells, cell = self.model.config.map_cells, self.model.config.cell
        first = np.asarray(state.pose[:2]) - belief.place[0, :2].numpy() + self.model.map.centres[0, 0].numpy()
        if self._first is None:
            self._first = first - cell * ((self.side - cells) // 2)
        corner = np.round((first - self._first) / cell).astype(int)
        kept = np.clip(corner, 0, self.side - cells)
        if (kept != corner).any():  # the grid moves along; what leaves it is forgotten
            self._shift(corner - kept)
        return kept

    def _shift(self, by: np.ndarray) -> None:
        """Move the grid by columns and rows (2,)."""
        self._first = self._first + by * self.model.config.cell
        for layer, empty in (
            (self._score, -np.inf),
            (self._looks.looked, 0),
            (self._looks.evidence, 0),
            (self._refuted, 0),
        ):
            layer[:] = np.roll(layer, -by[::-1], (1, 2))
            for axis, shift in zip((2, 1), by, strict=True):
                entered = slice(self.side - shift, self.side) if shift > 0 else slice(0, -shift)
                layer.swapaxes(axis, 2)[:, :, entered] = empty

    def _look(self, state: WorldState, seen: torch.Tensor, goal: Latent) -> float:
        """Nats that what the robot sees is what the goal shows: evidence about poses near its own."""
        with torch.inference_mode():
            match = self.model.views(seen[None], torch.from_numpy(goal.vector)[None])
        says = float(match.same.clamp(-CERTAIN, CERTAIN))
        self._looks.add(self._first, state.pose, says)
        self._approach.note(state.pose, match)
        return says

    def _likeliest(self, state: WorldState) -> Place:
        mapped = self._score[0] > -np.inf
        rows, columns = (np.flatnonzero(mapped.any(axis))[[0, -1]] + (0, 1) for axis in (1, 0))
        window = np.s_[:, slice(*rows), slice(*columns)]
        density = np.exp(self._score[window] - self._score[window].max())
        density = (1 - ASTRAY) / density.sum() * density + ASTRAY / density.size
        density *= np.exp(self._looks.weighed(window) + self._refuted[window])
        density /= density.sum()
        x, y = (
            first + np.arange(*ends) * self.model.config.cell
            for first, ends in zip(self._first, (columns, rows), strict=True)
        )
        centres = np.stack(np.meshgrid(x, y), -1)
        cells = density.sum(0)
        here = float(cells[np.hypot(*np.moveaxis(centres - state.pose[:2], -1, 0)) < HERE].sum())
        best = self._about(centres.reshape(-1, 2)[cells.argmax()], centres, density, here)
        if self._held is not None:
            held = self._about(self._held, centres, density, here)
            best = held if held.probability > HELD * best.probability else best
        self._held = best.pose[:2]
        return best

    def _about(self, point: np.ndarray, centres: np.ndarray, density: np.ndarray, here: float) -> Place:
        """What lies within NEAR of a point (2,), as one place."""
        near = np.hypot(*np.moveaxis(centres - point, -1, 0)) < NEAR
        share = density[:, near]
        probability = float(share.sum())
        share = share / max(probability, 1e-30)
        x, y = share.sum(0) @ centres[near]
        turned = share.sum(1)
        yaw = np.arctan2(turned @ np.sin(self.headings), turned @ np.cos(self.headings))
        return Place(np.array([x, y, yaw]), probability, here)

    def _take(self, goal: Latent) -> None:
        model = self.model
        if goal.model_id != model.model_id:
            raise LatentworldError(f"goal latent: expected model {model.model_id}, got {goal.model_id}")
        if goal is not self._goal:
            with torch.inference_mode():
                described = model.place.described(torch.from_numpy(goal.vector).unsqueeze(0))
                self._goal, self._kernel = goal, model.place.kernel(described)
