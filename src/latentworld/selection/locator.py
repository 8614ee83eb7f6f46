"""Where a goal image was taken, as far as what has been seen tells: a Bayes filter over all poses the map has shown."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch

from latentworld.model.place_matcher import HEADINGS
from latentworld.model.world_model import Belief, WorldModel
from latentworld.selection.approach import Approach
from latentworld.selection.looks import Looks
from latentworld.selection.way import WayToGoal
from latentworld.types import Latent, LatentworldError, WorldState, turn

NEAR = 0.5  # metres about a place that count as the same
NO_ROOM = 0.05  # metres short of room for the base at which it may as well stand there as not
REACH = 1.5  # metres of way to a place that count in any case: one at hand is looked at before one far off
FACING = 0.5  # radians about the likeliest heading of a place over which headings are averaged
HERE = 0.35  # metres about the robot that count as where it stands
SHARPNESS = 0.6  # of the scores: on held-out rooms they are that much too sure of themselves
ASTRAY = 0.4  # share of goals whose likeness the map shows elsewhere: so much may lie anywhere
HELD = 0.6  # of the best place's worth, down to which the robot keeps to the one it is driving to
SIDE = 3  # maps a side of the grid on which places that the map has left are kept

REFUTED = 2.5  # nats against a place about which the robot has looked in vain
CERTAIN = 6.0  # the most that one look may say, in nats: some walls look alike
ALIKE, STEADY, CAUTION = (0.2, 0.25), 3.0, 0.5  # of ``Looks`` that tell of the same view
NEARBY = (0.8, 0.45)  # metres, radians of a pose of which a look tells whether the goal was seen from near it


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
        reach = int(NEAR / model.config.cell)
        off = model.config.cell * np.arange(-reach, reach + 1)
        self._disc = (np.hypot(off, off[:, None]) < NEAR).astype(np.float32)
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
        self._nearby = Looks(self.headings, self.side, self.model.config.cell, NEARBY, STEADY, 0.0)
        self._room = np.zeros(shape[1:], np.float32)  # probability that a base has room to stand there
        self._refuted = np.zeros((1, *shape[1:]), np.float32)  # nats against places, under every heading
        self._approach = Approach()

    def locate(self, state: WorldState, goal: Latent, ways: WayToGoal) -> Place:
        """The place most worth going to by all that is known. ways: to the robot, over the map's cells.

        Raises LatentworldError for a latent of another model.
        """
        self._take(goal)
        with torch.inference_mode():
            belief = self.model.unflatten(torch.from_numpy(state.belief).unsqueeze(0))
            score = self.model.place.everywhere(self.model.place.mapped(belief.memory), self._kernel).numpy()
        corner = self._corner(state, belief)
        rows, columns = (slice(c, c + score.shape[-1]) for c in corner[::-1])
        self._score[:, rows, columns] = SHARPNESS * score
        space = ways.space
        self._room[rows, columns] = 1 / (1 + np.exp(-2 * (space.clearance + NO_ROOM) / space.uncertainty))
        same = self._look(state, belief.latent[0], goal)
        place = self._best(state, ways)
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
            (self._room, 0),
            (self._looks.looked, 0),
            (self._looks.evidence, 0),
            (self._nearby.looked, 0),
            (self._nearby.evidence, 0),
            (self._refuted, 0),
        ):
            layer[:] = np.roll(layer, -by[::-1], (-2, -1))
            for axis, shift in zip((-1, -2), by, strict=True):
                entered = slice(self.side - shift, self.side) if shift > 0 else slice(0, -shift)
                layer.swapaxes(axis, -1)[..., entered] = empty

    def _look(self, state: WorldState, seen: torch.Tensor, goal: Latent) -> float:
        """Nats that what the robot sees is what the goal shows: evidence about poses near its own."""
        with torch.inference_mode():
            match = self.model.views(seen[None], torch.from_numpy(goal.vector)[None])
        says = float(match.same.clamp(-CERTAIN, CERTAIN))
        self._looks.add(self._first, state.pose, says)
        self._nearby.add(self._first, state.pose, min(0.0, max(-CERTAIN, float(match.near))))
        self._approach.note(state.pose, match)
        return says

    def _best(self, state: WorldState, ways: WayToGoal) -> Place:
        mapped = self._score[0] > -np.inf
        rows, columns = (np.flatnonzero(mapped.any(axis))[[0, -1]] + (0, 1) for axis in (1, 0))
        window = np.s_[:, slice(*rows), slice(*columns)]
        room = self._room[window[1:]]
        density = np.exp(self._score[window] - self._score[window].max()) * room
        density = (1 - ASTRAY) / density.sum() * density + ASTRAY / (len(density) * room.sum()) * room
        density *= np.exp(self._looks.weighed(window) + self._nearby.weighed(window) + self._refuted[window])
        density /= density.sum()
        x, y = (
            first + np.arange(*ends) * self.model.config.cell
            for first, ends in zip(self._first, (columns, rows), strict=True)
        )
        centres = np.stack(np.meshgrid(x, y), -1)
        away = np.hypot(*np.moveaxis(centres - state.pose[:2], -1, 0))
        cells = density.sum(0)
        worth = cv2.filter2D(cells, -1, self._disc, borderType=cv2.BORDER_CONSTANT) / (REACH + ways(centres))
        best = np.unravel_index(worth.argmax(), worth.shape)
        if self._held is not None:
            held = np.round((self._held - centres[0, 0]) / self.model.config.cell).astype(int)[::-1]
            held = tuple(held.clip(0, np.array(worth.shape) - 1))
            best = held if worth[held] > HELD * worth[best] else best
        place = self._about(centres[best], centres, density, float(cells[away < HERE].sum()))
        self._held = place.pose[:2]
        return place

    def _about(self, point: np.ndarray, centres: np.ndarray, density: np.ndarray, here: float) -> Place:
        """What lies within NEAR of a point (2,), as one place, under its likeliest heading."""
        near = np.hypot(*np.moveaxis(centres - point, -1, 0)) < NEAR
        share = density[:, near]
        probability = float(share.sum())
        share = share / max(probability, 1e-30)
        x, y = share.sum(0) @ centres[near]
        turned = share.sum(1)
        facing = np.abs(turn(self.headings - self.headings[:, None])) < FACING
        turned = turned * facing[(facing @ turned).argmax()]
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
