"""One recorded drive, ready to be drawn at any of its frames."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from latentworld.demo.pictures.camera_view import CameraView
from latentworld.demo.pictures.colours import depth_colours
from latentworld.demo.pictures.futures import Shift, futures, worst
from latentworld.demo.pictures.top_view import TopView
from latentworld.demo.recording import Recorded
from latentworld.sim.world import World
from latentworld.types import FreeSpace, GoalKind, Plan, WorldState, seconds

Believe = Callable[[WorldState], FreeSpace]
"""What a belief says about the room around the robot: ``ConsequenceSimulator.free_space``."""


class Panels(NamedTuple):
    """Three square pictures (size, size, 3) uint8 of one moment."""

    camera: np.ndarray
    believed: np.ndarray
    above: np.ndarray


class Curves(NamedTuple):
    """Values over seconds since the goal was given. risk: of the chosen plan; least, most: of all imagined."""

    surprise_at: np.ndarray
    surprise: np.ndarray
    violation: np.ndarray
    risk_at: np.ndarray
    risk: np.ndarray
    least: np.ndarray
    most: np.ndarray


class Scene:
    """``world`` is reset to the drive's room and must not be changed while this is in use."""

    def __init__(self, recorded: Recorded, world: World, believe: Believe | None) -> None:
        self.recorded, self._believe = recorded, believe
        world.reset(recorded.drive.seed, recorded.drive.blocked)
        self._camera, self._top = CameraView(world), TopView(world, world.image_size)
        self._plans = [plan for _, plan in recorded.plans]
        self._planned = [plan.observation_stamp for plan in self._plans]
        self._stated = [state.stamp for state in recorded.states]
        self.frames = [f for f in recorded.frames if recorded.drive.began <= f.stamp <= recorded.drive.ended]
        self.goal_image = cv2.resize(world.goal_frame().rgb, (64, 64), interpolation=cv2.INTER_AREA)

    @property
    def has_image_goal(self) -> bool:
        return self.recorded.drive.kind == GoalKind.IMAGE

    def time(self, k: int) -> float:
        """Seconds from the goal to frame ``k``."""
        return seconds(self.frames[k].stamp - self.recorded.drive.began)

    def plan(self, k: int) -> Plan | None:
        """The newest plan made from frame ``k`` or one before it."""
        i = bisect_right(self._planned, self.frames[k].stamp) - 1
        return self._plans[i] if i >= 0 else None

    def state(self, k: int) -> WorldState | None:
        i = bisect_right(self._stated, self.frames[k].stamp) - 1
        return self.recorded.states[i] if i >= 0 else None

    def panels(self, k: int) -> Panels:
        stamp, goal = self.frames[k].stamp, self.recorded.goal
        pose = self.recorded.truth_at(stamp).pose
        plan, state = self.plan(k), self.state(k)
        others, best, space, shift = [], None, None, None
        if state is not None:
            shift = Shift(state.pose, self.recorded.truth_at(state.stamp).pose)
            space = self._believe(state) if self._believe else None
            if plan is not None:
                others, best = futures(plan, shift)
        believed, above = self._top.believed(space, shift), self._top.real.copy()
        driven = np.array([t.pose[:2] for at, t in self.recorded.truths if at <= stamp])
        for picture in (believed, above):
            self._top.goal(picture, goal)
            self._top.driven(picture, driven)
            self._top.futures(picture, others, best)
            self._top.robot(picture, pose)
        return Panels(self._camera.draw(pose, others, best, goal), believed, above)

    def overview(self, beside: dict[tuple[int, int, int], np.ndarray]) -> np.ndarray:
        """The whole drive from above, with the ways (colour -> (N, 2)) that others took in the same room."""
        picture = self._top.real.copy()
        self._top.goal(picture, self.recorded.goal)
        for colour, way in beside.items():
            self._top.driven(picture, way, colour, 2)
        self._top.driven(picture, self.recorded.driven(), (0, 0, 0), 6)
        self._top.driven(picture, self.recorded.driven(), width=4)
        self._top.robot(picture, self.recorded.truth_at(self.recorded.drive.ended).pose)
        return picture

    def input(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The camera's picture and depth as the robot got them, (H, W, 3) uint8 each."""
        frame = self.frames[k]
        depth = np.zeros(frame.rgb.shape[:2], np.float32) if frame.depth is None else frame.depth
        return frame.rgb, depth_colours(depth)

    def curves(self) -> Curves:
        began, ended = self.recorded.drive.began, self.recorded.drive.ended
        surprises = [s for s in self.recorded.surprises if began <= s.stamp <= ended]
        plans = [p for p in self._plans if p.consequence is not None and began <= p.observation_stamp <= ended]
        imagined = [worst(p.consequence if p.candidates is None else p.candidates) for p in plans]
        return Curves(
            np.array([seconds(s.stamp - began) for s in surprises]),
            np.array([s.score for s in surprises]),
            np.array([s.violation for s in surprises], bool),
            np.array([seconds(p.observation_stamp - began) for p in plans]),
            np.array([worst(p.consequence)[0] for p in plans]),
            np.array([r.min() for r in imagined]),
            np.array([r.max() for r in imagined]),
        )
