"""Worlds of others: BARN by its rules, MiniWorld behind our interface, truth about real frames."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from latentworld import robot_file
from latentworld.agent import Agent
from latentworld.evaluation import worlds
from latentworld.evaluation.controllers import BlindController, Step
from latentworld.evaluation.kept import Kept
from latentworld.evaluation.worlds import barn, miniworld, miniworld_rooms, real_contact, real_places, real_walk
from latentworld.evaluation.worlds.barn_world import BarnWorld
from latentworld.evaluation.worlds.ground_plan import GroundPlan, below
from latentworld.evaluation.worlds.real_contact import auroc, look_along
from latentworld.evaluation.worlds.unicycle import Unicycle
from latentworld.types import LatentworldError, Odometry

SHARED = Path(__file__).resolve().parents[2] / "shared"
BARN, FRAMES = SHARED / "barn", SHARED / "realdata"
needs_barn = pytest.mark.skipif(not (BARN / barn.FILE).is_file(), reason=f"no {BARN / barn.FILE}; {barn.SOURCE}")
needs_frames = pytest.mark.skipif(real_walk.find(FRAMES) is None, reason=f"no walk in {FRAMES}; {real_walk.SOURCE}")
BASE = robot_file.load().base


# -- BARN


@pytest.mark.parametrize(
    "success, seconds, expected",
    [(True, 5.0, 0.5), (True, 12.0, 0.5), (True, 24.0, 0.25), (True, 99.0, 0.125), (False, 12.0, 0.0)],
)
def test_score_of_a_barn_run(success, seconds, expected):
    assert barn.score(success, seconds, 12.0) == pytest.approx(expected)  # OT = 6 s


def course(*cylinders) -> barn.Course:
    return barn.Course(0, np.array(cylinders, float).reshape(-1, 2), 10.0)


def test_a_barn_run_ends_near_the_goal_or_at_the_first_contact():
    world = BarnWorld([course(), course((-2.25, 8.0))])
    assert world.goal == pytest.approx([10.0, 0.0, 0.0]) and world.truth().pose == pytest.approx([0, 0, 0])
    free = barn.drive(world, BlindController(), 10.0)
    assert free.success and not free.contact and free.distance == pytest.approx(1.0, abs=0.06)
    assert 17.5 < free.seconds < 19.0  # 9 m at 0.5 m/s, from the first 0.1 m on
    assert free.score == pytest.approx(5.0 / free.seconds)
    world.enter(1)
    assert world.clearance(np.array([[5.0, 0.0], [0.0, 0.0]])) == pytest.approx([-0.075, 4.925])
    hit = barn.drive(world, BlindController(), 10.0)
    assert hit.contact and not hit.success and hit.score == 0
    assert hit.distance == pytest.approx(5.0 + 0.075 + BASE.reach, abs=0.06)


def test_who_says_too_early_that_it_is_there_fails():
    class Sure(BlindController):
        def act(self, frame, odometry):
            return Step(np.zeros(2), arrived=True)

    said = barn.drive(BarnWorld([course()]), Sure(), 10.0)
    assert said.said and not said.success and said.seconds == barn.TIME_LIMIT


def test_a_barn_world_is_open_ground_with_cylinders():
    world = BarnWorld([course((-2.25, 5.0))])
    frame = world.frame()
    known = frame.depth[(frame.depth > 0) & (frame.depth < 5.9)]
    assert (frame.rgb[0] == 178).all()  # the sky
    middle = frame.depth[:, 31:33].min(1)
    camera = world.camera.mount
    assert np.abs(middle[16:26] - (2.0 - 0.075 - camera.x)).min() < 0.1 and known.max() > 4


def test_odometry_drifts_or_is_exact():
    world = BarnWorld([course()])
    for exact in (False, True):
        world.enter(0, exact)
        for _ in range(50):
            world.step(0.5, 0.2)
        off = np.abs(world.odometry().pose - world.truth().pose).max()
        assert off == 0 if exact else off > 1e-3
        assert world.odometry().linear == pytest.approx(0.5, abs=0.05)


@needs_barn
def test_barn_worlds_are_driven_side_by_side(tmp_path):
    courses = barn.read(BARN)
    assert len(courses) == 60 and all(len(c.cylinders) > 100 and 10 < c.length < 20 for c in courses)
    kept = Kept(tmp_path / "kept.jsonl", {})
    figures, runs = barn.evaluate(BARN, 2, None, kept, 2, ("blind", "oracle"), ("latentworld",))
    assert figures["oracle_barn_success"] == figures["oracle_barn_success_exact"] == 1
    assert figures["blind_barn_success"] < 1 and figures["oracle_barn_contact"] == 0
    assert [run["index"] for run in runs["oracle latentworld False"]] == [0, 1]
    again, _ = barn.evaluate(BARN, 2, None, kept, 1, ("blind", "oracle"), ("latentworld",))
    assert again == figures


def test_what_is_no_barn_file_is_said_in_one_line(tmp_path):
    (tmp_path / barn.FILE).write_bytes(b"no zip")
    with pytest.raises(LatentworldError, match="barn .*: expected cyl_<i> and len_<i>"):
        barn.read(tmp_path)
    np.savez(tmp_path / barn.FILE, len_0=1.0)
    with pytest.raises(LatentworldError, match="barn .*: expected cyl_<i>"):
        barn.read(tmp_path)
    with pytest.raises(LatentworldError, match="barn world: expected one of 0 to 0, got 3"):
        BarnWorld([course()], index=3)


# -- MiniWorld


def test_distances_on_a_ground_plan():
    plan = GroundPlan(np.array([-2.0, -2.0]), np.array([2.0, 2.0]))
    plan.fill(np.array([(0.5, -0.3), (1.1, -0.3), (1.1, 0.3), (0.5, 0.3)]))
    plan.line(np.array([-1.0, -1.0]), np.array([-1.0, 1.0]))
    points = np.array([(0.0, 0.0), (0.8, 0.0), (-0.7, 0.0), (1.4, 0.7), (5.0, 0.0)])
    assert plan.distance(points) == pytest.approx([0.5, -0.3, 0.3, 0.5, -1.0], abs=0.025)
    assert plan.distance(np.zeros((0, 2))).shape == (0,)
    plan.fill(np.array([(0.5, -0.3), (1.1, -0.3), (1.1, 0.3), (0.5, 0.3)]), solid=False)
    assert plan.distance(points[:1])[0] == pytest.approx(1.0, abs=0.025)


def test_only_what_is_as_low_as_the_base_is_in_its_way():
    upright = np.array([[(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)]])
    [cut] = below(upright, 0.3)
    assert cut[:, 0].max() == 1 and len(cut) == 4
    [tip] = below(upright[:, :, [0, 1, 2]] * (1, 1, -1) + (0, 0, 1.2), 0.3)  # hangs down to 0.2
    assert len(tip) == 3 and tip[:, 0].max() == pytest.approx(0.1)
    assert below(upright + (0, 0, 0.5), 0.3) == []
    assert np.array_equal(below(upright, 2.0)[0], upright[0, :, :2])


def test_a_unicycle_is_late_accelerates_and_stops_at_things():
    def free(pose):
        return pose[0] < 1.0

    base = Unicycle(BASE, np.random.default_rng(0))
    base.drive(0.5, 0.0, BASE.latency, free)
    assert base.pose[0] == 0
    base.drive(0.5, 0.0, 0.1, free)
    assert base.pose[0] == pytest.approx(0.5 * BASE.acceleration * 0.1**2, rel=0.15)
    assert not base.drive(9.0, 0.0, 1.0, free) and base.linear == pytest.approx(0.5, rel=0.1)
    assert base.drive(0.5, 0.0, 2.0, free) and base.pose[0] < 1.0
    drift = np.abs(base.odometry - base.pose).max()
    assert 0 < drift < 0.05
    before = base.pose[2]
    assert base.drive(0.5, 1.0, 0.5, free) and base.pose[2] > before + 0.2  # it turns where it stands


miniworld_missing = miniworld_rooms.missing()
needs_miniworld = pytest.mark.skipif(miniworld_missing is not None, reason=f"miniworld: {miniworld_missing}")


@needs_miniworld
def test_what_miniworld_draws_is_what_stands_in_the_way():
    from latentworld.evaluation.worlds.miniworld_world import MiniWorld
    from latentworld.lens import rays

    world = MiniWorld()
    for seed in (miniworld.FIRST_SEED, miniworld.FIRST_SEED + 3):
        world.reset(seed, blocked=bool(seed % 2))
        frame = world.frame()
        first = frame.rgb.copy()
        assert frame.rgb.shape == (64, 64, 3) and frame.depth.dtype == np.float32 and frame.depth.max() <= 6
        mount = world.camera.mount
        points = rays(world.camera.intrinsics) * frame.depth[..., None] @ mount.rotation.T + mount.position
        solid = (points[..., 2] > 0.06) & (points[..., 2] < 0.25) & (frame.depth < 4)
        assert solid.sum() > 20
        assert np.quantile(world.clearance(points[solid][:, :2]), 0.99) < 0.06
        way = np.linspace(0, 1, 100)[:, None] * world.goal[:2]
        assert (world.clearance(way).min() < BASE.half_width) == world.blocked
        assert world.clearance(world.path).min() > BASE.half_width
        world.step(0.3, 1.0)
        world.reset(seed, blocked=bool(seed % 2))
        assert np.array_equal(world.frame().rgb, first)
    world.close()


@needs_miniworld
def test_controllers_drive_in_miniworld():
    figures, episodes = miniworld.evaluate(2, None, Kept(None, {}), 2, ("oracle", "blind"))
    assert figures["oracle_miniworld_success"] == 1 and figures["oracle_miniworld_contact"] == 0
    assert [row["blocked"] for row in episodes["blind"]] == [False, True] and episodes["blind"][0]["success"]


def test_miniworld_that_is_missing_is_said_with_how_to_install_it():
    if miniworld_missing is None:
        pytest.skip("miniworld is installed")
    assert "pip install --no-deps miniworld==" in miniworld_missing
    with pytest.raises(LatentworldError, match="miniworld: expected .* to be installed"):
        miniworld_rooms.make("FourRooms", 64, 64)


# -- real frames

FLOOR = np.stack(np.meshgrid(np.arange(-1, 4, 0.04), np.arange(-2, 2, 0.04)), -1).reshape(-1, 2)
FLOOR = np.column_stack([FLOOR, np.zeros(len(FLOOR))])


def thing(ahead: float, left: float, low: float = 0.0, high: float = 0.6) -> np.ndarray:
    """Points on the front of a thing 0.2 m wide."""
    y, z = np.meshgrid(np.arange(left - 0.1, left + 0.1, 0.02), np.arange(low, high, 0.02))
    return np.stack([np.full(y.size, ahead), y.ravel(), z.ravel()], -1)


@pytest.mark.parametrize(
    "clouds, truth, free",
    [
        ([FLOOR, FLOOR], False, np.inf),
        ([np.concatenate([FLOOR, thing(1.0, 0.0)])] * 2, True, 0.8),
        ([np.concatenate([FLOOR, thing(1.0, 0.0)]), FLOOR], False, np.inf),  # one frame alone may be wrong
        ([np.concatenate([FLOOR, thing(1.0, 0.35)])] * 2, False, np.inf),  # beside the way
        ([np.concatenate([FLOOR, thing(1.9, 0.0)])] * 2, False, np.inf),  # farther than it drives
        ([np.concatenate([FLOOR, thing(1.0, 0.0, 0.5)])] * 2, False, np.inf),  # it passes below
        ([np.concatenate([FLOOR, thing(0.1, 0.0)])] * 2, None, None),  # the head leans over something
        ([FLOOR[FLOOR[:, 0] > 0.9]] * 2, None, np.inf),  # too little was seen
        ([thing(1.0, 0.0)] * 2, True, 0.8),
        ([], None, np.inf),
    ],
)
@pytest.mark.parametrize("pose", [(0.0, 0.0, 0.0), (3.0, -1.0, 2.0)])
def test_whether_something_is_in_the_way(clouds, truth, free, pose):
    c, s = np.cos(pose[2]), np.sin(pose[2])
    turned = [cloud @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]]) + (*pose[:2], 0) for cloud in clouds]
    way = look_along(turned, np.array(pose), BASE)
    assert way.truth is truth
    if free is not None:
        assert way.free == pytest.approx(free, abs=0.03)


def test_a_body_with_corners_meets_things_with_its_front():
    jackal = robot_file.load("jackal").base
    way = look_along([np.concatenate([FLOOR, thing(1.2, 0.15, high=0.2)])] * 2, np.zeros(3), jackal)
    assert way.truth is True and way.free == pytest.approx(1.2 - 0.254, abs=0.02)


def test_auroc_is_the_share_of_pairs_in_order():
    scores, truth = np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, False, True, True])
    assert auroc(scores, truth) == pytest.approx(3.5 / 4)
    assert auroc(1 - scores, truth) == pytest.approx(0.5 / 4) and np.isnan(auroc(scores, truth & False))


def walk_of(folder: Path, headings: list[float], pitch: float = 0.4, height: float = 1.6) -> Path:
    """A walk of 0.1 m a frame along the source's -z, above a bare floor, looking down by ``pitch``; as files."""
    for name in ("rgb", "depth"):
        (folder / name).mkdir(parents=True)
    picture = {"width": 54, "height": 36, "fx": 49.5, "fy": 49.5, "cx": 26.5, "cy": 17.5}
    small = {"width": 27, "height": 18, "fx": 24.75, "fy": 24.75, "cx": 13.25, "cy": 8.75}
    frames, poses = [], []
    for i, heading in enumerate(headings):
        # Axes of the camera in the source's world, y up; heading 0 looks along -z, more turns to the left.
        right = np.array([np.cos(heading), 0, -np.sin(heading)])
        level = np.array([-np.sin(heading), 0, -np.cos(heading)])
        forward = np.cos(pitch) * level + np.sin(pitch) * np.array([0, -1.0, 0])
        matrix = np.stack([right, np.cross(forward, right), forward], 1)
        w = np.sqrt(max(1 + np.trace(matrix), 1e-12)) / 2
        x, y, z = (matrix[[2, 0, 1], [1, 2, 0]] - matrix[[1, 2, 0], [2, 0, 1]]) / (4 * w)
        v, u = np.mgrid[:18, :27]
        rays = np.stack([(u - small["cx"]) / small["fx"], (v - small["cy"]) / small["fy"], np.ones(u.shape)], -1)
        fall = -(rays @ matrix.T)[..., 1]
        depth = np.where(fall > 0.1, height / np.maximum(fall, 0.1), 0)
        depth[depth > 10] = 0
        cv2.imwrite(str(folder / f"depth/{i:05d}.png"), np.rint(1000 * depth).astype(np.uint16))
        cv2.imwrite(str(folder / f"rgb/{i:05d}.jpg"), np.full((36, 54, 3), 40 + 10 * i, np.uint8))
        frames.append((i, f"rgb/{i:05d}.jpg", f"depth/{i:05d}.png"))
        poses.append((i, 0.0, height - 0.7, -0.1 * i, x, y, z, w))
    for name, head, rows in (
        ("frames", "index,rgb,depth", frames), ("poses", "index,tx,ty,tz,qx,qy,qz,qw", poses),
    ):  # fmt: skip
        with (folder / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([head.split(","), *rows])
    (folder / "intrinsics.yaml").write_text(yaml.safe_dump({"camera": picture, "depth": small}))
    return folder


def test_a_walk_is_read_into_our_axes(tmp_path):
    walk = real_walk.read(walk_of(tmp_path / "walk", [0.0, 0.0, 0.3]))
    assert walk.positions[:, 2] == pytest.approx(1.6, abs=0.01)  # above the floor
    first, second, third = (walk.base_pose(i) for i in range(3))
    assert second - first == pytest.approx([0, 0.1, 0]) and first[2] == pytest.approx(np.pi / 2)
    assert third[2] == pytest.approx(np.pi / 2 + 0.3)
    mount = walk.mount(2)
    assert (mount.roll, mount.pitch, mount.z) == pytest.approx((0, 0.4, 1.6), abs=0.01)
    points = walk.points(2)
    assert np.abs(points[:, 2]).max() < 0.01
    frame = walk.frame(1)
    assert frame.stamp == 100_000_000 and frame.depth.shape == (18, 27) and walk.frame(1, False).depth is None
    assert real_walk.find(tmp_path / "walk") == tmp_path / "walk" and real_walk.find(tmp_path) is None


def test_what_is_no_walk_is_said_in_one_line(tmp_path):
    folder = walk_of(tmp_path / "walk", [0.0, 0.0])
    (folder / "poses.csv").write_text("index,tx\n0,1\n")
    with pytest.raises(LatentworldError, match="frames .*: expected frames.csv, poses.csv"):
        real_walk.read(folder)
    folder = walk_of(tmp_path / "other", [0.0, 0.0])
    cv2.imwrite(str(folder / "depth/00000.png"), np.zeros((5, 5), np.uint16))
    with pytest.raises(LatentworldError, match="expected depth of 27 x 18 uint16"):
        real_walk.read(folder)


def few(walk: real_walk.Walk, keep: np.ndarray) -> real_walk.Walk:
    parts = {name: getattr(walk, name)[keep] for name in ("indices", "rotations", "positions")}
    return replace(walk, pictures=tuple(walk.pictures[i] for i in keep), **parts)


@needs_frames
def test_the_model_is_asked_about_real_frames():
    walk = real_walk.read(real_walk.find(FRAMES))
    assert len(walk) == 356 and 1.5 < walk.positions[:, 2].min() < walk.positions[:, 2].max() < 1.8
    some = few(walk, np.arange(2, 18, 2))  # gaps: each frame is a cut
    ways = real_contact.ways(few(walk, np.arange(60)), BASE)
    assert {way.truth for way in ways} == {True, False, None}
    model = Agent.load().model
    for depth in (True, False):
        scores = real_contact.scores(some, model, BASE, depth)
        assert scores.shape == (8,) and np.isfinite(scores).all() and np.ptp(scores) > 0
    recall, asked = real_places.recall_at_1(real_places.thumbnails(walk), walk)
    assert asked == 61 and 0.2 < recall < 0.7
    assert real_places.descriptors(some, model).shape == (8, model.config.descriptor_dim)


def test_recall_asks_only_of_places_that_are_seen_again(tmp_path):
    walk = real_walk.read(walk_of(tmp_path / "walk", [0.0, 0.0, 0.0, 2.0]))
    walk = replace(walk, indices=np.array([0, 20, 60, 120]))
    features = np.array([[0.0], [5.0], [-0.05], [0.04]])  # the first looks most like the last, which looks elsewhere
    recall, asked = real_places.recall_at_1(features, walk)
    assert asked == 2 and recall == pytest.approx(1 / 2)  # 20 and 60 are 40 apart: too near


# -- all of it


def test_what_is_not_there_is_left_out_and_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(miniworld_rooms, "missing", lambda: "expected miniworld to be installed (pip install …)")
    figures = worlds.evaluate(frames=tmp_path, rooms=1, json=tmp_path / "figures.json")
    assert figures == {}
    document = json.loads((tmp_path / "figures.json").read_text())
    assert set(document["settings"]["left_out"]) == {"miniworld", "barn", "frames"}
    said = capsys.readouterr().out
    assert barn.SOURCE in said and real_walk.SOURCE in said and "pip install" in said


def test_figures_are_named_as_they_are_asked_for():
    run = {"success": True, "contact": False, "seconds": 9.0, "score": 0.4}
    assert barn.figures([run], "oracle", "latentworld", True)["oracle_barn_success_exact"] == 1
    assert barn.figures([run], "world_model", "jackal", False)["barn_score"] == pytest.approx(0.4)
    episode = {
        "seed": 0, "blocked": True, "success": True, "clean": True, "contact": False, "dropped": False,
        "seconds": 1.0, "distance": 0.1, "plan_ms": None, "layout": "Maze",
    }  # fmt: skip
    names = set(miniworld.figures({name: [episode] for name in ("world_model", "rgb", "reactive")}))
    assert {"miniworld_success", "miniworld_rgb_contact", "reactive_miniworld_clean"} <= names
    assert "BARN" in str(worlds.table({"barn_success": 1.0}).columns[0]._cells)


def test_odometry_of_a_cut_stands_still():
    walk = real_walk.Walk(
        Path(), np.array([3, 4, 9]), (("", ""),) * 3, np.tile(np.eye(3), (3, 1, 1)),
        np.array([[0, 0, 1.6], [0.1, 0, 1.6], [0.5, 0, 1.6]]), None, None,
    )  # fmt: skip
    assert [real_contact._odometry(walk, i, 0).linear for i in range(3)] == pytest.approx([0, 1.0, 0])
    assert isinstance(real_contact._odometry(walk, 1, 0), Odometry)
