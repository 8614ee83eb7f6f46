"""How fast the visual memory keeps and answers, on synthetic keyframes clustered by place as a real drive's are.

    ./latentworld benchmark memory --rows 200000 --json memory.json
    ./latentworld benchmark memory --rows 7800000 --picture memory.png     # ninety days at 1 Hz; about an hour, 8 GB

One keyframe a second of a robot that wanders through a flat for so long; latents vary smoothly with the pose, and a
fifth of them is noise. Inserts are durable (each in two files before it counts). Narrow queries ask for a latent within
1 m and two hours; those over a life for a latent alone, and are held against every row. It is asked on the way too, for
the curves. Who asks is a process of its own, so that its memory is what serving takes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Optional

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from latentworld.evaluation.figures import write_figures
from latentworld.memory import MemoryQuery, VisualMemory
from latentworld.memory.latent_format import LatentFormat
from latentworld.memory.records import Record
from latentworld.memory.search import distances
from latentworld.memory.store import KeyframeStore
from latentworld.types import NANOSECONDS, Latent

MODEL, FRAME, BEGIN = "benchmark", "map", 1_700_000_000 * NANOSECONDS
FLAT = np.array([12.0, 8.0])  # metres
CHUNK = 20_000  # rows made at a time
SPAN, RADIUS = 7200, 1.0  # s, m of a narrow query
TOP = 10


class Drive:
    """The same walk for the same seed, however much of it is asked for. dimensions: of the latents. looks: those, the
    last ones, that they are found by.
    """

    def __init__(self, dimensions: int, looks: int, seed: int):
        self.dimensions, self.looks, self.seed = dimensions, looks, seed
        random = np.random.default_rng(seed)
        self.mixing, self.phase = random.normal(0, 1.0, (4, dimensions)), random.uniform(0, 2 * np.pi, dimensions)

    def chunks(self, rows: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """First row, poses (n, 3) of a walk folded into the flat, latents (n, D) float16 of random Fourier features."""
        at = np.zeros(3)
        for first in range(0, rows, CHUNK):
            random = np.random.default_rng((self.seed, first))
            walk = at + np.cumsum(random.normal(0, (0.15, 0.15, 0.3), (CHUNK, 3)), axis=0)
            at = walk[-1]
            poses = np.concatenate([np.abs((walk[:, :2] + FLAT) % (2 * FLAT) - FLAT), walk[:, 2:]], axis=1)
            count = min(CHUNK, rows - first)
            yield first, poses[:count], self.seen(poses, random)[:count].astype(np.float16)

    def seen(self, poses: np.ndarray, random: np.random.Generator) -> np.ndarray:
        x, y, yaw = poses.T
        keys = np.stack([x, y, np.cos(yaw), np.sin(yaw)], axis=1) @ self.mixing + self.phase
        return (np.sqrt(2) * np.cos(keys) + random.normal(0, 0.2, keys.shape)).astype(np.float32)


class Nearest:
    """The rows nearest to each of some vectors (N, S), as more come: ids (N, TOP)."""

    def __init__(self, asked: np.ndarray):
        self.asked = asked
        self.distances, self.ids = np.full((len(asked), TOP), np.inf), np.zeros((len(asked), TOP), np.int64)

    def take(self, first: int, rows: np.ndarray) -> None:
        """Rows (n, S) float32 from index ``first`` on, ids counting from 1."""
        rough = np.einsum("nd,nd->n", rows, rows) - 2 * self.asked @ rows.T
        for i, near in enumerate(np.argpartition(rough, TOP, axis=1)[:, : 2 * TOP]):
            both = np.concatenate([self.distances[i], distances(rows[near], self.asked[i])])
            ids = np.concatenate([self.ids[i], first + near + 1])
            best = np.argsort(both)[:TOP]
            self.distances[i], self.ids[i] = both[best], ids[best]


class Questions:
    """Latents that might be seen in the flat, and as more rows come, which of those are nearest to each: of rows as
    they came, and as they are kept.
    """

    def __init__(self, drive: Drive, count: int):
        random = np.random.default_rng((drive.seed, 1 << 40))
        poses = random.uniform((0, 0, -np.pi), (*FLAT, np.pi), (count, 3))
        self.latents, self.looks = drive.seen(poses, random), drive.looks
        self.came, self.kept = (Nearest(self.latents[:, -drive.looks :]) for _ in range(2))

    def take(self, first: int, latents: np.ndarray) -> None:
        """Latents (n, D) from index ``first`` on, ids counting from 1."""
        self.came.take(first, latents[:, -self.looks :].astype(np.float32))
        format = LatentFormat(latents.shape[1], self.looks)
        self.kept.take(first, format.decoded(*format.coded(latents))[:, -self.looks :])


def size_of(path: Path) -> int:
    """Bytes of all files of a memory."""
    return sum(p.stat().st_size for p in path.parent.rglob("*") if p.is_file())


def fill(
    path: Path, drive: Drive, rows: int, questions: Questions, stops: list[int], stopped: Callable, budget: int = 0,
    model_id: str = MODEL,
) -> float:  # fmt: skip
    """Rows a second, the making of them not counted. stopped(rows): called after each of ``stops``. budget: bytes."""
    spent, store = 0.0, KeyframeStore(path, rows=2000, budget=budget)
    frame, model = store.lay_frame(FRAME, BEGIN), store.model(model_id, drive.dimensions, drive.looks)
    covariance = np.eye(3)
    columns = (TextColumn("rows"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        bar = progress.add_task("", total=rows)
        for first, poses, latents in drive.chunks(rows):
            began = time.perf_counter()
            for i, (pose, latent) in enumerate(zip(poses, latents, strict=True), first):
                store.add(Record(BEGIN + i * NANOSECONDS, frame, pose, covariance, 0.5, model, latent))
                if store.waiting > 8000:
                    store.flush()
            store.flush()
            spent += time.perf_counter() - began
            questions.take(first, latents)
            progress.advance(bar, len(poses))
            if stops and first + len(poses) >= stops[0]:
                began = time.perf_counter()
                store.writer.settle()
                spent += time.perf_counter() - began
                stopped(first + len(poses))
                stops = stops[1:]
    began = time.perf_counter()
    store.writer.settle()
    store.close()
    return rows / (spent + time.perf_counter() - began)


def apart(path: Path, rows: int, questions: Questions, count: int) -> dict[str, float]:
    """``serve`` in a process of its own."""
    asked = path.with_name("questions.npz")
    np.savez(asked, latents=questions.latents, ids=questions.came.ids, kept=questions.kept.ids)
    code = "import json, runpy, sys; print(json.dumps(runpy.run_path(sys.argv[1])['serve'](*sys.argv[2:])))"
    command = [sys.executable, "-c", code, __file__, str(path), str(rows), str(asked), str(count)]
    said = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    asked.unlink()
    return json.loads(said.splitlines()[-1])


def serve(path: str, rows: str, asked: str, count: str) -> dict[str, float]:
    """What a process that only asks measures, after ten questions of each kind to warm up. asked: file of questions."""
    random, figures, rows, count, questions = np.random.default_rng(7), {}, int(rows), int(count), np.load(asked)
    latents, expected, kept = questions["latents"], questions["ids"], questions["kept"]
    began = time.perf_counter()
    with VisualMemory(path) as memory:
        figures["open_s"] = time.perf_counter() - began
        lasting = [MemoryQuery(Latent(0, MODEL, latent), limit=TOP) for latent in latents]
        spent, found, indexed = [], 0, 0
        for i, query in enumerate(lasting):
            ms, answer = timed(lambda query=query: memory.query(query))
            answered = {k.id for k in answer.keyframes}
            found += len(answered & set(expected[i].tolist()))
            indexed += len(answered & set(kept[i].tolist()))
            spent.append(ms)
        figures |= percentiles("ann", spent[10:]) | {"ann_recall_at_10": found / len(lasting) / TOP}
        figures["ann_recall_of_kept"] = indexed / len(lasting) / TOP  # what the index alone loses, not the rounding
        spent = []
        for _ in range(count + 10):
            after = int(random.integers(max(rows - SPAN, 1)))
            near = memory.get(after + 1 + int(random.integers(min(SPAN, rows - after))))
            query = MemoryQuery(
                Latent(0, MODEL, latents[random.integers(len(latents))]), near.pose, RADIUS, 1,
                BEGIN + after * NANOSECONDS, BEGIN + (after + SPAN) * NANOSECONDS, limit=TOP,
            )  # fmt: skip
            ms, answer = timed(lambda query=query: memory.query(query))
            assert answer.keyframes
            spent.append(ms)
        figures |= percentiles("narrow", spent[10:])
        for name, ask in (
            ("place", lambda: MemoryQuery(place=random.uniform((0, 0), FLAT), frame=1)),
            ("time", lambda: MemoryQuery(after=BEGIN + int(random.integers(rows)) * NANOSECONDS)),
        ):
            queries = [ask() for _ in range(count)]
            figures |= percentiles(name, [timed(lambda query=query: memory.query(query))[0] for query in queries])
    figures["ram_gb"] = most_ram() / 1e9
    return figures


def most_ram() -> int:
    """Bytes held at most by this process; ru_maxrss would count what its parent held when it was begun."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024


def timed(ask: Callable[[], Any]) -> tuple[float, Any]:
    """Milliseconds, and the answer."""
    began = time.perf_counter()
    answer = ask()
    return 1e3 * (time.perf_counter() - began), answer


def percentiles(name: str, spent: list[float]) -> dict[str, float]:
    return {f"{name}_ms_p50": float(np.percentile(spent, 50)), f"{name}_ms_p99": float(np.percentile(spent, 99))}


def one_commit(path: Path, latent: np.ndarray) -> dict[str, float]:
    """Milliseconds until one keyframe alone is on disk."""
    store = KeyframeStore(path)
    frame, model = store.lay_frame("odom", BEGIN), store.model(MODEL, len(latent))

    def keep() -> None:
        store.add(Record(BEGIN, frame, np.zeros(3), np.eye(3), 0.5, model, latent))
        store.flush()

    spent = [timed(keep)[0] for _ in range(100)]
    store.close()
    return percentiles("commit", spent)


def draw(curves: list[dict[str, float]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    figure, axes = pyplot.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    rows = [point["rows"] for point in curves]
    for name, label in (("ann", "over a life"), ("narrow", "1 m, 2 hours"), ("place", "by place"), ("time", "by time")):
        axes[0].plot(rows, [point[f"{name}_ms_p99"] for point in curves], "o-", label=label)
    axes[0].set(xscale="log", yscale="log", ylabel="ms, p99", title="a query")
    axes[0].legend(frameon=False)
    for name, what in {"ann_recall_at_10": "of latents as they came", "ann_recall_of_kept": "as they are kept"}.items():
        axes[1].plot(rows, [point[name] for point in curves], "o-", label=what)
    axes[1].legend(frameon=False)
    axes[1].set(xscale="log", ylim=(0.9, 1.003), title="recall@10 over a life")
    for name in ("disk_gb", "ram_gb"):
        axes[2].plot(rows, [point[name] for point in curves], "o-", label=name[:-3])
    axes[2].set(xscale="log", yscale="log", ylabel="GB", title="what it takes")
    axes[2].legend(frameon=False)
    for axis in axes:
        axis.set_xlabel("keyframes")
        axis.xaxis.set_minor_formatter(ticker.NullFormatter())
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


def measure(
    rows: int, dimensions: int, looks: int, queries: int, seed: int, folder: Path
) -> tuple[dict[str, float], list[dict]]:
    """All figures, and the same at fewer rows on the way there."""
    drive = Drive(dimensions, looks, seed)
    questions, curves = Questions(drive, queries), []
    path = folder / "life" / "memory.sqlite"
    path.parent.mkdir()
    stops = [int(rows / 2**i) for i in range(5, 0, -1) if rows / 2**i >= CHUNK]

    def ask(count: int) -> None:
        served = apart(path, count, questions, queries)
        curves.append({"rows": float(count), "disk_gb": size_of(path) / 1e9} | served)

    figures = {"insert_rows_per_s": fill(path, drive, rows, questions, stops, ask)}
    ask(rows)
    figures |= {name: value for name, value in curves[-1].items() if name != "rows"}
    return figures | one_commit(folder / "alone" / "memory.sqlite", questions.latents[0]), curves


def main(
    file: Annotated[Optional[Path], typer.Option("--json", metavar="F", help="File to write figures to.")] = None,
    rows: Annotated[int, typer.Option(min=20_000, help="Keyframes kept.")] = 200_000,
    dimensions: Annotated[int, typer.Option(help="Of a latent.")] = 320,
    looks: Annotated[int, typer.Option(help="Of these, the last ones, that latents are found by.")] = 64,
    queries: Annotated[int, typer.Option(min=20, help="Of each kind.")] = 300,
    seed: int = 0,
    picture: Annotated[Optional[Path], typer.Option(help="PNG of the curves over rows.")] = None,
    folder: Annotated[Optional[Path], typer.Option(help="To make the memory in.  [default: a temporary one]")] = None,
) -> None:
    """How fast the visual memory keeps and answers."""
    settings = {"rows": rows, "dimensions": dimensions, "looks": looks, "queries": queries, "seed": seed}
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        figures, curves = measure(rows, dimensions, looks, queries, seed, Path(temporary))
    table = Table("figure", "value", title=f"{rows:,} keyframes of {dimensions} dimensions")
    for name, value in figures.items():
        table.add_row(name, f"{value:,.3f}")
    Console().print(table)
    if picture:
        draw(curves, picture)
        typer.echo(picture)
    write_figures(file, figures, settings | {"curves": curves})


if __name__ == "__main__":
    typer.run(main)
