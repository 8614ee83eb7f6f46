"""The training loop: stages of a recipe, resumable at any step, the same every time for one seed."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from latentworld.model.world_model import WorldModel
from latentworld.training.batches import Batch, stream
from latentworld.training.dataset import Drives
from latentworld.training.objective import losses, total
from latentworld.training.recipes import Recipe, Stage
from latentworld.types import LatentworldError

SAVE_EVERY = 100  # steps


class Trainer:
    """Trains ``recipe`` on ``drives``; state and log lie in ``folder``."""

    def __init__(self, recipe: Recipe, drives: Drives, folder: str | Path):
        self.recipe, self.drives, self.folder = recipe, drives, Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(recipe.seed)
        self.model = WorldModel(recipe.model)
        self.stage, self.step, self.seconds = 0, 0, 0.0
        self.optimizer = self._optimizer(recipe.stages[0])
        self.latents: Tensor | None = None

    def _optimizer(self, stage: Stage) -> torch.optim.AdamW:
        self.model.encoder.requires_grad_(stage.encoder)
        self.model.encoder.train(stage.encoder)
        self.model.zero_grad(set_to_none=True)  # what an encoder at rest last learned must not count in the norm
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        return torch.optim.AdamW(parameters, lr=stage.rate, weight_decay=stage.weight_decay)

    def run(self) -> WorldModel:
        """All stages, from wherever the state in the folder stands."""
        self.resume()
        for index in range(self.stage, len(self.recipe.stages)):
            if index > self.stage:
                self.stage, self.step = index, 0
                self.optimizer = self._optimizer(self.recipe.stages[index])
            self._run_stage(self.recipe.stages[index])
        self.save()
        return self.model.eval()

    def _run_stage(self, stage: Stage) -> None:
        if not stage.encoder and self.step < stage.steps:
            self.latents = encode_all(self.model, self.drives)
        seed = self.recipe.seed * 10 + self.stage
        batches = stream(self.drives, seed, range(self.step, stage.steps), lambda rng: _plan(stage, rng))
        columns = (
            TextColumn(f"train {self.recipe.name} {self.stage + 1}/{len(self.recipe.stages)}"),
            BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"),
        )  # fmt: skip
        with Progress(*columns) as progress, open(self.folder / "log.jsonl", "a") as log:
            bar = progress.add_task("", total=stage.steps, completed=self.step)
            for batch in batches:
                began = time.perf_counter()
                terms = self._learn(stage, batch)
                self.seconds += time.perf_counter() - began
                self.step += 1
                line = {"stage": self.stage, "step": self.step, "seconds": round(self.seconds, 1), **terms}
                log.write(json.dumps(line) + "\n")
                log.flush()
                progress.update(
                    bar, advance=1, description=f"predict {terms['predict']:.3f} field {terms['field']:.3f}"
                )
                if self.step % SAVE_EVERY == 0:
                    self.save()

    def _learn(self, stage: Stage, batch: Batch) -> dict[str, float]:
        generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + self.stage * 100_003 + self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = stage.rate * schedule(self.step, stage)
        if stage.encoder:
            latents, goals = self._encode(batch, generator)
        else:
            latents, goals = self.latents[batch.rows], self.latents[batch.goal_rows]
        terms = losses(self.model, batch, latents, goals, generator, stage.starts)
        loss = total(terms, self.recipe.weights)
        if not torch.isfinite(loss):
            raise LatentworldError(f"training: loss is {loss.item()} at stage {self.stage} step {self.step}: {terms}")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return {name: round(term.item(), 5) for name, term in terms.items()} | {"norm": round(norm.item(), 3)}

    def _encode(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        n, length = batch.rows.shape
        rgb = torch.cat([batch.rgb.flatten(0, 1), batch.goal_rgb])
        depth = None
        if batch.depth is not None:
            without = torch.rand(n, generator=generator) < self.recipe.depth_dropout
            clip, goal = batch.depth.to(torch.float32), batch.goal_depth.to(torch.float32)
            clip[without], goal[without] = 0, 0
            depth = torch.cat([clip.flatten(0, 1), goal]).div_(1000)
        latents = self.model.encode(rgb, depth)
        return latents[: n * length].unflatten(0, (n, length)), latents[n * length :]

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
        self.optimizer = self._optimizer(self.recipe.stages[self.stage])
        self.model.load_state_dict({k.removeprefix("model."): t for k, t in tensors.items() if k.startswith("model.")})
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".")
                state.setdefault(int(index), {})[key] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})


def schedule(step: int, stage: Stage) -> float:
    """Linear warm-up, then a cosine down to 3 %."""
    if step < stage.warm_up:
        return (step + 1) / stage.warm_up
    done = (step - stage.warm_up) / max(1, stage.steps - stage.warm_up)
    return 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * done))


def _plan(stage: Stage, rng: np.random.Generator) -> dict:
    """Half of the clips are seen at 10 Hz, half at 5 Hz, so that a dropped frame is nothing new."""
    return {
        "n": stage.clips, "length": stage.length, "stride": int(rng.integers(1, 3)),
        "horizon": stage.horizon, "images": stage.encoder,
    }  # fmt: skip


@torch.no_grad()
def encode_all(model: WorldModel, drives: Drives, chunk: int = 512) -> Tensor:
    """Latents (N, D) of every row."""
    model.encoder.eval()
    latents = []
    for start in range(0, drives.rows, chunk):
        rgb, depth = drives.images(start, start + chunk)
        latents.append(model.encode(torch.from_numpy(rgb), None if depth is None else torch.from_numpy(depth)))
    return torch.cat(latents)
