"""The training loop: stages of a recipe, resumable at any step, the same every time for one seed."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from latentworld.types import LatentworldError

SAVE_EVERY = 100  # steps


class Task(Protocol):
    """What is trained: a model, its batches and its loss, as a recipe has them."""

    recipe: Any  # with name, seed, stages; its repr names all that decides the result
    model: nn.Module

    def begin(self, stage: Any) -> list[nn.Parameter]:
        """Make the model ready for a stage; returns what it shall learn."""

    def batches(self, stage: Any, seed: int, steps: range) -> Iterator[Any]:
        """A batch a step, each drawn from (seed, step) alone."""

    def losses(self, stage: Any, batch: Any, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """What is minimised, and its terms by name."""


class Trainer:
    """Trains a task; state and log lie in ``folder``."""

    def __init__(self, task: Task, folder: str | Path):
        self.task, self.recipe, self.model = task, task.recipe, task.model
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.stage, self.step, self.seconds = 0, 0, 0.0
        self.optimizer = self._optimizer()

    def _optimizer(self) -> torch.optim.AdamW:
        stage = self.recipe.stages[self.stage]
        self.model.zero_grad(set_to_none=True)  # what an encoder at rest last learned must not count in the norm
        return torch.optim.AdamW(self.task.begin(stage), lr=stage.rate, weight_decay=stage.weight_decay)

    def run(self, after_step: Callable[[], None] = lambda: None, quiet: bool = False) -> nn.Module:
        """All stages, from wherever the state in the folder stands. after_step may look at the model, and must leave it
        in training mode. quiet: no bar.
        """
        self.resume()
        for index in range(self.stage, len(self.recipe.stages)):
            if index > self.stage:
                self.stage, self.step = index, 0
                self.optimizer = self._optimizer()
            self._run_stage(self.recipe.stages[index], after_step, quiet)
        self.save()
        return self.model.eval()

    def _run_stage(self, stage: Any, after_step: Callable[[], None], quiet: bool) -> None:
        batches = self.task.batches(stage, self.recipe.seed * 10 + self.stage, range(self.step, stage.steps))
        columns = (
            TextColumn(f"train {self.recipe.name} {self.stage + 1}/{len(self.recipe.stages)}"),
            BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"),
        )  # fmt: skip
        with Progress(*columns, disable=quiet) as progress, open(self.folder / "log.jsonl", "a") as log:
            bar = progress.add_task("", total=stage.steps, completed=self.step)
            began = time.perf_counter()
            for batch in batches:
                terms = self._learn(stage, batch)
                self.seconds += time.perf_counter() - began  # the wait for the batch included
                self.step += 1
                line = {"stage": self.stage, "step": self.step, "seconds": round(self.seconds, 1), **terms}
                log.write(json.dumps(line) + "\n")
                log.flush()
                progress.update(bar, advance=1, description=_leading(terms))
                if self.step % SAVE_EVERY == 0:
                    self.save()
                after_step()
                began = time.perf_counter()

    def _learn(self, stage: Any, batch: Any) -> dict[str, float]:
        generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + self.stage * 100_003 + self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = stage.rate * schedule(self.step, stage)
        loss, terms = self.task.losses(stage, batch, generator)
        if not torch.isfinite(loss):
            raise LatentworldError(f"training: loss is {loss.item()} at stage {self.stage} step {self.step}: {terms}")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return {name: round(term.item(), 5) for name, term in terms.items()} | {"norm": round(norm.item(), 3)}

    def save(self) -> None:
        """Model and optimizer in one safetensors file, whole or not at all."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for i, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{name}": torch.as_tensor(value) for name, value in state.items()}
        where = {"stage": self.stage, "step": self.step, "seconds": self.seconds, "recipe": repr(self.recipe)}
        partial = self.folder / "state.partial"
        save_file({name: t.contiguous() for name, t in tensors.items()}, partial, {"where": json.dumps(where)})
        partial.replace(self.folder / "state.safetensors")

    def resume(self) -> None:
        """Go on from the folder's state if there is one; refuses the state of another recipe."""
        path = self.folder / "state.safetensors"
        if not path.exists():
            return
        with safe_open(path, "pt") as file:
            where = json.loads(file.metadata()["where"])
            # Cloned: arithmetic on memory that is not aligned rounds otherwise, and a resumed run must repeat.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}
        if where["recipe"] != repr(self.recipe):
            raise LatentworldError(
                f"training state {path}: expected recipe {self.recipe.name} as it stands now, got another; "
                "remove it to start anew"
            )
        self.stage, self.step, self.seconds = where["stage"], where["step"], where["seconds"]
        self.optimizer = self._optimizer()
        self.model.load_state_dict({k.removeprefix("model."): t for k, t in tensors.items() if k.startswith("model.")})
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".")
                state.setdefault(int(index), {})[key] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})


def _leading(terms: dict[str, float]) -> str:
    name = "predict" if "predict" in terms else next(iter(terms))
    return f"{name} {terms[name]:.3f}"


def schedule(step: int, stage: Any) -> float:
    """Linear warm-up, then a cosine down to 3 %."""
    if step < stage.warm_up:
        return (step + 1) / stage.warm_up
    done = (step - stage.warm_up) / max(1, stage.steps - stage.warm_up)
    return 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * done))
