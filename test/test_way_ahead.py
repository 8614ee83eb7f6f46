"""Glasses on a head: the view nods along, and what is in the wearer's way is warned of in time."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from latentworld import robot_file
from latentworld.consequence import way_ahead
from latentworld.consequence.simulator import ConsequenceSimulator
from latentworld.consequence.way_ahead import WayAhead
from latentworld.geometry import rotation
from latentworld.lens import rays
from latentworld.model.checkpoint import load
from latentworld.perception.canonical_view import CanonicalView
from latentworld.perception.encoder import PerceptionEncoder
from latentworld.perception.head import AttitudeHistory, HeadView
from latentworld.perception.range_scan import range_scan
from latentworld.robot import Mount
from latentworld.sim import World
from latentworld.sim.episode import Episode
from latentworld.sim.furniture import Part, Shape
from latentworld.sim.room import Obstacle, Room
from latentworld.tracking.surprise import VIOLATION
from latentworld.tracking.tracker import WorldStateTracker
from latentworld.types import Attitude, Consequences, Frame, LatentworldError, WorldState, stamp_of

GLASSES = robot_file.load("ar_glasses")
HEIGHT, SPEED, PERIOD = 1.6, 1.2, 0.1
HALL, CORRIDOR = Room(1, (9.0, 6.0), (), None), Room(2, (12.0, 2.2), (), None)
BOXES = {
    name: Shape("box", (Part("box", (0.3, 0.3, h), (0, 0, h)),), (0.3, 0.3))
    for name, h in (("high", 0.5), ("low", 0.25))
}


@pytest.fixture(scope="module")
def model():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the nodes do
    yield load(None)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def simulator(model):
    return ConsequenceSimulator(model, GLASSES)


@pytest.fixture(scope="module")
def world():
    world = World(1_000_001, image_size=135, robot=GLASSES)
    yield world
    world.close()


def level(t):
    return Attitude(0.0, 0.0, HEIGHT)


def nodding(t):
    """15 degrees up and down, with some roll, and a step's bob."""
    return Attitude(0.04 * np.sin(5 * t), np.radians(15) * np.sin(4.4 * t), HEIGHT + 0.03 * np.sin(11 * t))


def walk(world, model, room, x, seconds, speed=SPEED, head=level, told=True):
    """(state, distance to what the body will touch straight ahead, speed) at each frame, from x on the room's axis."""
    start = np.array([x, 0.0, 0.0])
    world.begin(Episode(room, start, start + [1.0, 0.0, 0.0], np.zeros((2, 2)), False))
    encoder, tracker, camera = PerceptionEncoder(model, GLASSES), WorldStateTracker(model, robot=GLASSES), world.camera
    ahead = np.linspace(0, 6, 241)
    for i in range(round(seconds / PERIOD)):
        world.step(speed, 0.0, period=PERIOD)
        if world.truth().contact:
            return
        attitude = head(i * PERIOD)
        camera.mount = Mount(z=attitude.height, roll=attitude.roll, pitch=attitude.pitch)
        tracker.odometry(world.odometry())
        state, _ = tracker.observe(encoder.encode(world.frame(), attitude if told else None))
        pose = world.truth().pose
        way = pose[:2] + ahead[:, None] * [np.cos(pose[2]), np.sin(pose[2])]
        touched = world.clearance(way) < GLASSES.base.reach
        yield state, float(ahead[touched.argmax()]) if touched.any() else np.inf, world.odometry().linear


@pytest.mark.parametrize("head", [level, nodding])
@pytest.mark.parametrize("what", ["wall", "high", "low"])
def test_it_warns_of_what_is_in_the_way_and_says_when(world, model, simulator, what, head):
    room = HALL if what == "wall" else replace(HALL, obstacles=(Obstacle(BOXES[what], 1.5, 0.0, 0.0),))
    way, first, errors = WayAhead(simulator), None, []
    for state, distance, speed in walk(world, model, room, 0.0 if what == "wall" else -3.0, 4.5, head=head):
        warning = way.assess(state)
        if warning.warn:
            first = first if first is not None else distance / SPEED
            if distance / speed <= 1.5:
                errors.append(abs(warning.seconds - distance / speed))
            assert warning.reason.startswith("something in the way in ") and warning.contact > 0.5
        else:
            assert first is None  # it warns until the end
    assert 0.8 <= first <= 2.5
    assert max(errors) < 0.5


@pytest.mark.parametrize("head", [level, nodding])
def test_a_free_corridor_is_not_warned_of(world, model, simulator, head):
    way = WayAhead(simulator)
    warned = [way.assess(state).warn for state, _, _ in walk(world, model, CORRIDOR, -5.0, 6.5, head=head)]
    assert len(warned) == 65 and np.mean(warned) <= 0.02


def test_standing_before_a_wall_is_not_warned_of(world, model, simulator):
    way = WayAhead(simulator)
    said = [way.assess(state) for state, _, _ in walk(world, model, HALL, 3.9, 1.5, speed=0.0)]
    assert len(said) == 15 and not any(warning.warn or warning.contact for warning in said)


def test_a_nodding_head_sees_the_clearance_that_a_level_one_sees(world, model, simulator):
    room = replace(HALL, obstacles=(Obstacle(BOXES["high"], 2.0, 0.5, 0.0),))
    candidate = np.tile(np.float32([SPEED, 0.0]), (1, 15, 1))

    def clearance(**how):
        states = [state for state, _, _ in walk(world, model, room, -3.5, 4.0, **how)][8:]
        return np.array([simulator.simulate(state, candidate, PERIOD).clearance[0] for state in states])

    still = clearance()
    assert np.median(np.abs(clearance(head=nodding) - still)) < 0.15
    assert np.median(np.abs(clearance(head=nodding, told=False) - still)) > 0.3  # that is what it is for


class Believed:
    """A simulator that believes what it is told: the probability of contact, and of a drop, from some second on."""

    axes = 2

    def __init__(self, model):
        self.model, self.contact, self.drop = model, (0.0, 0.0), (0.0, 0.0)
        self.asked = []

    def simulate(self, state, candidates, dt, latents=False):
        self.asked.append((state, candidates))
        times = dt * (1 + np.arange(candidates.shape[1]))[None]
        contact, drop = (np.where(times >= begin - 1e-6, p, 0.0) for p, begin in (self.contact, self.drop))
        return Consequences(dt, np.zeros((*times.shape, 3)), contact, drop, *(np.zeros(times.shape),) * 3)


def states(model, velocity, count=12, yaw=0.0, spin=0.0, p_value=1.0, begin=0):
    belief = model.start().flatten()[0].numpy()
    for i in range(begin, begin + count):
        pose = np.array([*np.multiply(velocity, i * PERIOD), yaw + spin * i * PERIOD])
        stamp = stamp_of(1 + i * PERIOD)
        yield WorldState(stamp, stamp, model.model_id, pose, np.zeros(3), np.zeros(3), belief, p_value=p_value)


def test_the_way_is_that_of_the_walk_wherever_the_head_looks(model):
    believed = Believed(model)
    way = WayAhead(believed)
    for state in states(model, (0.6, -0.8), spin=1.0):
        way.assess(state)
    state, candidates = believed.asked[-1]
    assert np.allclose(candidates[0], [1.0, 0.0], atol=1e-3) and candidates.shape[1] * 0.1 == pytest.approx(3.0)
    assert state.pose[2] == pytest.approx(np.arctan2(-0.8, 0.6), abs=1e-3)
    turned = model.unflatten(torch.from_numpy(state.belief)[None]).place[0, 2]
    assert float(turned) == pytest.approx(state.pose[2] - 1.1, abs=1e-3)


def test_a_warning_begins_with_the_second_state_and_stays(model):
    believed = Believed(model)
    way, said = WayAhead(believed), []
    for i, state in enumerate(states(model, (1.0, 0.0), 30)):
        believed.contact = (0.9, 1.0) if i in (5, 10, 11) else (0.4, 1.0)
        said.append(way.assess(state))
    assert [i for i, warning in enumerate(said) if warning.warn] == list(range(11, 16))
    assert said[11].reason == "something in the way in 1.0 s" and said[11].seconds == pytest.approx(0.956, abs=0.01)
    assert said[4].contact == pytest.approx(0.4) and np.isnan(said[4].seconds) and said[4].reason == ""


def test_a_step_down_is_named(model):
    believed = Believed(model)
    believed.drop = (1.0, 0.8)
    way = WayAhead(believed)
    *_, last = (way.assess(state) for state in states(model, (1.0, 0.0)))
    assert last.warn and last.reason == "a step down in 0.8 s" and last.drop == 1.0


def test_a_risk_that_is_far_off_and_a_person_who_hardly_moves_are_not_warned_of(model):
    believed = Believed(model)
    believed.contact = (1.0, 2.0)
    *_, far = (way.assess(state) for way in [WayAhead(believed)] for state in states(model, (1.0, 0.0)))
    assert not far.warn and far.seconds == pytest.approx(1.95, abs=0.1)
    believed.contact = (1.0, 0.1)
    *_, still = (way.assess(state) for way in [WayAhead(believed)] for state in states(model, (0.1, 0.0)))
    assert not still.warn and still.contact == 0.0 and np.isnan(still.seconds)


def test_a_violation_is_warned_of_at_once_and_a_jump_of_odometry_is_no_walk(model):
    assert way_ahead.VIOLATION == VIOLATION
    believed = Believed(model)
    way = WayAhead(believed)
    calm, odd = next(states(model, (0, 0), 1)), next(states(model, (0, 0), 1, p_value=VIOLATION / 2, begin=1))
    assert not way.assess(calm).violation
    warning = way.assess(odd)
    assert warning.violation and warning.warn and warning.reason == "this is not what was expected"
    way.assess(next(states(model, (9.0, 0.0), 1, begin=2)))
    assert not believed.asked


def test_the_view_of_a_head_is_that_of_a_robot_mounted_so():
    attitude = Attitude(np.radians(3), np.radians(-11), 1.7)
    camera = replace(GLASSES.camera, mount=Mount(z=1.7, roll=attitude.roll, pitch=attitude.pitch))
    mounted = replace(GLASSES, cameras=(camera,))
    frame = Frame(0, np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8), depth_of(attitude, 3.0))
    view = HeadView(GLASSES).at(Attitude(attitude.roll + 0.002, attitude.pitch - 0.002, 1.703))
    seen, expected = view.look(frame), CanonicalView(mounted).look(frame)
    assert np.allclose(seen.depth, expected.depth, atol=1e-4) and (seen.rgb == expected.rgb).mean() > 0.999
    scan, other = (range_scan(frame, robot) for robot in (view.robot, mounted))
    assert np.allclose(scan.nearest, other.nearest, atol=1e-4) and np.nanmin(scan.nearest) == pytest.approx(
        3.0, abs=0.1
    )
    assert HeadView(GLASSES).at(Attitude(0.0, 0.0)).robot.camera.mount.z == pytest.approx(
        GLASSES.camera.mount.z, abs=0.011
    )


@pytest.mark.parametrize("wrong", [Attitude(np.nan, 0.0, 1.6), Attitude(0.0, 0.0, 0.05), Attitude(0.0, 0.0, 3.0)])
def test_what_is_no_heads_attitude_is_refused(wrong):
    with pytest.raises(LatentworldError, match="attitude: expected .*, got"):
        HeadView(GLASSES).at(wrong)


def test_an_attitude_is_interpolated_and_none_is_made_up():
    history = AttitudeHistory()
    assert history.at(0) is None and history.newest is None
    for t, pitch in ((1.0, 0.1), (1.2, 0.3)):
        history.add(stamp_of(t), Attitude(0.0, pitch, 1.5 + pitch))
    middle = history.at(stamp_of(1.1))
    assert middle.pitch == pytest.approx(0.2) and middle.height == pytest.approx(1.7)
    assert history.at(stamp_of(1.25)).pitch == 0.3 and history.at(stamp_of(1.35)) is None
    history.add(0, Attitude(0.0, -0.1, 1.5))  # the clock began anew
    assert history.at(stamp_of(1.2)) is None and history.at(0).pitch == -0.1


def depth_of(attitude, wall):
    """(60, 90) float32 metres: a floor, and a wall so many metres ahead."""
    lens = GLASSES.camera.intrinsics.scaled(90 / GLASSES.camera.intrinsics.width)
    ray = rays(lens) @ rotation(attitude.roll, attitude.pitch, 0.0).T
    with np.errstate(divide="ignore"):
        floor = np.where(ray[..., 2] < -1e-3, attitude.height / -ray[..., 2], np.inf)
    return np.minimum(floor, wall / np.maximum(ray[..., 0], 1e-3)).astype(np.float32)
