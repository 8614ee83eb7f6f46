"""Tasks of stable-worldmodel by its own protocol: its environments, its ``World.evaluate``, its step budget.

As its scripts/plan do: an episode that was collected is entered at a random row; the goal is the picture 25 rows later;
50 steps may be taken. Episodes are collected by its own policies, with seeds that nothing was trained or tuned on.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from latentworld.evaluation.figures import write_figures
from latentworld.model import checkpoint
from latentworld.model.task_model import TaskModel
from latentworld.selection.parameters import SelectionParameters
from latentworld.selection.task_planner import PARAMETERS, TaskPlanner
from latentworld.training.tasks.collect import episode
from latentworld.training.tasks.recipe import TEST_SEED, EpisodeSettings
from latentworld.training.tasks.worlds import identity, world
from latentworld.types import LatentworldError

GOAL_OFFSET, BUDGET = 25, 50  # steps
RECIPE = {"two_room": "two-room", "push_t": "push-t"}
PLANNER = {"two_room": PARAMETERS, "push_t": replace(PARAMETERS, horizon=6, samples=192, hold=2)}
CALLABLES = [
    {"method": "_set_state", "args": {"state": {"value": "state"}}},
    {"method": "_set_goal_state", "args": {"goal_state": {"value": "goal_state"}}},
]


class HeldOut:
    """Episodes as ``World.evaluate`` reads a dataset."""

    column_names = ("pixels", "state")

    def __init__(self, environment: str, count: int, first_seed: int):
        settings = EpisodeSettings(environment, count, script=True)
        rng = np.random.default_rng(first_seed)
        self.episodes, self.start_steps, seed = [], [], first_seed
        for _ in track(range(count), "held-out episodes"):
            columns = None
            while columns is None or len(columns["state"]) <= GOAL_OFFSET:
                columns, seed = episode(settings, seed), seed + 1
            self.episodes.append(columns)
            self.start_steps.append(int(rng.integers(len(columns["state"]) - GOAL_OFFSET)))

    def load_chunk(self, episodes: np.ndarray, start: np.ndarray, end: np.ndarray) -> list[dict]:
        """Rows of each episode, pixels with their channels first."""
        chunks = []
        for i, first, last in zip(episodes, start, end, strict=True):
            rows = {name: torch.from_numpy(self.episodes[i][name][first:last]) for name in self.column_names}
            chunks.append(rows | {"pixels": rows["pixels"].permute(0, 3, 1, 2)})
        return chunks


class PlanningPolicy:
    """Our planner as a policy of theirs (``stable_worldmodel.policy.BasePolicy``): the first action of a plan is taken
    for one step of the model, then it plans anew.
    """

    type = "world_model"

    def __init__(self, model: TaskModel, parameters: SelectionParameters = PARAMETERS):
        self.model, self.parameters = model, parameters
        self.env: Any = None
        self.seconds: list[float] = []  # of each plan

    def set_env(self, env: Any) -> None:
        self.env = env
        self.planners = [TaskPlanner(self.model, self.parameters) for _ in range(env.num_envs)]
        self.action = np.zeros(env.action_space.shape, np.float32)
        self.solved: list[np.ndarray] = []  # (N,) before each step

    def get_action(self, info: dict, **_: Any) -> np.ndarray:
        """(N, A)."""
        done = np.asarray(info["terminated"]).reshape(-1).astype(bool)
        if len(self.solved) % self.model.config.action_block == 0:
            self._plan(np.flatnonzero(~done), info)
        self.solved.append(done)
        return self.action

    def _plan(self, which: np.ndarray, info: dict) -> None:
        if not len(which):
            return
        with torch.inference_mode():
            now, goal = (self.model.encode(torch.from_numpy(info[key][which, -1])) for key in ("pixels", "goal"))
        for row, i in enumerate(which):
            began = time.perf_counter()
            self.action[i] = self.planners[i].plan(now[row], goal[row]).best[0]
            self.seconds.append(time.perf_counter() - began)


class Still:
    """What comes of doing nothing: goals that the start is near to already."""

    def set_env(self, env: Any) -> None:
        self.env = env

    def get_action(self, info: dict, **_: Any) -> np.ndarray:
        return np.zeros(self.env.action_space.shape, np.float32)


def load(environment: str, path: str | Path | None) -> TaskModel:
    """``None``: the shipped checkpoint of the environment."""
    identity(environment)
    path = Path(path) if path else checkpoint.shipped(RECIPE[environment])
    if not path.is_file():
        raise LatentworldError(
            f"checkpoint {path}: no such file; `latentworld train --recipe {RECIPE[environment]}` makes one"
        )
    return checkpoint.load(path, TaskModel)


def run(held_out: HeldOut, environment: str, policy: Any) -> np.ndarray:
    """(N,) which episodes were solved."""
    count = len(held_out.episodes)
    place = world(environment, count, 2 * BUDGET)
    place.set_policy(policy)
    results = place.evaluate(
        dataset=held_out, episodes_idx=list(range(count)), start_steps=held_out.start_steps, goal_offset=GOAL_OFFSET,
        eval_budget=BUDGET, callables=CALLABLES,
    )  # fmt: skip
    place.close()
    return np.asarray(results["episode_successes"], bool)


def evaluate(
    environment: str,
    episodes: int = 50,
    weights: str | Path | None = None,
    first_seed: int = TEST_SEED,
    parameters: SelectionParameters | None = None,
    json: str | Path | None = None,
) -> dict[str, float]:
    """Success (0-1) of our model and planner, printed and written; beside it, that of standing still.

    parameters: of the planner; ``None``: those in PLANNER.
    """
    model, parameters = load(environment, weights), parameters or PLANNER[environment]
    held_out = HeldOut(environment, episodes, first_seed)
    policy = PlanningPolicy(model, parameters)
    solved = run(held_out, environment, policy)
    curve = [float(done.mean()) for done in policy.solved[1:]] + [float(solved.mean())]  # by steps taken
    figures = {
        "success": float(solved.mean()),
        "success_standing_still": float(run(held_out, environment, Still()).mean()),
        "success_half_budget": curve[min(len(curve), BUDGET // 2) - 1],
        "plan_ms": 1e3 * float(np.median(policy.seconds)),
    }
    _print(environment, episodes, figures)
    settings = {
        "environment": identity(environment), "episodes": episodes, "first_seed": first_seed, "budget": BUDGET,
        "goal_offset": GOAL_OFFSET, "solver": parameters.solver, "samples": parameters.samples,
        "iterations": parameters.iterations, "horizon": parameters.horizon, "model_id": model.model_id,
        "success_by_step": curve,
    }  # fmt: skip
    write_figures(json, figures, settings)
    return figures


def _print(environment: str, episodes: int, figures: dict[str, float]) -> None:
    table = Table("figure", "value", title=f"{identity(environment)}, {episodes} episodes, {BUDGET} steps each")
    for name, value in figures.items():
        table.add_row(name, f"{value:.1%}" if name.startswith("success") else f"{value:.1f}")
    Console().print(table)
