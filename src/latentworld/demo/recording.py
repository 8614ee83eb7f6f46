"""A demo's bag as the drives it holds, in the nouns that figures and pictures are made of."""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from latentworld.ros import bag, images
from latentworld.ros.codecs import (
    action_from_stamped,
    from_pose2d,
    from_time,
    plan_from_message,
    state_from_message,
    surprise_from_message,
)  # fmt: skip
from latentworld.ros.demo_client import DRIVE_NOTE, Drive
from latentworld.sim.world import Truth
from latentworld.types import NANOSECONDS, Action, Frame, Plan, Surprise, WorldState, seconds

DEPTH = "/camera/depth/image_raw"
BEFORE = NANOSECONDS // 5  # kept of what was before the goal was given


@dataclass(slots=True)
class Recorded:
    """One drive. Lists are in the order of stamps (ns, simulated); ``sent`` is in ns of this machine's clock.

    truths: (stamp, Truth). plans, commands: (sent, noun). exposed: stamp -> when the simulation told of that moment.
    """

    drive: Drive
    frames: list[Frame] = field(default_factory=list)
    truths: list[tuple[int, Truth]] = field(default_factory=list)
    states: list[WorldState] = field(default_factory=list)
    surprises: list[Surprise] = field(default_factory=list)
    plans: list[tuple[int, Plan]] = field(default_factory=list)
    commands: list[tuple[int, Action]] = field(default_factory=list)
    exposed: dict[int, int] = field(default_factory=dict)

    @property
    def goal(self) -> np.ndarray:
        return np.array(self.drive.goal)

    @property
    def duration(self) -> float:
        """Simulated seconds from the goal to the end."""
        return seconds(self.drive.ended - self.drive.began)

    def truth_at(self, stamp: int) -> Truth:
        """The last truth up to this moment."""
        return self.truths[max(bisect_right(self.truths, stamp, key=lambda entry: entry[0]) - 1, 0)][1]

    def driven(self) -> np.ndarray:
        """(N, 2) true x, y in odom."""
        return np.array([truth.pose[:2] for _, truth in self.truths])


def recorded(path: str | Path) -> list[Recorded]:
    """All drives of a bag."""
    drives = [Recorded(Drive(**json.loads(note["json"]))) for note in bag.notes(path, DRIVE_NOTE)]
    if not drives:
        return []
    starts = [d.drive.began - BEFORE for d in drives]
    depths: dict[int, np.ndarray] = {}
    for heard in bag.read(path, lambda topic, _: topic in _TAKE or topic == DEPTH):
        if heard.topic == "/clock":
            stamp = from_time(heard.message.clock)
        else:
            stamp = from_time(heard.message.header.stamp)
        index = bisect_right(starts, stamp) - 1
        if index < 0 or stamp > drives[index].drive.left:
            continue
        if heard.topic == DEPTH:
            depths[stamp] = images.depth(heard.message, heard.topic)
        else:
            _TAKE[heard.topic](drives[index], heard, stamp)
    for drive in drives:
        drive.frames = sorted((Frame(f.stamp, f.rgb, depths.get(f.stamp)) for f in drive.frames), key=lambda f: f.stamp)
    return drives


def _truth(heard: bag.Heard) -> Truth:
    m = heard.message
    return Truth(from_pose2d(m.pose), m.contact, m.dropped, m.contacts)


_TAKE = {
    "/clock": lambda to, heard, stamp: to.exposed.setdefault(stamp, heard.sent),
    "/camera/image_raw": lambda to, heard, stamp: to.frames.append(
        Frame(stamp, images.colour(heard.message, heard.topic))
    ),
    "/ground_truth": lambda to, heard, stamp: to.truths.append((stamp, _truth(heard))),
    "/world_state": lambda to, heard, stamp: to.states.append(state_from_message(heard.message)),
    "/surprise": lambda to, heard, stamp: to.surprises.append(surprise_from_message(heard.message)),
    "/plan": lambda to, heard, stamp: to.plans.append((heard.sent, plan_from_message(heard.message))),
    "/cmd_vel": lambda to, heard, stamp: to.commands.append((heard.sent, action_from_stamped(heard.message))),
}
