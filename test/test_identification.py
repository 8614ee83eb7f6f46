"""The drive train is measured while the simulated robot drives, kept in a file, and followed when it changes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from rcl_interfaces.msg import Log
from rclpy.lifecycle import TransitionCallbackReturn
from ros_graph import Graph, overrides

from latentworld import robot_file
from latentworld.consequence.identification import DriveTrainIdentification
from latentworld.consequence.motion import DelayedMotion, DriveTrain
from latentworld.consequence.simulator import ConsequenceSimulator
from latentworld.model.world_model import WorldModel
from latentworld.robot import BaseKind
from latentworld.ros import qos
from latentworld.ros.codecs import STATE
from latentworld.ros.consequence_simulator import ConsequenceSimulatorNode
from latentworld.ros.node import ManagedNode
from latentworld.sim.episode import Episode
from latentworld.sim.room import Room
from latentworld.sim.world import World
from latentworld.training.driving.drivers import Wanderer
from latentworld.types import LatentworldError, WorldState

OURS = robot_file.load()
SLUGGISH = replace(OURS, base=replace(OURS.base, latency=0.25, acceleration=0.5, angular_acceleration=3.0))
SECOND = 10**9


def drive(robot, seconds, seed=0, periods=(0.1,), liveliness=1.0):
    """Samples (stamp, velocity (A,), command (A,), pose of odometry, true pose) of a drive over open ground."""
    world, rng = World(0, image_size=16, robot=robot), np.random.default_rng(seed)
    start = np.zeros(3)
    world.begin(Episode(Room(0, (40.0, 40.0), (), None), start, start, start[None, :2], False))
    base, driver = robot.base, Wanderer(world, rng)
    command, samples = np.zeros(3), []
    while world.time_ns < seconds * SECOND:
        o = world.odometry()
        axes = slice(len(base.axes))
        velocity = np.array([o.linear, o.angular, o.lateral])
        samples.append((o.stamp, velocity[axes], command[axes], o.pose.copy(), world.truth().pose))
        aside = np.clip(0.9 * command[2] + rng.normal(0, 0.15 * base.max_lateral), -base.max_lateral, base.max_lateral)
        command = np.array([*driver(), aside]) * liveliness
        world.step(*command, period=rng.choice(periods))
    world.close()
    return samples


def hear(identification, samples, later=0, pose=True):
    for stamp, velocity, command, odometry, _ in samples:
        identification.observe(stamp + later, velocity, command, odometry if pose else None)
    return identification


def error(drive_train, samples, ahead=20):
    """Metres by which the true pose ``ahead`` samples of 0.1 s later is missed."""
    motion, off = DelayedMotion(drive_train), []
    for i in range(0, len(samples) - ahead, 3):
        _, velocity, command, _, pose = samples[i]
        actions = np.stack([s[2] for s in samples[i + 1 : i + 1 + ahead]])
        given = (torch.tensor(part, dtype=torch.float32) for part in (velocity, command, actions[None]))
        predicted = motion(*given, 0.1)[0, -1].numpy()
        (dx, dy), c, s = samples[i + ahead][4][:2] - pose[:2], np.cos(pose[2]), np.sin(pose[2])
        off.append(np.hypot(*(predicted[:2] - [c * dx + s * dy, c * dy - s * dx])))
    return float(np.mean(off))


@pytest.fixture(scope="module")
def sluggish():
    return drive(SLUGGISH, 60.0)


def test_a_description_that_is_wrong_is_corrected_within_half_a_minute(sluggish):
    identification = DriveTrainIdentification(OURS)
    assert not identification.confident
    hear(identification, sluggish[:300])
    assert identification.confident
    found, rest = identification.drive_train, sluggish[300:]
    assert abs(found.linear.delay - 0.25) < 0.08 and abs(found.angular.delay - 0.25) < 0.08
    assert error(found, rest) < 0.5 * error(DriveTrain.of(OURS.base), rest)
    assert "linear gain" in identification.summary() and "(description 1.00, 0.05, 0.17)" in identification.summary()


@pytest.mark.parametrize("name", ["latentworld", "trials/slow", "trials/ackermann", "trials/omni"])
def test_a_description_that_is_right_gets_no_worse(name):
    robot = robot_file.load(name)
    samples = drive(robot, 45.0, seed=1)
    found = hear(DriveTrainIdentification(robot), samples[:300]).drive_train
    assert error(found, samples[300:]) < 1.05 * error(DriveTrain.of(robot.base), samples[300:]) + 0.002
    if robot.base.kind == BaseKind.ACKERMANN:
        assert found.turning_radius == robot.base.turning_radius


def test_uneven_samples_and_velocities_alone_do(sluggish):
    uneven = drive(SLUGGISH, 30.0, periods=(0.06, 0.1, 0.16))
    for samples, pose in ((uneven, True), (sluggish[:300], False)):
        found = hear(DriveTrainIdentification(OURS), samples, pose=pose).drive_train
        assert error(found, sluggish[300:]) < 0.5 * error(DriveTrain.of(OURS.base), sluggish[300:])


def test_without_excitation_the_description_stays():
    samples = drive(SLUGGISH, 20.0, liveliness=0.0)
    identification = hear(DriveTrainIdentification(OURS), samples)
    rng, at = np.random.default_rng(0), samples[-1][0]
    for k in range(300):  # steadily ahead, with noisy odometry
        identification.observe(at + (k + 1) * SECOND // 10, [0.3 * rng.normal(1, 0.05), 0.0], [0.3, 0.0])
    assert identification.drive_train == DriveTrain.of(OURS.base) and not identification.confident


def test_an_axis_without_excitation_keeps_the_description(sluggish):
    straight = [(s, v * [1, 0], c * [1, 0], np.zeros(3), p) for s, v, c, _, p in sluggish[:300]]
    identification = hear(DriveTrainIdentification(OURS), straight, pose=False)
    found, described = identification.drive_train, DriveTrain.of(OURS.base)
    assert found.angular == described.angular and found.linear.delay > 0.15 and not identification.confident


def test_nothing_is_learned_across_gaps_nor_where_time_or_odometry_jumps(sluggish):
    sparse = hear(DriveTrainIdentification(OURS), sluggish[::6])  # one in 0.6 s
    assert sparse.drive_train == DriveTrain.of(OURS.base)
    back = DriveTrainIdentification(OURS)
    for begin in range(0, 300, 10):  # time begins anew every second
        hear(back, sluggish[begin : begin + 10], later=-sluggish[begin][0])
    assert back.drive_train == DriveTrain.of(OURS.base)
    jumping = DriveTrainIdentification(OURS)
    for k, (stamp, velocity, command, odometry, _) in enumerate(sluggish[:300]):
        jumping.observe(stamp, velocity, command, odometry + [5.0 * (k // 10), 0, 0])
    assert jumping.drive_train == DriveTrain.of(OURS.base)
    broken = DriveTrainIdentification(OURS)
    broken.observe(0, [np.nan, 0.0], [0.1, 0.0])  # left out
    hear(broken, sluggish[:300])
    assert broken.drive_train == hear(DriveTrainIdentification(OURS), sluggish[:300]).drive_train
    with pytest.raises(LatentworldError, match=r"drive train: velocity: expected \(2,\), got \(3,\)"):
        broken.observe(0, np.zeros(3), np.zeros(2))


def test_what_stands_in_the_way_is_not_taken_for_a_weak_drive(sluggish):
    """A quarter of the time the wheels are blocked."""
    blocked = [
        (stamp, velocity * (k % 80 >= 20), command, odometry, pose)
        for k, (stamp, velocity, command, odometry, pose) in enumerate(sluggish[:300])
    ]
    found = hear(DriveTrainIdentification(OURS), blocked, pose=False).drive_train
    assert found.linear.gain > 0.85 and found.angular.gain > 0.85
    assert error(found, sluggish[300:]) < 0.5 * error(DriveTrain.of(OURS.base), sluggish[300:])


def test_a_drive_train_that_changes_is_followed_within_40_s(sluggish):
    identification = hear(DriveTrainIdentification(OURS), drive(OURS, 30.0, seed=2))
    before = error(identification.drive_train, sluggish)
    hear(identification, sluggish[:400], later=31 * SECOND)
    fresh = hear(DriveTrainIdentification(OURS), sluggish[100:400]).drive_train
    after = error(identification.drive_train, sluggish)
    assert after < 0.5 * before and after < 1.2 * error(fresh, sluggish)


def test_it_is_kept_in_a_file(tmp_path, sluggish):
    path = tmp_path / "there" / "kept.yaml"
    one = hear(DriveTrainIdentification(OURS), sluggish[:300])
    one.save(path)
    other = DriveTrainIdentification(OURS)
    other.load(path)
    for name in ("linear", "angular"):
        assert np.allclose(getattr(other.drive_train, name), getattr(one.drive_train, name), atol=1e-4)
    kept = other.drive_train
    for k in range(300):  # without excitation it stays, too
        other.observe(k * SECOND // 10, [0.3, 0.0], [0.3, 0.0])
    assert other.drive_train == kept and not other.confident
    with pytest.raises(LatentworldError, match="expected a path to write to"):
        one.save(path / "below.yaml")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"robot": "another"}, "robot: expected latentworld, got another"),
        ({"base": {"latency": 0.2}}, "base.latency: expected 0.05 as described, got 0.2"),
        ({"base": {"colour": 1}}, "base: expected kind, max_linear, .*, got colour"),
        ({"base": None}, "base: expected a mapping of kind, .*, got None"),
        ({"linear": {"lag": "long"}}, "linear.lag: expected a number from 0.0 to 100.0, got 'long'"),
        ({"linear": {"gain": float("nan")}}, "linear.gain: expected a number from 0.1 to 10.0, got nan"),
        ({"angular": {"delay": -0.1}}, "angular.delay: expected a number from 0.0 to 10.0, got -0.1"),
        ({"lateral": {}}, "expected robot, base, linear, angular, got lateral"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, change, said):
    path, identification = tmp_path / "kept.yaml", DriveTrainIdentification(OURS)
    identification.save(path)
    values = yaml.safe_load(path.read_text())
    for key, value in change.items():
        values[key] = values.get(key, {}) | value if isinstance(value, dict) else value
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(LatentworldError, match=said) as refused:
        identification.load(path)
    assert str(path) in str(refused.value) and "\n" not in str(refused.value)
    assert identification.drive_train == DriveTrain.of(OURS.base)


@pytest.mark.parametrize("text", [None, "linear: [", "- 1", "robot: latentworld"])
def test_a_file_that_is_no_drive_train_is_refused(tmp_path, text):
    path = tmp_path / "kept.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(LatentworldError, match=r"drive train .*kept.yaml: expected"):
        DriveTrainIdentification(OURS).load(path)


class States(ManagedNode):
    def configure(self):
        self.out = self.output(STATE, "world_state", qos.belief())


def test_the_node_measures_says_keeps_and_begins_with_what_was_kept(tmp_path, sluggish):
    path, described = tmp_path / "kept.yaml", DriveTrain.of(OURS.base)
    with Graph() as graph:
        said = graph.listen(Log, "/rosout", keep=lambda log: log.msg)
        node = graph.start(ConsequenceSimulatorNode, **overrides(drive_train_path=str(path)))
        source = graph.add(States("states", bus=node.bus, context=graph.context))
        source.trigger_configure(), source.trigger_activate()
        model = node._simulator.model
        belief = np.zeros(model.config.belief_dim, np.float32)
        correction = np.array([1.0, 2.0, 0.5])  # odometry began elsewhere
        c, s = np.cos(0.5), np.sin(0.5)
        for stamp, velocity, command, (x, y, yaw), _ in sluggish[:300]:
            pose = np.array([1.0 + c * x - s * y, 2.0 + s * x + c * y, yaw + 0.5])
            velocity, command = np.append(velocity, 0.0), np.append(command, 0.0)
            source.out.publish(
                WorldState(
                    stamp, stamp, model.model_id, pose, velocity, command, belief, odometry_correction=correction
                )
            )
        node.worker.barrier()
        found = node._simulator.motion.drive_train
        by_hand = hear(DriveTrainIdentification(OURS), sluggish[:300]).drive_train
        assert found.differs_from(described) and not found.differs_from(by_hand)
        graph.wait_for(lambda: any("drive train: linear gain" in line for line in said))
        for kept, expected in ((path.read_text, found), (lambda: "robot: another", described)):
            node.trigger_deactivate(), node.trigger_cleanup()
            path.write_text(kept())
            assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
            assert not node._simulator.motion.drive_train.differs_from(expected)
            node.trigger_activate()
        graph.wait_for(lambda: any("kept.yaml: expected" in line and "description counts" in line for line in said))


def test_what_was_measured_can_be_forgotten():
    """Episodes of an evaluation must not depend on those that the same process drove before."""
    simulator = ConsequenceSimulator(WorldModel(), robot_file.load())
    described = simulator.motion.drive_train
    slow = replace(described, linear=described.linear._replace(delay=0.3, lag=0.6))
    simulator.identification.drive_train = slow
    simulator.adopt_drive_train()
    assert simulator.motion.drive_train == simulator.engine.motion.drive_train == slow
    simulator.forget_drive_train()
    assert simulator.motion.drive_train == simulator.engine.motion.drive_train == described
    assert simulator.identification.drive_train == described and not simulator.identification.confident
