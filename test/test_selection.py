"""Planning: the search, the critics, the way to the goal, and when the robot must stand."""

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest

from latentworld import robot_file
from latentworld.evaluation.controllers import OracleController
from latentworld.evaluation.episodes import run_episode
from latentworld.evaluation.navigation import goals
from latentworld.evaluation.oracle import OracleSimulator
from latentworld.parameters import check
from latentworld.selection.critics import Scene, critics, weigh
from latentworld.selection.critics.goal import expected
from latentworld.selection.explorer import Explorer
from latentworld.selection.impasses import LASTS, Impasses, ahead
from latentworld.selection.keyframe_graph import MOST, UNKNOWN, KeyframeGraph
from latentworld.selection.parameters import SelectionParameters
from latentworld.selection.patience import STALLED, Patience
from latentworld.selection.retreat import Retreat
from latentworld.selection.seeds import seed_plans, shifted
from latentworld.selection.selector import ActionSelector
from latentworld.selection.solvers import SOLVERS, solver
from latentworld.selection.solvers.icem import coloured
from latentworld.selection.wariness import Wariness
from latentworld.selection.way import WayToGoal
from latentworld.sim.world import World
from latentworld.types import (
    Consequences,
    FreeSpace,
    Goal,
    GoalKind,
    LatentworldError,
    PlanStatus,
    WorldState,
    stamp_of,
)

BASE = robot_file.load().base
P = SelectionParameters().within(BASE)


def state(t=1.0, age=0.0, pose=(0.0, 0.0, 0.0)):
    return WorldState(stamp_of(t), stamp_of(t - age), "m", np.array(pose), np.zeros(2), np.zeros(2), np.zeros(0))


class OpenFloor:
    """No model: perfect tracking of commands on an endless floor, with a wall at x = 2 where asked."""

    def __init__(self, wall=False, risk=0.0, broken=False):
        self.wall, self.risk, self.broken, self.calls = wall, risk, broken, 0

    def simulate(self, state, candidates, dt, latents=False):
        self.calls += 1
        yaw = state.pose[2] + (candidates[..., 1] * dt).cumsum(1)
        x = state.pose[0] + (candidates[..., 0] * dt * np.cos(yaw)).cumsum(1)
        y = state.pose[1] + (candidates[..., 0] * dt * np.sin(yaw)).cumsum(1)
        poses = np.stack([x, y, yaw], -1).astype(np.float32)
        if self.broken:
            poses *= np.nan
        contact = np.where(self.wall & (x > 0.5), 1.0, self.risk).astype(np.float32)
        flat = np.zeros_like(contact)
        return Consequences(dt, poses, contact, flat, flat + 1, flat, flat)

    def free_space(self, state):
        return FreeSpace(np.ones((24, 24)), np.zeros((24, 24)), state.pose[:2] - 2.3, 0.2)


def pose_goal(x, y, tolerance=0.25):
    return Goal(GoalKind.POSE, np.array([x, y, np.nan]), tolerance=tolerance)


@pytest.mark.parametrize("name", SOLVERS)
def test_every_solver_finds_the_optimum_of_a_bowl(name):
    wanted = np.stack([np.linspace(0.1, 0.4, 15), np.linspace(-0.8, 0.8, 15)], -1).astype(np.float32)
    parameters = SelectionParameters(solver=name, samples=400, iterations=15, hold=1).within(BASE)
    found = solver(parameters).optimise(
        lambda batch: (np.square(batch - wanted).sum((1, 2)), None),
        np.zeros((15, 2), np.float32),
        seed_plans(P),
        np.inf,
    )
    assert found.cost < 0.2 * np.square(wanted).sum()
    assert found.iterations == 15 == len(found.history) and list(found.history) == sorted(found.history, reverse=True)


@pytest.mark.parametrize("name", SOLVERS)
def test_every_solver_keeps_the_limits_and_its_seed_repeats(name):
    seen = []

    def evaluate(batch):
        seen.append(batch.copy())
        return -batch.sum((1, 2)), None

    p = replace(P, solver=name, iterations=5)
    runs = [solver(p).optimise(evaluate, np.zeros((15, 2), np.float32), seed_plans(p), np.inf).best for _ in range(2)]
    assert np.array_equal(*runs)
    for batch in seen:
        assert batch[..., 0].max() <= P.max_linear and batch[..., 0].min() >= -P.max_reverse
        assert np.abs(batch[..., 1]).max() <= P.max_angular
        assert not batch[0].any(), "standing still is always considered"


@pytest.mark.parametrize("name", SOLVERS)
def test_every_solver_survives_costs_that_are_not_numbers(name):
    def evaluate(batch):
        cost = np.square(batch).sum((1, 2))
        cost[::2] = np.nan
        return cost, None

    p = replace(P, solver=name, iterations=5)
    found = solver(p).optimise(evaluate, np.zeros((15, 2), np.float32), seed_plans(p), np.inf)
    assert np.isfinite(found.cost) and np.isfinite(found.best).all()


def test_every_solver_drives_round_a_wall_and_unknown_ones_are_named():
    for name in SOLVERS:
        selector = ActionSelector(OpenFloor(), replace(P, solver=name))
        assert selector.select(state(), pose_goal(2, 0), 1.0).sequence.values[:, 0].mean() > 0.3, name
    with pytest.raises(LatentworldError, match="parameter solver: expected one of cem, icem, mppi, gradient, got sea"):
        ActionSelector(OpenFloor(), replace(P, solver="sea"))


def test_coloured_noise_has_unit_variance_and_keeps_its_course():
    rng = np.random.default_rng(0)
    for colour, kept_up in ((0.0, 0.05), (2.0, 0.6)):
        noise = coloured(rng, 4000, 15, 2, colour)
        assert noise.shape == (4000, 15, 2) and abs(noise.std() - 1) < 0.03
        follows = (noise[:, 1:] * noise[:, :-1]).mean()
        assert follows < 0.05 if colour == 0 else follows > kept_up


def test_a_deadline_is_kept_and_there_is_always_a_plan():
    slow = OpenFloor()
    simulate = slow.simulate

    def delayed(*args):
        until = time.perf_counter() + 0.03
        while time.perf_counter() < until:
            pass
        return simulate(*args)

    slow.simulate = delayed
    selector = ActionSelector(slow, SelectionParameters(iterations=50))
    plan = selector.select(state(), pose_goal(2, 0), deadline=0.1)
    assert plan.status == PlanStatus.OK and 1 <= plan.iterations <= 3 and plan.used < 0.2
    assert selector.select(state(1.1), pose_goal(2, 0), deadline=0.0).iterations == 1


def test_it_drives_at_a_goal_and_says_when_it_is_there():
    selector = ActionSelector(OpenFloor())
    plan = selector.select(state(), pose_goal(2, 0), 1.0)
    assert plan.status == PlanStatus.OK
    assert plan.sequence.values[:, 0].mean() > 0.35 and abs(plan.sequence.values[:, 1].mean()) < 0.2
    assert plan.consequence.poses.shape == (1, P.horizon, 3) and set(plan.consequence.costs) == set(critics())
    there = selector.select(state(1.1), pose_goal(0.1, 0.05), 1.0)
    assert there.status == PlanStatus.GOAL_REACHED and not there.sequence.values.any()


def test_it_comes_closer_than_asked_as_odometry_drifts_but_does_not_insist():
    selector, goal = ActionSelector(OpenFloor()), pose_goal(0.2, 0.1)
    said = [selector.select(state(1.0 + 0.1 * i), goal, 1.0).status for i in range(20)]
    reached = said.index(PlanStatus.GOAL_REACHED)
    assert 5 < reached <= 15 and set(said[:reached]) == {PlanStatus.OK}
    selector.reset()
    assert selector.select(state(4.0), goal, 1.0).status == PlanStatus.OK


@pytest.mark.parametrize(
    "simulator, goal, age, status",
    [
        (OpenFloor(), None, 0.0, PlanStatus.NO_GOAL),
        (OpenFloor(), pose_goal(2, 0), 0.8, PlanStatus.STALE),
        (OpenFloor(broken=True), pose_goal(2, 0), 0.0, PlanStatus.FAILED),
        (OpenFloor(), Goal(GoalKind.IMAGE, latent=None), 0.0, PlanStatus.FAILED),
    ],
)
def test_when_in_doubt_it_stands(simulator, goal, age, status):
    plan = ActionSelector(simulator).select(state(age=age), goal, 1.0)
    assert plan.status == status and plan.message and not plan.sequence.values.any()


def test_a_plan_that_is_about_to_crash_is_refused():
    parameters = SelectionParameters(contact_weight=0.0, clearance_weight=0.0)  # a planner that does not care
    blind = ActionSelector(OpenFloor(wall=True), parameters)
    plan = blind.select(state(pose=(0.45, 0, 0)), pose_goal(3, 0), 1.0)
    assert plan.status == PlanStatus.UNSAFE and "contact" in plan.message
    careful = ActionSelector(OpenFloor(wall=True)).select(state(pose=(0.45, 0, 0)), pose_goal(3, 0), 1.0)
    assert careful.status == PlanStatus.OK and careful.consequence.contact.max() < 0.5


def test_where_standing_is_no_safer_it_may_move():
    plan = ActionSelector(OpenFloor(risk=0.9)).select(state(), pose_goal(2, 0), 1.0)
    assert plan.status == PlanStatus.OK


def test_critics_have_weights_and_powers_and_are_not_negative():
    simulator = OpenFloor()
    candidates = seed_plans(P)
    imagined = simulator.simulate(state(), candidates, P.dt)
    way = WayToGoal(simulator.free_space(state()), np.array([1.0, 1.0]), 0.1)
    scene = Scene(state(), candidates, imagined, np.array([1.0, 1.0, 0.0]), way, P)
    costs, total = weigh(scene, critics())
    for name, cost in costs.items():
        assert cost.shape == (len(candidates),) and (cost >= 0).all(), name
        assert hasattr(P, f"{name}_power")
    assert np.allclose(total, sum(costs.values()))


def test_a_contact_counts_by_place_and_not_by_time():
    simulator, goal = OpenFloor(), np.array([3.0, 0.0, 0.0])
    speeds = np.zeros((4, P.horizon, 2), np.float32)
    speeds[1, :, 0], speeds[2, :, 0], speeds[3, :, 0] = 0.05, 0.1, 0.4
    imagined = simulator.simulate(state(), speeds, P.dt)
    risk = np.where((imagined.poses[..., 0] > 0.02) & (imagined.poses[..., 0] < 0.3), 0.2, 0.0).astype(np.float32)
    way = WayToGoal(simulator.free_space(state()), goal, 0.1)
    scene = Scene(state(), speeds, replace(imagined, contact=risk), goal, way, P)
    stands, creeps, slow, fast = critics()["contact"](scene)
    assert stands == 0 and creeps < slow < 0.35, "the same place, as far as each goes"
    assert fast == pytest.approx(slow, rel=0.2), "to rush by makes it no less likely"
    everywhere = critics()["contact"](scene._replace(consequences=replace(imagined, contact=np.full_like(risk, 0.2))))
    assert everywhere[0] == pytest.approx(0.2), "where it stands, it touches something or not"
    assert everywhere[3] > 2 * everywhere[0], "on a long way each place is another trial"


def test_the_way_does_not_lead_through_a_gap_that_is_too_narrow():
    clearance = np.full((24, 24), 0.5)
    clearance[12, :22] = -0.05  # a wall with a gap at its end, and a slit that is too narrow at the other one
    clearance[12, 1] = -0.01
    space = FreeSpace(clearance, np.full((24, 24), 0.01), np.array([-2.0, -2.3]), 0.2)
    way = WayToGoal(space, np.array([-1.8, 1.0]), 0.08)
    assert way(np.array([[-1.8, -0.9]]))[0] > 8.0, "through the slit it would be two metres"


def test_arriving_is_worth_more_the_longer_it_hovers():
    """Beside the goal something may stand: P(contact) rises from 0.05 to 0.1 over the last 0.3 m."""

    class Cornered(OpenFloor):
        def simulate(self, state, candidates, dt, latents=False):
            imagined = super().simulate(state, candidates, dt)
            near = np.clip(1 - np.hypot(imagined.poses[..., 0] - 1, imagined.poses[..., 1]) / 0.35, 0, 1)
            return replace(imagined, contact=(0.05 + 0.05 * near).astype(np.float32))

    selector, goal, pose, arrived = ActionSelector(Cornered()), pose_goal(1.0, 0.0, 0.2), np.zeros(3), None
    for tick in range(200):
        plan = selector.select(state(1 + 0.1 * tick, pose=tuple(pose)), goal, 1.0)
        if plan.status == PlanStatus.GOAL_REACHED:
            arrived = tick
            break
        linear, angular = plan.sequence.values[0]
        pose += 0.1 * np.array([linear * np.cos(pose[2]), linear * np.sin(pose[2]), angular])
    assert arrived is not None, f"it still stands at {pose.round(2)}"


def test_shifted_plans_line_up_in_time():
    values = np.arange(10, dtype=np.float32)[:, None].repeat(2, 1)
    assert np.allclose(shifted(values, 0.2, 0.3)[:5, 0], [1.5, 2.5, 3.5, 4.5, 5.5])
    assert shifted(values, 0.2, 99.0)[0, 0] == 9


def test_the_way_leads_round_a_wall():
    clearance = np.ones((24, 24))
    clearance[6:18, 12] = -0.1  # a wall across the straight line, open at both ends
    space = FreeSpace(clearance, np.zeros_like(clearance), np.array([-2.3, -2.3]), 0.2)
    way = WayToGoal(space, np.array([1.5, 0.0]), 0.05)
    straight = WayToGoal(
        FreeSpace(np.ones((24, 24)), np.zeros((24, 24)), space.origin, 0.2), np.array([1.5, 0.0]), 0.05
    )
    here = np.array([[-1.0, 0.0]])
    assert straight(here)[0] == pytest.approx(2.5, rel=0.12)
    assert way(here)[0] > straight(here)[0] + 0.5
    # Downhill leads to an end of the wall, not into it.
    beside, ahead = way(np.array([[-1.0, 0.6]]))[0], way(np.array([[-0.4, 0.0]]))[0]
    assert beside < ahead + 0.6
    far = WayToGoal(space, np.array([9.0, 0.0]), 0.05)(np.array([[2.0, 0.0], [5.0, 0.0]]))
    assert far == pytest.approx([7.0, 4.0], rel=0.1)


def driven(graph, *corners):
    """Drive from corner to corner, a state every 0.05 m."""
    for begin, end in itertools.pairwise(np.array(corners, float)):
        for share in np.linspace(0, 1, int(np.hypot(*(end - begin)) / 0.05) + 1):
            graph.note(state(pose=(*(begin + share * (end - begin)), 0.0)))


def test_beyond_the_map_known_ways_lead():
    """A wall longer than the map, and the robot came round its left end: the goal behind it lies to the left."""
    clearance = np.ones((28, 28))
    clearance[:, 18:21] = -0.1  # no base has room within its radius of a wall
    space = FreeSpace(clearance, np.zeros_like(clearance), np.array([-2.7, -2.7]), 0.2)
    goal, graph = np.array([6.0, -1.0]), KeyframeGraph()
    ends = np.array([[0.0, 1.0], [0.0, -1.0]])
    left, right = WayToGoal(space, goal, 0.05, graph.distance)(ends)
    assert right < left  # nothing is known but that the goal lies to the right
    driven(graph, (6, -1), (6, 3.2), (0, 3.2), (0, 0))
    way = WayToGoal(space, goal, 0.05, graph.distance)
    left, right = way(ends)
    assert left < right and left == pytest.approx(2.2 + 6.0 + 4.2, rel=0.15)
    # Passing by closes the loop, however long ago it was; being carried away opens it.
    driven(graph, (0, 0), (2, 0))
    assert graph.distance(np.array([[2.0, 0.0]]), np.array([0.0, 2.0]))[0] == pytest.approx(4.0, rel=0.1)
    graph.note(state(pose=(40.0, 0.0, 0.0)))
    assert graph.distance(np.array([[2.0, 0.0]]), goal)[0] == pytest.approx(UNKNOWN * np.hypot(4, 1))


def test_old_keyframes_make_room_for_new_ones():
    graph = KeyframeGraph()
    driven(graph, (0, 0), (0.6 * MOST, 0))
    assert graph.distance(np.array([[0.6 * MOST, 0.0]]), np.array([0.6 * MOST - 50, 0.0]))[0] == pytest.approx(
        50, rel=0.1
    )
    assert graph.distance(np.array([[0.0, 0.0]]), np.array([10.0, 0.0]))[0] == pytest.approx(UNKNOWN * 10)


def test_the_same_planner_with_a_true_simulator_reaches_goals_cleanly():
    world = World(0)
    for seed in (2_000_001, 2_000_002):
        world.reset(seed, blocked=bool(seed % 2))
        result = run_episode(world, OracleController(), goals(world, GoalKind.POSE, None))
        assert result.clean, result


def test_oracle_knows_contact_before_it_happens():
    world = World(2_000_000)
    oracle = OracleSimulator(world)
    forward = np.tile(np.float32([0.5, 0.0]), (1, 60, 1))
    first = int((oracle.simulate(state(pose=tuple(world.truth().pose)), forward, 0.2).contact[0] > 0.5).argmax())
    assert first > 0
    steps, stopped = 0, False
    while not stopped and steps < 60:
        touched = []
        for _ in range(2):  # of 0.1 s
            world.step(0.5, 0.0)
            touched.append(world.truth().contact or world.truth().dropped)
        steps, stopped = steps + 1, any(touched)
    assert abs(steps - 1 - first) <= 4


def test_parameters_refuse_what_is_out_of_bounds():
    with pytest.raises(LatentworldError, match="parameter samples: expected within"):
        SelectionParameters(samples=1)
    with pytest.raises(LatentworldError, match="parameter dt: expected float, got '0.2'"):
        SelectionParameters(dt="0.2")
    check(P)


def test_after_a_violation_it_goes_slowly_for_a_while_and_plans_anew():
    selector = ActionSelector(OpenFloor(), SelectionParameters())

    def fastest(t, p_value=1.0):
        plan = selector.select(replace(state(t), p_value=p_value), pose_goal(4.0, 0.0), 1.0)
        assert plan.status is PlanStatus.OK
        return float(plan.sequence.values[:, 0].max())

    assert fastest(1.0) > 0.4
    assert fastest(1.1, p_value=1e-6) == pytest.approx(P.violation_linear)
    assert fastest(1.2) == pytest.approx(P.violation_linear)
    assert fastest(1.1 + P.violation_time + 0.1) > 0.4
    assert Wariness(P).notice(replace(state(1.0), p_value=1e-6))
    assert not Wariness(replace(P, violation_p_value=0.0)).notice(replace(state(1.0), p_value=0.0))


def test_a_robot_that_gets_nowhere_backs_off_the_way_it_came():
    """Driven to a wall in an arc; everything ahead is refused."""
    retreat = Retreat(P)
    pose, came = np.zeros(3), []
    for step in range(30):
        pose = pose + 0.1 * np.array([0.4 * np.cos(pose[2]), 0.4 * np.sin(pose[2]), 0.3])
        came.append(pose)
        assert not retreat.stuck(state(0.1 * step, pose=pose))
    nowhere = [retreat.stuck(state(3.0 + 0.1 * step, pose=pose)) for step in range(50)]
    assert not any(nowhere[: round(10 * P.stuck_time) - 5]) and any(nowhere[: round(10 * P.stuck_time) + 2])
    back = retreat.plan(state(8.0, pose=pose))
    assert (back[:, 0] <= 0).all() and back[:, 0].min() == pytest.approx(-P.max_reverse)
    where = pose.copy()
    for linear, angular in back:
        where[2] += angular * P.dt
        where[:2] += linear * P.dt * np.array([np.cos(where[2]), np.sin(where[2])])
    assert np.hypot(*(where[:2] - pose[:2])) > 0.25
    assert min(np.hypot(*(where[:2] - there[:2])) for there in came) < 0.05


def test_what_cannot_drive_on_is_told_to_go_back():
    class Blocked(OpenFloor):
        def simulate(self, state, candidates, dt, latents=False):
            c = super().simulate(state, candidates, dt, latents)
            c.contact[candidates[..., 0].max(1) > 0.01] = 1.0
            c.contact[np.abs(candidates[..., 1]).max(1) > 0.9] = 1.0
            return c

    selector = ActionSelector(Blocked())
    for step in range(20):  # how it came
        selector.retreat.stuck(state(0.1 * step, pose=(-1.0 + 0.05 * step, 0.0, 0.0)))
    plans = [selector.select(state(2.0 + 0.1 * step), pose_goal(2, 0), 1.0) for step in range(60)]
    backs = [plan for plan in plans if "backs off" in plan.message]
    assert backs and all(plan.status == PlanStatus.OK and plan.sequence.values[0, 0] < 0 for plan in backs)


def two_gaps(near, far):
    """A wall across the way with gaps of these clearances: one straight ahead, one a metre and a half to the left."""
    clearance = np.full((24, 24), 1.0)
    clearance[:, 14] = -0.3
    clearance[11:13, 14], clearance[19:21, 14] = near, far
    return FreeSpace(clearance, np.full_like(clearance, 0.03), np.array([-2.3, -2.3]), 0.2)


def test_a_gap_in_which_it_got_stuck_is_left_alone_for_a_while():
    space, goal, stuck = two_gaps(0.1, 0.2), np.array([2.0, 0.0]), state(5.0, pose=(0.2, 0.0, 0.0))
    impasses = Impasses()

    def first_step(t):
        way = WayToGoal(space, goal, 0.08, None, lambda points: impasses.toll(points, stamp_of(t)))
        route = ahead(way, np.array([0.2, 0.0]))
        return way, route[-1]

    way, there = first_step(5.0)
    assert abs(there[1]) < 0.15  # straight at the near gap
    impasses.note(stuck, way)
    _, there = first_step(6.0)
    assert there[1] > 0.3  # to the other one
    _, there = first_step(5.0 + LASTS + 1)
    assert abs(there[1]) < 0.15  # what was in the way may have gone
    impasses.note(stuck, way)
    impasses.reset()
    assert np.all(impasses.toll(np.zeros((3, 2)), stamp_of(6.0)) == 0)


def test_turning_to_and_fro_before_a_gap_is_getting_nowhere():
    """So is not what is slow, nor what settles at its goal."""
    space, goal = two_gaps(0.1, 0.2), np.array([2.0, 0.0])
    way = WayToGoal(space, goal, 0.08)

    def tolls_after(poses, period=0.1):
        impasses = Impasses()
        for i, pose in enumerate(poses):
            impasses.watch(state(i * period, pose=pose), way)
        return np.max(impasses.toll(np.array([[0.5, 0.0]]), stamp_of(len(poses) * period)))

    turning = [(0.2 + 0.05 * np.sin(i), 0.05 * np.cos(i), np.sin(0.3 * i)) for i in range(60)]
    assert tolls_after(turning) > 0
    assert tolls_after(turning[:20]) == 0
    assert tolls_after([(-2.0 + 0.012 * i, 0.0, 0.0) for i in range(100)]) == 0  # 0.12 m/s
    assert tolls_after([(1.8 + 0.05 * np.sin(i), 0.0, np.sin(0.3 * i)) for i in range(60)]) == 0


def test_behind_what_it_touches_no_plan_is_nearer_to_the_goal():
    """Through a wall the distance is that of where it is touched; a risk counts as far as it is likelier than not."""
    distance = np.array([[3.0, 2.0, 1.0, 0.5]] * 4)
    contact = np.array([[0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0], [0.0, 0.75, 0.2, 0.0], [0.0, 0.4, 0.5, 0.0]])
    free, through, risky, likely_free = expected(distance, contact)
    assert free.tolist() == [3.0, 2.0, 1.0, 0.5]
    assert through.tolist() == [3.0, 2.0, 2.0, 2.0]  # also where the far side is free again
    assert risky.tolist() == [3.0, 2.0, 1.5, 1.25]
    assert likely_free.tolist() == free.tolist()


def test_it_turns_aside_rather_than_plan_through_a_wall():
    """A wall from y = -1 to 1 before it: of all plans, the best one ends where nothing was touched."""

    class Walled(OpenFloor):
        def simulate(self, state, candidates, dt, latents=False):
            c = super().simulate(state, candidates, dt, latents)
            x, y = c.poses[..., 0], c.poses[..., 1]
            return replace(c, contact=np.where((np.abs(x - 0.8) < 0.15) & (np.abs(y) < 1), 1.0, 0.0).astype(np.float32))

        def free_space(self, state):
            space = super().free_space(state)
            x = space.origin[0] + space.cell * np.arange(24)
            y = space.origin[1] + space.cell * np.arange(24)
            space.clearance[np.ix_(np.abs(y) < 1, np.abs(x - 0.8) < 0.15)] = -0.2
            return space

    plan = ActionSelector(Walled()).select(state(), pose_goal(2.0, 0.1), 2.0)
    assert plan.status == PlanStatus.OK and plan.consequence.contact.max() < 0.1


def test_a_flat_cost_is_said():
    class Flat(OpenFloor):
        def simulate(self, state, candidates, dt, latents=False):
            return super().simulate(state, np.zeros_like(candidates), dt, latents)

    plan = ActionSelector(Flat(), replace(P, smoothness_weight=0.0)).select(state(), pose_goal(2, 0), 1.0)
    assert plan.cost_spread < P.flat_spread and "not to be trusted" in plan.message


def known_floor(unknown_left):
    """Five metres of free floor around the origin, of which nothing is known to the left."""
    doubt = np.full((28, 28), 0.05)
    if unknown_left:
        doubt[18:] = 0.5
    return FreeSpace(np.ones((28, 28)), doubt, np.array([-2.7, -2.7]), 0.2)


def test_it_explores_towards_what_is_not_known_and_says_when_nothing_is_left():
    prospect = Explorer(P).look(state(), known_floor(True))
    assert prospect.gain > 1.0 and 0.3 < prospect.pose[2] < 2.8
    assert Explorer(P).look(state(), known_floor(False)).gain < P.explored_gain
    goal = Goal(GoalKind.EXPLORE)
    selector = ActionSelector(OpenFloor())
    selector.simulator.free_space = lambda state: known_floor(True)
    assert selector.select(state(), goal, 1.0).status == PlanStatus.OK
    selector.simulator.free_space = lambda state: known_floor(False)
    plan = selector.select(state(60.0), goal, 1.0)
    assert plan.status == PlanStatus.GOAL_REACHED and plan.message == "nothing more to learn"


def test_ground_that_was_known_stays_so_when_the_map_moves_on():
    explorer = Explorer(P)
    there = known_floor(False)
    assert explorer.look(state(), there).gain < P.explored_gain
    moved = replace(there, origin=there.origin + [2.0, 0.0], uncertainty=np.full((28, 28), 0.5))
    assert 1.0 < explorer.look(state(10.0, pose=(2, 0, 0)), moved).gain  # ten columns are new
    forgotten = replace(there, uncertainty=np.full((28, 28), 0.5))
    assert explorer.look(state(20.0), forgotten).gain < P.explored_gain  # the map forgot, it did not
    far = replace(forgotten, origin=there.origin + 1000.0)
    assert explorer.look(state(40.0, pose=(1000, 1000, 0)), far).gain > 1.0
    explorer.reset()
    assert explorer.look(state(60.0), forgotten).gain > 1.0


def test_walls_hide_what_is_not_known_behind_them():
    space = known_floor(True)
    space.clearance[15:17] = -0.3
    assert Explorer(P).look(state(), space).gain < P.explored_gain


def test_patience_is_used_up_about_one_place_and_begins_anew_at_another():
    patience, here, there = Patience(10.0), np.array([1.0, 0.0, 0.0]), np.array([3.0, 0.0, 0.0])
    assert patience.used(state(0.0, pose=(1, 0, 0)), here, 0.0) == 0
    assert patience.used(state(0.5, pose=(1.3, 0, 0)), here + 0.1, 0.0) == pytest.approx(0.05)
    assert patience.used(state(1.0, pose=(2.0, 0, 0)), here, 0.0) == pytest.approx(0.05)  # away from it
    assert patience.used(state(90.0, pose=(1, 0, 0)), here, 0.0) == pytest.approx(0.15)  # a gap is no looking
    assert patience.used(state(89.0, pose=(1, 0, 0)), here, 0.0) == pytest.approx(0.15)  # nor is a clock that went back
    for t in range(90, 110):
        used = patience.used(state(t, pose=(1, 0, 0)), here, 0.0)
    assert used == 1
    assert patience.used(state(111.0, pose=(3, 0, 0)), there, 0.0) == 0
    patience.reset()
    assert patience.used(state(112.0, pose=(3, 0, 0)), there, 0.0) == 0


def test_a_place_that_can_not_be_reached_is_given_up():
    patience, there = Patience(100.0), np.array([5.0, 0.0, 0.0])
    nearer = [state(0.5 * i, pose=(0.1 * i, 0, 0)) for i in range(30)]
    assert not any(patience.used(s, there) or patience.lost for s in nearer)  # on its way
    stuck = [state(15 + 0.5 * i, pose=(3.0, 0.05 * (i % 2), 0)) for i in range(40)]
    given_up = next(i for i, s in enumerate(stuck) if patience.used(s, there) == 0 and patience.lost)
    assert 0.5 * given_up == pytest.approx(STALLED, abs=1.0)
    patience.used(stuck[-1], np.array([0.0, 5.0, 0.0]))
    assert not patience.lost


def test_where_nothing_is_like_what_is_wanted_patience_is_short():
    here = np.array([1.0, 0.0, 0.0])
    lost = {}
    for name, says in (("unlike", (-5.0, -4.0)), ("once alike", (-5.0, 1.0))):
        patience = Patience(10.0)
        patience.used(state(0.0, pose=(1, 0, 0)), here, 0.0)
        lost[name] = next(
            t for t in range(1, 20)
            if patience.used(state(t, pose=(1, 0, 0)), here, says[t == 2]) and patience.lost
        )  # fmt: skip
    assert 4 <= lost["unlike"] <= 5 and lost["once alike"] == 10


def test_to_turn_to_a_goal_beside_it_is_not_dearer_than_to_face_as_it_shall_there():
    """Else a robot that came from the side would stop in front of its goal."""
    turning, driving = [[0.0, 1.5]] * 5, [[0.35, 0.0]] * 10
    candidates = np.array([[[0.0, 0.0]] * 15, turning + driving], np.float32)
    imagined = OpenFloor().simulate(state(), candidates, P.dt)
    goal = np.array([0.0, 0.6, 0.0])
    way = WayToGoal(OpenFloor().free_space(state()), goal, 0.0)
    standing, going = critics()["heading"](Scene(state(), candidates, imagined, goal, way, P))
    assert going < standing


def test_a_car_pays_for_the_circle_that_it_must_drive_to_face_the_way():
    simulator, goal = OpenFloor(), np.array([2.0, 0.0, np.nan])
    turning = np.zeros((3, P.horizon, 2), np.float32)
    turning[1, :, 1], turning[2, :, 1] = 0.5 * np.pi / (P.horizon * P.dt), np.pi / (P.horizon * P.dt)
    imagined = simulator.simulate(state(), turning, P.dt)
    scene = Scene(state(), turning, imagined, goal, WayToGoal(simulator.free_space(state()), goal, 0.1), P)
    ahead, aside, back = critics()["heading"](scene._replace(turning_radius=0.74))
    assert (ahead, aside, back) == pytest.approx((0, 0.74 * np.pi / 2, 0.74 * np.pi), abs=0.15)
    assert critics()["heading"](scene)[2] == pytest.approx(0.6, abs=0.1), "others turn on the spot"


def test_it_gets_to_a_goal_beside_it_and_faces_as_it_shall_there():
    goal = Goal(GoalKind.POSE, np.array([0.0, 0.6, 0.0], np.float32), tolerance=0.25)
    selector, pose = ActionSelector(OpenFloor()), np.zeros(3)
    for i in range(120):
        plan = selector.select(state(1.0 + 0.1 * i, pose=tuple(pose)), goal, 1.0)
        if plan.status == PlanStatus.GOAL_REACHED:
            break
        linear, angular = plan.sequence.values[0]
        pose = pose + 0.1 * np.array([linear * np.cos(pose[2]), linear * np.sin(pose[2]), angular])
    assert plan.status == PlanStatus.GOAL_REACHED
    assert np.hypot(pose[0], pose[1] - 0.6) < 0.25 and abs(pose[2]) < P.heading_tolerance
