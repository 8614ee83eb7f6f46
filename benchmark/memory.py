"""How fast the visual memory keeps and answers, on synthetic keyframes clustered by place as a real drive's are.

    ./latentworld benchmark memory --rows 200000 --json memory.json

One keyframe a second of a robot that wanders through a flat; latents vary smoothly with the pose. Inserts are durable
(group commit, synchronous=FULL); narrow queries ask for a latent within 1 m and an eighth of the time, unfiltered ones
for a latent alone.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from latentworld.evaluation.figures import write_figures
from latentworld.memory import MemoryQuery, VisualMemory
from latentworld.memory.records import Record
from latentworld.memory.store import KeyframeStore
from latentworld.types import NANOSECONDS, Latent

MODEL, BEGIN = "benchmark", 1_700_000_000 * NANOSECONDS
FLAT = np.array([12.0, 8.0])  # metres


def drive(rows: int, dimensions: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Poses (N, 3) of a walk folded into the flat, and latents (N, D) float16: random Fourier features of the pose."""
    walk = np.cumsum(random.normal(0, (0.15, 0.15, 0.3), (rows, 3)), axis=0)
    poses = np.concatenate([np.abs((walk[:, :2] + FLAT) % (2 * FLAT) - FLAT), walk[:, 2:]], axis=1)
    mixing, phase = random.normal(0, 1.0, (4, dimensions)), random.uniform(0, 2 * np.pi, dimensions)
    latents = np.empty((rows, dimensions), np.float16)
    for start in range(0, rows, 4096):
        x, y, yaw = poses[start : start + 4096].T
        keys = np.stack([x, y, np.cos(yaw), np.sin(yaw)], axis=1) @ mixing + phase
        latents[start : start + 4096] = np.sqrt(2) * np.cos(keys) + random.normal(0, 0.2, keys.shape)
    return poses, latents


def fill(path: Path, poses: np.ndarray, latents: np.ndarray, thumbnail: bytes) -> float:
    """Seconds until all of it is on disk."""
    began = time.perf_counter()
    store = KeyframeStore(path)
    frame, model = store.lay_frame("odom", BEGIN), store.model(MODEL, latents.shape[1])
    covariance = np.eye(3)
    for number, (pose, latent) in enumerate(zip(poses, latents, strict=True)):
        store.add(Record(BEGIN + number * NANOSECONDS, frame, pose, covariance, 0.5, model, latent, thumbnail))
        if store.waiting > 2000:
            store.flush()
    store.close()
    return time.perf_counter() - began


def one_commit(path: Path, pose: np.ndarray, latent: np.ndarray, thumbnail: bytes) -> tuple[float, float]:
    """p50 and p99 in milliseconds until one keyframe alone is on disk."""
    store = KeyframeStore(path)
    frame, model = store.lay_frame("odom", BEGIN), store.model(MODEL, len(latent))

    def keep() -> None:
        store.add(Record(BEGIN, frame, pose, np.eye(3), 0.5, model, latent, thumbnail))
        store.flush()

    spent = timed(keep, 200)
    store.close()
    return spent


def timed(ask: Callable[[], object], times: int) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        spent.append(1e3 * (time.perf_counter() - began))
    return float(np.percentile(spent, 50)), float(np.percentile(spent, 99))


def main(
    json: Path | None = None,
    rows: int = 200_000,
    dimensions: int = 256,
    queries: int = 300,
    thumbnail_bytes: int = 2000,
    seed: int = 0,
) -> None:
    settings = {k: v for k, v in locals().items() if k != "json"}
    random = np.random.default_rng(seed)
    poses, latents = drive(rows, dimensions, random)
    figures: dict[str, float] = {}

    def some_latent() -> Latent:
        near = latents[random.integers(rows)].astype(np.float32)
        return Latent(0, MODEL, near + random.normal(0, 0.2, dimensions).astype(np.float32))

    def narrow() -> MemoryQuery:
        after = BEGIN + int(random.uniform(0, rows * 7 / 8)) * NANOSECONDS
        place = poses[random.integers(rows)]
        return MemoryQuery(some_latent(), place, 1.0, 1, after, after + rows // 8 * NANOSECONDS)

    asked = {
        "narrow": narrow,
        "place": lambda: MemoryQuery(place=poses[random.integers(rows)], frame=1),
        "time": lambda: MemoryQuery(after=BEGIN + int(random.integers(rows)) * NANOSECONDS),
        "unfiltered": lambda: MemoryQuery(some_latent()),
    }
    with tempfile.TemporaryDirectory() as folder:
        path, thumbnail = Path(folder) / "memory.sqlite", random.bytes(thumbnail_bytes)
        figures["insert_rows_per_s"] = rows / fill(path, poses, latents, thumbnail)
        alone = one_commit(Path(folder) / "alone.sqlite", poses[0], latents[0], thumbnail)
        figures["commit_ms_p50"], figures["commit_ms_p99"] = alone
        figures["disk_gb"] = path.stat().st_size / 1e9
        began = time.perf_counter()
        with VisualMemory(path, MODEL) as memory:
            figures["open_s"] = time.perf_counter() - began
            began = time.perf_counter()
            memory.query(asked["unfiltered"]())
            figures["first_unfiltered_s"] = time.perf_counter() - began
            for name, make in asked.items():
                timed(lambda make=make: memory.query(make()), 10)
                p50, p99 = timed(lambda make=make: memory.query(make()), queries)
                figures[f"{name}_ms_p50"], figures[f"{name}_ms_p99"] = p50, p99
    figures["ram_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6

    table = Table("figure", "value", title=f"{rows:,} keyframes of {dimensions} dimensions")
    for name, value in figures.items():
        table.add_row(name, f"{value:,.3f}")
    Console().print(table)
    write_figures(json, figures, settings)


if __name__ == "__main__":
    typer.run(main)
