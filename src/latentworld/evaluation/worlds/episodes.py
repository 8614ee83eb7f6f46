"""Episodes of an evaluation side by side in processes, with a bar, kept in a file as they come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from latentworld.agent import Agent
from latentworld.evaluation.kept import Kept
from latentworld.evaluation.navigation import SEEING
from latentworld.robot import Robot
from latentworld.sim.processes import processes

PREFIXES = {"world_model": "", "rgb": "rgb_", "blind": "blind_", "reactive": "reactive_", "oracle": "oracle_"}

_agents: dict[tuple[str | None, Robot], Agent] = {}


def agent(checkpoint: str | None, controller: str, robot: Robot) -> Agent | None:
    """The agent of this process with this body, for a controller that has one."""
    if controller not in SEEING:
        return None
    if (checkpoint, robot) not in _agents:
        _agents[checkpoint, robot] = Agent.load(checkpoint, robot=robot)
    return _agents[checkpoint, robot]


def _alone(episode: Callable[[Any], dict], task: tuple) -> dict:
    torch.set_num_threads(1)  # processes share the cores
    return episode(task)


def run(
    name: str, episode: Callable[[Any], dict], tasks: Sequence[tuple], kept: Kept, workers: int, quiet: bool = False
) -> list[dict]:
    """``episode`` of each task, in their order; what is kept already is not done again. Does not depend on ``workers``.

    name: of the bar, and in the keys of what is kept. episode: a function of a module, as processes need it. Its result
    is plain numbers, strings, lists and dicts.
    """
    keys = [" ".join(map(str, (name, *task))) for task in tasks]
    undone = [(key, task) for key, task in zip(keys, tasks, strict=True) if key not in kept.results]
    columns = (
        TextColumn(f"{name:10}"), BarColumn(), MofNCompleteColumn(), TextColumn("episodes"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, disable=quiet) as progress, processes(workers) as pool:
        bar = progress.add_task("", total=len(tasks), completed=len(tasks) - len(undone))
        results = pool.map(partial(_alone, episode), [task for _, task in undone])
        for (key, _), result in zip(undone, results, strict=True):
            kept.add(key, result)
            progress.advance(bar)
    return [kept.results[key] for key in keys]
