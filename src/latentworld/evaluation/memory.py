"""What a visual memory is worth in rooms: places known again, views never seen, things that were moved, views foretold
from memory.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from latentworld.evaluation import memory_objects, memory_restarts
from latentworld.evaluation.figures import write_figures
from latentworld.evaluation.memory_objects import ObjectSettings, last_seen
from latentworld.evaluation.memory_rooms import MemoryRoom, MemorySettings, Seen, later, visit
from latentworld.memory import MemoryLocaliser, MemoryQuery, VisualMemory
from latentworld.memory.neural import NeuralLearner, NeuralParameters
from latentworld.model import checkpoint
from latentworld.sim.processes import processes
from latentworld.training.scores import auroc
from latentworld.types import NANOSECONDS, turn

SAME_PLACE = (1.0, np.radians(30))  # metres, radians within which a place is known again
KNOWN_PLACE = (0.5, np.radians(15))  # within which a view was surely seen before
PAUSE = 3600 * NANOSECONDS  # from one room to the next
NEIGHBOURS, NEAR = 8, (0.4, 0.4)  # keyframes that are averaged; metres, radians over which they count


def off(poses: np.ndarray, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Metres and radians (N,) from poses (N, 3) to one."""
    return np.hypot(*(poses[:, :2] - pose[:2]).T), np.abs(turn(poses[:, 2] - pose[2]))


def remember(memory: VisualMemory, rooms: list[MemoryRoom]) -> dict[int, tuple[int, Seen]]:
    """Drive through the rooms, one after the other; answers room and view of each keyframe by its id."""
    kept: dict[int, tuple[int, Seen]] = {}
    begin = 0
    for number, room in enumerate(rooms):
        memory.lay_frame()
        for seen in room.drive:
            state, latent, objects = later(seen, begin)
            if (id := memory.consider(state, latent, objects=lambda shown=objects: shown)) is not None:
                kept[id] = number, seen
        memory.anchor()
        begin += room.drive[-1].state.stamp + PAUSE
    memory.flush()
    return kept


def recognition(
    memory: VisualMemory, kept: dict[int, tuple[int, Seen]], known: list[MemoryRoom], new: list[MemoryRoom]
) -> dict[str, float]:
    """Is the keyframe from the same place that one view finds, and the one that all do that were seen on the way; and
    how far is the nearest, for views known and never seen?
    """
    memory.lay_frame()  # it comes back later
    truths = {n: np.array([s.truth for m, s in kept.values() if m == n]) for n in range(len(known))}
    right, on_the_way, distances, seen_before, sure, true = [], [], [], [], [], []
    for number, room in enumerate([*known, *new]):
        localiser = MemoryLocaliser(memory)
        for seen in room.back:
            answer = memory.query(MemoryQuery(seen.latent, limit=1))
            best, familiar = answer.keyframes[0], False
            if number < len(known):
                place = localiser.observe(seen.state.pose, seen.latent, seen.objects)
                metres, radians = off(truths[number], seen.truth)
                if not ((metres <= SAME_PLACE[0]) & (radians <= SAME_PLACE[1])).any():
                    continue  # nothing in the memory could be right
                right.append(_same_place(kept, best.id, number, seen))
                sure, true = [*sure, best.confidence], [*true, right[-1]]
                on_the_way.append(_same_place(kept, place.keyframe if place else best.id, number, seen))
                familiar = bool(((metres <= KNOWN_PLACE[0]) & (radians <= KNOWN_PLACE[1])).any())
                if not familiar:
                    continue  # neither known nor new
            else:
                sure, true = [*sure, best.confidence], [*true, False]
            distances.append(best.latent_distance)
            seen_before.append(familiar)
    new_ones = ~np.array(seen_before)
    return {
        "place_recall_at_1": float(np.mean(on_the_way)) if right else math.nan,
        "view_recall_at_1": float(np.mean(right)) if right else math.nan, "places_asked": float(len(right)),
        "never_seen_auroc": auroc(np.array(distances), new_ones.astype(float)),
        "confidence_error": calibration_error(np.array(sure), np.array(true)),
    }  # fmt: skip


def restarts(
    memory: Path, model_id: str, kept: dict[int, tuple[int, Seen]], rooms: list[MemoryRoom], workers: int
) -> dict[str, float]:
    """Figures of one start in each room."""
    known = [[(id, seen.truth) for id, (n, seen) in kept.items() if n == number] for number in range(len(rooms))]
    ids, truths = ([np.array([pair[i] for pair in pairs]) for pairs in known] for i in (0, 1))
    begin = sum(room.drive[-1].state.stamp + PAUSE for room in rooms if room.drive)
    with processes(workers) as pool:
        start = partial(memory_restarts.restart, memory, model_id, begin)
        return memory_restarts.figures_of(list(pool.map(start, [room.back for room in rooms], ids, truths)))


def calibration_error(sure: np.ndarray, true: np.ndarray) -> float:
    """Expected calibration error (Naeini et al. 2015): how far probabilities (n,) are from how often (n,) bool holds,
    on average over ten bins; NaN without any.
    """
    if not len(sure) or not np.isfinite(sure).all():
        return math.nan
    bins = np.minimum((10 * sure).astype(int), 9)
    return float(sum(abs((sure - true)[bins == b].sum()) for b in range(10)) / len(sure))


def _same_place(kept: dict[int, tuple[int, Seen]], id: int, room: int, seen: Seen) -> bool:
    """Was keyframe ``id`` taken where this was seen?"""
    found, view = kept.get(id, (None, None))
    if found != room:
        return False
    metres, radians = off(view.truth[None], seen.truth)
    return bool(metres[0] <= SAME_PLACE[0] and radians[0] <= SAME_PLACE[1])


def foretelling(room: MemoryRoom, kept: list[Seen], parameters: NeuralParameters, foretold: int) -> dict[str, float]:
    """Squared errors of what would be seen from poses at which nobody stood, of what of latents is foretold."""
    poses = np.array([seen.state.pose for seen in kept])
    latents = np.array([seen.latent.vector[:foretold] for seen in kept])
    wanted = room.views[:, :foretold]
    with tempfile.TemporaryDirectory() as folder:
        learner = NeuralLearner(
            Path(folder) / "neural.safetensors", room.drive[0].latent.model_id, foretold, parameters
        )
        for id, (pose, latent) in enumerate(zip(poses, latents, strict=True)):
            learner.take(id, 1, pose, latent)
            learner.catch_up()
        neural = learner.recall(room.poses).latents
        learner.close()
    apart = np.stack([np.add(m / KNOWN_PLACE[0], r / KNOWN_PLACE[1]) for m, r in (off(poses, p) for p in room.poses)])
    told = {
        "neural": neural,
        "copy": room.drive[-1].latent.vector[None, :foretold],
        "store": latents[apart.argmin(1)],
        "average": averaged(poses, latents, room.poses),
        "mean": latents.mean(0, keepdims=True),
    }
    return {name: float(np.square(latent - wanted).mean()) for name, latent in told.items()}


def averaged(poses: np.ndarray, latents: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Nadaraya-Watson over the nearest keyframes: more than a store does, and no learning."""
    metres, radians = (np.stack(part) for part in zip(*(off(poses, pose) for pose in asked), strict=True))
    weight = np.exp(-0.5 * (metres / NEAR[0]) ** 2 + (np.cos(radians) - 1) / NEAR[1] ** 2)
    few = np.sort(weight, 1)[:, -min(NEIGHBOURS, weight.shape[1]), None]
    weight = np.where(weight >= few, weight, 0) + 1e-30
    return weight / weight.sum(1, keepdims=True) @ latents


def evaluate(
    settings: MemorySettings, checkpoint_file: str | None = None, workers: int = 2, json: Path | None = None,
    things: ObjectSettings | None = None, finder: str | None = None,
) -> dict[str, float]:  # fmt: skip
    """All of it; a table for people, and figures."""
    things = things or ObjectSettings()
    model = checkpoint.load(checkpoint_file)
    seeds = range(settings.first_seed, settings.first_seed + 2 * settings.rooms)
    columns = (TextColumn("rooms"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress, processes(workers) as pool:
        bar = progress.add_task("", total=len(seeds) + settings.rooms)
        rooms, asked = [], []
        for room in pool.map(partial(visit, checkpoint_file, finder, settings), seeds):
            rooms.append(room)
            progress.advance(bar)
        for answers in pool.map(partial(last_seen, checkpoint_file, finder, things), seeds[: settings.rooms]):
            asked.append(answers)
            progress.advance(bar)
    known, new = rooms[: settings.rooms], rooms[settings.rooms :]
    with tempfile.TemporaryDirectory() as folder:
        with VisualMemory(Path(folder) / "memory.sqlite", model.model_id, looks=model.config.descriptor_dim) as memory:
            kept = remember(memory, known)
            figures = {"keyframes": float(len(memory))} | recognition(memory, kept, known, new)
        figures |= restarts(Path(folder) / "memory.sqlite", model.model_id, kept, rooms, workers)
    figures |= memory_objects.figures_of(asked)
    views = [[seen for n, seen in kept.values() if n == number] for number in range(len(known))]
    told = [
        foretelling(room, seen, NeuralParameters(), model.config.latent_dim)
        for room, seen in zip(known, views, strict=True)
    ]
    errors = {f"{name}_error": float(np.mean([one[name] for one in told])) for name in told[0]}
    figures |= errors
    for other in ("copy", "store", "average"):
        figures[f"neural_gain_over_{other}"] = 1 - errors["neural_error"] / errors[f"{other}_error"]
    table = Table("figure", "value", title=f"{settings.rooms} rooms, and as many never seen")
    for name, value in figures.items():
        table.add_row(name, f"{value:.3f}")
    Console().print(table)
    write_figures(json, figures, asdict(settings) | {"things": asdict(things)})
    return figures
