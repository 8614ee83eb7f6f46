"""How fast plans are found: ours beside the solvers of stable-worldmodel and torch-world, on one network and one cost.

    ./latentworld benchmark planning --json planning.json

Peers take part once tools/peers.sh has been run; without them the rest is measured. All search the same problems:
moments of drives through validation rooms, the shipped model's imagination, all of our critics. Peers have the settings
that they ship with; what is timed is until a solver holds a plan that costs no more than the best peer's last one.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Optional

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from latentworld import robot_file
from latentworld.agent import Agent
from latentworld.evaluation.controllers import WorldModelController
from latentworld.evaluation.figures import write_figures
from latentworld.evaluation.navigation import goals
from latentworld.interop import CostModel, stable_worldmodel
from latentworld.selection.critics import Scene, critics, weigh
from latentworld.selection.parameters import SelectionParameters
from latentworld.selection.seeds import seed_plans
from latentworld.selection.solvers import SOLVERS, solver
from latentworld.selection.way import WayToGoal
from latentworld.sim.room import VALIDATION_SEEDS
from latentworld.sim.world import World
from latentworld.types import GoalKind, LatentworldError, WorldState

K, H, ITERATIONS = 256, 12, 3  # the plan whose time is promised
BASE = robot_file.load().base
P = SelectionParameters().within(BASE)
LOW, HIGH = np.array([-P.max_reverse, -P.max_angular]), np.array([P.max_linear, P.max_angular])


class Problem:
    """What to do from one belief. known: cost by time, of a search that is being timed."""

    def __init__(self, agent: Agent, state: WorldState, goal: np.ndarray):
        self.simulator, self.state, self.goal = agent.simulator, state, goal
        self.way = WayToGoal(agent.simulator.free_space(state), goal, P.way_margin)
        self.critics = critics()

    def cost(self, candidates: np.ndarray) -> np.ndarray:
        candidates = np.ascontiguousarray(candidates, np.float32)
        imagined = self.simulator.simulate(self.state, candidates, P.dt)
        return weigh(Scene(self.state, candidates, imagined, self.goal, self.way, P), self.critics)[1]


def problems(agent: Agent, count: int) -> list[Problem]:
    """Moments of drives, every other one in a room where the straight way is blocked."""
    world, found = World(VALIDATION_SEEDS), []
    for i in track(range(count), "drives"):
        world.reset(VALIDATION_SEEDS + 500 + i, bool(i % 2))
        controller = WorldModelController(agent)
        controller.begin(world, goals(world, GoalKind.POSE, agent))
        for _ in range(8 + 4 * (i % 6)):
            world.step(*controller.act(world.frame(), world.odometry()).command)
        agent.observe(world.frame(), world.odometry())
        found.append(Problem(agent, agent.state, np.asarray(world.goal, np.float32)))
    return found


Curve = list[tuple[float, float]]
"""(seconds since the search began, cost of the plan that it would return)."""


def ours(name: str, problem: Problem, seconds: float) -> Curve:
    """Cold: no plan of the moment before."""
    p = SelectionParameters(solver=name, iterations=40).within(BASE)
    curve: Curve = []
    best = np.inf

    def evaluate(batch: np.ndarray) -> tuple[np.ndarray, None]:
        nonlocal best
        costs = problem.cost(batch)
        best = min(best, float(costs.min()))
        curve.append((time.perf_counter() - began, best))
        return costs, None

    search, seeds, mean = solver(p), seed_plans(p), np.zeros((p.horizon, 2), np.float32)
    began = time.perf_counter()
    search.optimise(evaluate, mean, seeds, began + seconds)
    return curve


def theirs(make: Callable[[CostModel, list], Callable[[], object]], problem: Problem) -> Curve:
    """The plan that they would return is the mean, which they put first in every batch; its cost is asked for apart."""
    curve: Curve = []
    watched: list[tuple[float, np.ndarray]] = []

    class Watched(CostModel):
        def get_cost(self, info_dict, action_candidates):
            watched.append((time.perf_counter() - began, self.actions(action_candidates[0, 0])))
            return super().get_cost(info_dict, action_candidates)

        criterion = get_cost

    model = Watched(problem.cost, LOW, HIGH)
    run = make(model, watched)
    began = time.perf_counter()
    plan = run()
    watched.append((time.perf_counter() - began, model.actions(plan)))
    for at, mean in watched:
        curve.append((at, float(problem.cost(mean[None])[0])))
    return curve


def peers() -> dict[str, Callable]:
    """By name, what makes a search of a CostModel. Empty where they are not installed."""
    try:
        stable_worldmodel()
    except LatentworldError as error:
        Console().print(f"[yellow]{error}")
        return {}
    from gymnasium.spaces import Box
    from stable_worldmodel.policy import PlanConfig
    from stable_worldmodel.solver import CEMSolver, ICEMSolver, MPPISolver

    space = Box(-1, 1, (1, 2), np.float32)
    config = PlanConfig(horizon=P.horizon, receding_horizon=1, action_block=1)

    def swm(kind: type) -> Callable:
        def make(model: CostModel, watched: list) -> Callable[[], object]:
            search = kind(model)
            search.configure(action_space=space, n_envs=1, config=config)
            return lambda: search.solve({"state": torch.zeros(1, 1)})["actions"][0]

        return make

    found = {
        "stable-worldmodel CEM": swm(CEMSolver), "stable-worldmodel iCEM": swm(ICEMSolver),
        "stable-worldmodel MPPI": swm(MPPISolver),
    }  # fmt: skip
    try:
        from torch_world.planning import CEM
    except ImportError as error:
        Console().print(f"[yellow]torch-world: {error}")
        return found

    def torch_world(model: CostModel, watched: list) -> Callable[[], object]:
        search, z = CEM(P.horizon, 2, bounds=(-1.0, 1.0)), torch.zeros(1, 1, 2)
        return lambda: search(model, z, z[:, 0])[0]

    return found | {"torch-world CEM": torch_world}


def reached(curve: Curve, cost: float) -> float:
    """Seconds until the plan costs no more than this."""
    return next((at for at, value in curve if value <= cost), np.inf)


def side_by_side(found: list[Problem], budget: float) -> tuple[dict[str, dict[str, float]], float]:
    """Medians over problems, and how many times sooner our shipped solver is as cheap as the best peer at its end."""
    others = peers()
    rows: dict[str, dict[str, list[float]]] = {}
    ratios = []
    for problem in track(found, "searches"):
        problem.cost(np.zeros((K, P.horizon, 2)))  # the first call of a moment prepares it for all
        curves = {name: theirs(make, problem) for name, make in others.items()}
        own = {f"latentworld {name}": ours(name, problem, budget) for name in SOLVERS}
        aim = min((curve[-1][1] for curve in curves.values()), default=own[f"latentworld {P.solver}"][-1][1])
        for name, curve in (curves | own).items():
            row = rows.setdefault(name, {"seconds": [], "cost": [], "all": []})
            row["seconds"].append(reached(curve, aim * 1.01 + 1e-3))
            row["cost"].append(curve[-1][1])
            row["all"].append(curve[-1][0])
        if curves:
            best = min(reached(curve, aim * 1.01 + 1e-3) for curve in curves.values())
            ratios.append(best / reached(own[f"latentworld {P.solver}"], aim * 1.01 + 1e-3))
    medians = {
        name: {key: statistics.median(values) for key, values in row.items()}
        | {"reached": float(np.isfinite(row["seconds"]).mean())}
        for name, row in rows.items()
    }
    return medians, statistics.median(ratios) if ratios else float("nan")


def timed(call: Callable[[], object], seconds: float) -> list[float]:
    """Seconds of each call."""
    call()
    took, until = [], time.perf_counter() + seconds
    while time.perf_counter() < until or len(took) < 20:
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return took


def roofline(problem: Problem, seconds: float) -> dict[str, float]:
    """GFLOP/s of the engine and of the machine's own matrix product, by turns in one run, best and median of each."""
    engine, prepared = problem.simulator.engine, problem.simulator._prepare(problem.state)
    actions = torch.rand(K, H, 2) - 0.3
    one, two, out = torch.rand(1024, 1024), torch.rand(1024, 1024), torch.empty(1024, 1024)
    rates: dict[str, list[float]] = {"gemm": [], "engine": []}
    with torch.inference_mode():
        for _ in range(8):
            gemm = timed(lambda: torch.mm(one, two, out=out), seconds / 16)
            rates["gemm"].append(2 * 1024**3 / statistics.median(gemm) / 1e9)
            imagined = timed(lambda: engine.imagine(prepared, actions, P.dt), seconds / 16)
            rates["engine"].append(engine.flops(K, H) / statistics.median(imagined) / 1e9)
    pairs = [e / g for e, g in zip(rates["engine"], rates["gemm"], strict=True)]
    return {
        "gemm_gflops": statistics.median(rates["gemm"]),
        "engine_gflops": statistics.median(rates["engine"]),
        "gemm_fraction": statistics.median(pairs),
    }


def plan_times(found: list[Problem], seconds: float) -> list[float]:
    """Of whole plans of K x H x ITERATIONS, the critics and all, without a deadline."""
    p = SelectionParameters(samples=K, horizon=H, iterations=ITERATIONS, solver="cem").within(BASE)
    seeds, mean, took = seed_plans(p), np.zeros((H, 2), np.float32), []
    for problem in found:
        search = solver(p)

        def plan(problem=problem, search=search) -> None:
            search.optimise(lambda batch: (problem.cost(batch), None), mean, seeds, np.inf)

        took += timed(plan, seconds / len(found))
    return took


def growth(problem: Problem, seconds: float) -> list[tuple[int, int, float]]:
    """(K, H, seconds an imagination)."""
    sizes = [(k, h) for k in (32, 64, 128, 256, 512, 1024) for h in (6, 12, 24)]
    rng = np.random.default_rng(0)
    rows = []
    for k, h in sizes:
        batch = rng.uniform(-0.2, 0.5, (k, h, 2)).astype(np.float32)
        took = timed(lambda batch=batch: problem.simulator.simulate(problem.state, batch, P.dt), seconds / len(sizes))
        rows.append((k, h, statistics.median(took)))
    return rows


def draw(rows: list[tuple[int, int, float]], path: Path) -> float:
    """Plots the growth; returns R² of a straight line through it."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    size = np.array([k * h for k, h, _ in rows], float)
    milliseconds = 1e3 * np.array([took for _, _, took in rows])
    slope, rest = np.polyfit(size, milliseconds, 1)
    left = milliseconds - (slope * size + rest)
    r2 = float(1 - left.var() / milliseconds.var())
    figure, axes = pyplot.subplots(figsize=(6.4, 4))
    for horizon in sorted({h for _, h, _ in rows}):
        mine = [i for i, (_, h, _) in enumerate(rows) if h == horizon]
        axes.plot(size[mine], milliseconds[mine], "o", label=f"{horizon} steps")
    axes.plot([0, size.max()], [rest, rest + slope * size.max()], "k-", lw=1, label=f"{1e3 * slope:.2f} µs a step")
    axes.set(xlabel="candidates × steps", ylabel="ms", title="What imagining costs", xlim=(0, None), ylim=(0, None))
    axes.legend()
    figure.savefig(path, dpi=120, bbox_inches="tight")
    return r2


def main(
    count: Annotated[int, typer.Option("--problems", min=1, help="Moments to plan from.")] = 16,
    budget: Annotated[float, typer.Option(min=0.05, help="Seconds that our solvers may search.")] = 1.0,
    seconds: Annotated[float, typer.Option(min=1.0, help="For each figure that is timed again and again.")] = 20.0,
    threads: Annotated[int, typer.Option(min=1, help="Of torch.")] = 2,
    checkpoint: Annotated[Optional[Path], typer.Option(help="Weights to use instead of the shipped ones.")] = None,
    plot: Annotated[Path, typer.Option(help="Where the growth is drawn.")] = Path("planning.png"),
    json: Annotated[Optional[Path], typer.Option(metavar="F", help="Write the figures to this file.")] = None,
) -> None:
    """Time to equal cost beside other solvers, time of a plan, share of the machine's peak, growth with K and H."""
    torch.set_num_threads(threads)
    found = problems(Agent.load(checkpoint), count)
    table, speedup = side_by_side(found, budget)
    figures = {"speedup_best_peer": speedup}
    took = plan_times(found, seconds)
    figures |= {f"plan_ms_p{q}": 1e3 * float(np.percentile(took, q)) for q in (50, 99)}
    figures |= roofline(found[0], seconds)
    rows = growth(found[0], seconds)
    figures["linear_r2"] = draw(rows, plot)
    for name, row in table.items():
        figures |= {f"{name.replace(' ', '_')}_{key}": value for key, value in row.items()}
    _print(table, figures)
    settings = {"problems": count, "budget_s": budget, "threads": threads, "K": K, "H": H, "iterations": ITERATIONS}
    write_figures(json, figures, settings | {"growth": rows})


def _print(table: dict[str, dict[str, float]], figures: dict[str, float]) -> None:
    out = Table("solver", "ms to equal cost", "reached", "last cost", "ms in all", title="One network, one cost")
    for name, row in table.items():
        cells = (
            f"{1e3 * row['seconds']:.0f}",
            f"{row['reached']:.0%}",
            f"{row['cost']:.3f}",
            f"{1e3 * row['all']:.0f}",
        )
        out.add_row(name, *cells)
    console = Console()
    console.print(out)
    for name in (
        "speedup_best_peer",
        "plan_ms_p50",
        "plan_ms_p99",
        "gemm_fraction",
        "gemm_gflops",
        "engine_gflops",
        "linear_r2",
    ):
        console.print(f"{name:20} {figures[name]:.3g}")


if __name__ == "__main__":
    typer.run(main)
