"""How well glasses on a head warn of what is in the way, and what a head that nods costs.

python benchmark/way_ahead.py [--rooms N] [--frames DIR] [--json F]

--rooms: validation rooms of many kinds, through which a head walks straight on. --frames: a real walk (set 1 of the
README's real data), which is only ever measured on.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import torch

from latentworld import robot_file
from latentworld.consequence.simulator import ConsequenceSimulator
from latentworld.consequence.way_ahead import STANDS, WayAhead
from latentworld.evaluation.figures import write_figures
from latentworld.evaluation.worlds.real_contact import NEIGHBOURS, auroc, look_along
from latentworld.evaluation.worlds.real_walk import Walk, find, read
from latentworld.geometry import euler
from latentworld.model.checkpoint import load
from latentworld.model.world_model import WorldModel
from latentworld.perception.encoder import PerceptionEncoder
from latentworld.perception.head import HeadView
from latentworld.perception.range_scan import range_scan
from latentworld.robot import Mount
from latentworld.sim import World
from latentworld.sim.room import VALIDATION_SEEDS
from latentworld.sim.wide_rooms import generate_wide_room
from latentworld.tracking.tracker import WorldStateTracker
from latentworld.types import Attitude, Frame, LatentworldError, Odometry, turn

FIRST_ROOM = VALIDATION_SEEDS + 100
PERIOD, SPEED, SECONDS = 0.1, 1.1, 6.0
PICTURE = 180  # pixels across of what the simulator draws
BINS = (0.0, 0.8, 1.5, 2.0, 3.0, np.inf)  # true seconds to what is in the way
ROBOT = robot_file.load("ar_glasses")


def gait(t: float) -> Attitude:
    """Of a person who walks, two steps a second, and looks up and down a little."""
    step = 2 * np.pi * 1.8 * t
    pitch = 3 * np.sin(step) + 8 * np.sin(1.1 * t)
    height = ROBOT.camera.mount.z + 0.03 * np.sin(step + 1)
    return Attitude(np.radians(2 * np.sin(step / 2)), np.radians(pitch), float(height))


def rooms(model: WorldModel, count: int) -> dict[str, float]:
    """Straight ahead from the start of each room until something is touched."""
    world = World(FIRST_ROOM, image_size=PICTURE, robot=ROBOT, rooms=generate_wide_room)
    simulator, encoder = ConsequenceSimulator(model, ROBOT), PerceptionEncoder(model, ROBOT)
    ahead, rows, first = np.linspace(0, 6, 121), [], []
    for seed in range(FIRST_ROOM, FIRST_ROOM + count):
        try:
            world.reset(seed, distance=(2.5, 6.0))
        except LatentworldError:  # no start and goal so far apart in this room
            continue
        world.set_pose(0.0, 0.0, float(np.arctan2(*world.goal[1::-1])))
        tracker, way, warned = WorldStateTracker(model, robot=ROBOT), WayAhead(simulator), False
        for i in range(round(SECONDS / PERIOD)):
            world.step(SPEED, 0.0, period=PERIOD)
            if world.truth().contact or world.truth().dropped:
                break
            attitude, odometry = gait(i * PERIOD), world.odometry()
            world.camera.mount = Mount(z=attitude.height, roll=attitude.roll, pitch=attitude.pitch)
            tracker.odometry(odometry)
            warning = way.assess(tracker.observe(encoder.encode(world.frame(), attitude))[0])
            x, y, yaw = world.truth().pose
            points = np.array([x, y]) + ahead[:, None] * [np.cos(yaw), np.sin(yaw)]
            hit = (world.clearance(points) < ROBOT.base.reach) | (world.drop_distance(points) < 0)
            true = float(ahead[hit.argmax()]) / max(odometry.linear, STANDS) if hit.any() else np.inf
            if odometry.linear > SPEED / 2:
                rows.append((true, warning.warn))
            if warning.warn and not warned:
                first.append(true)
            warned = warning.warn
    world.close()
    true, warn = np.array(rows).T
    figures = {"rooms_frames": float(len(rows)), "rooms_first_warning_s": float(np.median(first))}
    for low, high in pairwise(BINS):
        inside = (true >= low) & ((true < high) | (high == np.inf))
        figures[f"rooms_warned_{low:.1f}_to_{high:.1f}_s"] = float(warn[inside].mean())
    return figures


def real(model: WorldModel, walk: Walk) -> dict[str, float]:
    """Truth along the way that is walked: what depth of the frames around it shows in the next 1.5 m."""
    level = replace(ROBOT, cameras=(replace(walk.robot(0).camera, mount=ROBOT.camera.mount),))
    encoder, tracker = PerceptionEncoder(model, level), WorldStateTracker(model, robot=level)
    way = WayAhead(ConsequenceSimulator(model, level))
    clouds = [cloud[cloud[:, 2] < level.base.height] for cloud in map(walk.points, range(len(walk)))]
    rows = []
    for i in range(len(walk)):
        follows = i > 0 and walk.indices[i] == walk.indices[i - 1] + 1
        if not follows:
            tracker.reset()
            way.reset()
        roll, pitch, _ = euler(walk.rotations[i])
        latent = encoder.encode(walk.frame(i), Attitude(roll, pitch, float(walk.positions[i][2])))
        pose = walk.base_pose(i)
        moved = pose - walk.base_pose(i - 1) if follows else np.zeros(3)
        forward = float(np.cos(pose[2]) * moved[0] + np.sin(pose[2]) * moved[1]) / PERIOD
        tracker.odometry(Odometry(latent.stamp, pose, forward, float(turn(moved[2])) / PERIOD))
        warning = way.assess(tracker.observe(latent)[0])
        velocity = walk.positions[i][:2] - walk.positions[max(i - 3, 0)][:2]
        along = np.append(pose[:2], np.arctan2(velocity[1], velocity[0]))
        near = [clouds[j] for j in np.flatnonzero(np.abs(walk.indices - walk.indices[i]) <= NEIGHBOURS)]
        moves = np.hypot(*velocity) >= 3 * PERIOD * STANDS
        free = warning.seconds * np.hypot(*velocity) / 3 / PERIOD  # metres; NaN: farther than it looks
        score = warning.contact - 1e3 if np.isnan(free) else -free
        rows.append((moves, look_along(near, along, level.base).truth if moves else None, warning, score))
    told = [(truth, warning, score) for moves, truth, warning, score in rows if moves and truth is not None]
    truth = np.array([blocked for blocked, _, _ in told])
    warn = np.array([warning.warn for _, warning, _ in told])
    return {
        "real_frames": float(len(rows)),
        "real_frames_walking": float(sum(moves for moves, *_ in rows)),
        "real_warned": float(np.mean([warning.warn for _, _, warning, _ in rows])),
        "real_frames_with_truth": float(len(told)),
        "real_blocked": float(truth.mean()),
        "real_warned_blocked": float(warn[truth].mean()),
        "real_warned_free": float(warn[~truth].mean()),
        "real_contact_auroc": auroc(np.array([warning.contact for _, warning, _ in told]), truth),
        "real_distance_auroc": auroc(np.array([score for *_, score in told]), truth),
    }


def cost() -> dict[str, float]:
    """CPU milliseconds a frame of a walk, and of frames of one attitude alone."""
    rng, picture = np.random.default_rng(0), ROBOT.camera.intrinsics
    depth = rng.uniform(1.0, 4.0, (picture.height // 20, picture.width // 20)).astype(np.float32)
    depth = cv2.resize(depth, (picture.width, picture.height))
    rgb = rng.integers(0, 256, (picture.height, picture.width, 3), np.uint8)
    head, frame, spent = HeadView(ROBOT), Frame(0, rgb, depth), {}
    for name, attitude in (("walking", gait), ("still", lambda t: gait(0.0))):
        times = []
        for i in range(200):
            began = time.thread_time()
            view = head.at(attitude(i * PERIOD))
            view.look(frame)
            range_scan(frame, view.robot)
            times.append(1e3 * (time.thread_time() - began))
        spent[f"cost_{name}_ms"] = float(np.mean(times[20:]))
    return spent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rooms", type=int, default=0, help="how many rooms")
    parser.add_argument("--frames", metavar="DIR", help="folder of the real walk")
    parser.add_argument("--json", metavar="F", help="write the figures to this file")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    model, figures = load(None), cost()
    if arguments.rooms:
        figures |= rooms(model, arguments.rooms)
    if arguments.frames:
        folder = find(arguments.frames)
        if folder is None:
            raise LatentworldError(f"frames {arguments.frames}: expected a walk (frames.csv, poses.csv), got none")
        figures |= real(model, read(folder))
    for name, value in figures.items():
        sys.stdout.write(f"{name:34s} {value:8.3f}\n")
    if arguments.json:
        write_figures(arguments.json, figures, {"robot": ROBOT.name, "model": model.model_id})
    return 0


if __name__ == "__main__":
    sys.exit(main())
