"""What a memory that may not grow still knows of long ago: recall against age, under a budget of disk.

    ./latentworld benchmark retention --rows 200000 --budget 0.05 --picture retention.png

Rows are those of ``benchmark/memory.py``. Of moments of every age it is asked what was seen within an hour of then that
looks like what is seen from there now; right is a keyframe from within a metre and 30 degrees of that place.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Optional

import memory as memory_benchmark
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from latentworld.evaluation.figures import write_figures
from latentworld.memory import MemoryQuery, VisualMemory
from latentworld.memory.store import KeyframeStore
from latentworld.types import NANOSECONDS, Latent, turn

AGES = 8  # shares of a life, of the same length
HOUR = 3600  # rows
SAME_PLACE = (1.0, np.radians(30))


def asked(drive, rows: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (AGES, count) of the life, and their poses (AGES, count, 3)."""
    random = np.random.default_rng((drive.seed, 2))
    edges = np.linspace(0, rows, AGES + 1).astype(int)
    which = np.stack([np.sort(random.integers(*ends, count)) for ends in zip(edges, edges[1:], strict=False)])
    poses = np.empty((*which.shape, 3))
    for first, some, _ in drive.chunks(rows):
        here = (which >= first) & (which < first + len(some))
        poses[here] = some[which[here] - first]
    return which, poses


def recall(memory: VisualMemory, drive, which: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """(AGES,) share of moments that are answered with their place."""
    random, right = np.random.default_rng(3), np.zeros(which.shape, bool)
    latents = drive.seen(poses.reshape(-1, 3), random).reshape(*which.shape, -1)
    for at in np.ndindex(which.shape):
        begin, end = (memory_benchmark.BEGIN + int(which[at] + by) * NANOSECONDS for by in (-HOUR, HOUR))
        query = MemoryQuery(Latent(0, memory_benchmark.MODEL, latents[at]), after=begin, before=end, limit=1)
        for keyframe in memory.query(query).keyframes:
            off = keyframe.pose - poses[at]
            right[at] = np.hypot(*off[:2]) <= SAME_PLACE[0] and abs(turn(off[2])) <= SAME_PLACE[1]
    return right.mean(1)


def kept(store: KeyframeStore, rows: int) -> np.ndarray:
    """(AGES,) share of keyframes that are still there."""
    with store.reading() as connection:
        ids = np.array([id for (id,) in connection.execute("SELECT id FROM keyframe")])
    return np.histogram(ids, np.linspace(0.5, rows + 0.5, AGES + 1))[0] / (rows / AGES)


def draw(shares: np.ndarray, found: np.ndarray, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    age = 1 - (np.arange(AGES) + 0.5) / AGES
    figure, axis = pyplot.subplots(figsize=(5.5, 3.6), layout="constrained")
    axis.plot(age, found, "o-", label="places known")
    axis.plot(age, shares, "o-", label="keyframes kept")
    axis.set(xlabel="age, as a share of the life", ylim=(0, 1.03))
    axis.legend(frameon=False)
    axis.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


def main(
    file: Annotated[Optional[Path], typer.Option("--json", metavar="F", help="File to write figures to.")] = None,
    rows: Annotated[int, typer.Option(min=20_000, help="Keyframes of the life.")] = 400_000,
    budget: Annotated[float, typer.Option(help="Gigabytes that all files may take.")] = 0.1,
    dimensions: Annotated[int, typer.Option(help="Of a latent.")] = 320,
    looks: Annotated[int, typer.Option(help="Of these, the last ones, that latents are found by.")] = 64,
    queries: Annotated[int, typer.Option(min=20, help="Of each age.")] = 100,
    seed: int = 0,
    picture: Annotated[Optional[Path], typer.Option(help="PNG of both over age.")] = None,
) -> None:
    """What is still known of long ago under a budget of disk."""
    drive = memory_benchmark.Drive(dimensions, looks, seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "memory.sqlite"
        nothing = memory_benchmark.Questions(drive, 20)
        rate = memory_benchmark.fill(path, drive, rows, nothing, [], None, budget=int(budget * 1e9))
        store = KeyframeStore(path, writable=False)
        shares = kept(store, rows)
        with VisualMemory(path) as memory:
            found = recall(memory, drive, *asked(drive, rows, queries))
        figures = {"insert_rows_per_s": rate, "disk_gb": memory_benchmark.size_of(path) / 1e9}
        figures |= {"made_room": float(store.thinned), "recall_oldest": float(found[0]), "recall": float(found.mean())}
        store.close()
    table = Table("life", "keyframes kept", "places known", title=f"{rows:,} keyframes in {budget} GB")
    for i in range(AGES):
        table.add_row(f"{i / AGES:.0%} - {(i + 1) / AGES:.0%}", f"{shares[i]:.0%}", f"{found[i]:.0%}")
    Console().print(table)
    for name, value in figures.items():
        typer.echo(f"{name} {value:,.3f}")
    if picture:
        draw(shares, found, picture)
        typer.echo(picture)
    write_figures(file, figures, {"rows": rows, "budget_gb": budget, "kept": shares.tolist(), "known": found.tolist()})


if __name__ == "__main__":
    typer.run(main)
