"""The visual memory beside LanceDB, Qdrant, Chroma and sqlite-vec: the same rows, the same questions, one run.

    tools/peers.sh
    ./latentworld benchmark memory_peers --json memory_peers.json

Rows are those of ``benchmark/memory.py``. Each takes them into a folder of its own, durably, in batches of 2,000, then
answers one question at a time in a process of its own: the ten nearest of all, and the ten nearest within a square of
1.8 m and two hours (peers have no circles; ours is asked for the circle of the same area). Each is held against what is
right by its own filter, and shown, for either kind of question, with the fastest of its settings that finds 98 %.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Optional

import memory
import numpy as np
import typer
from peers import memory_stores as stores
from rich.console import Console
from rich.progress import track
from rich.table import Table

from latentworld.evaluation.figures import write_figures

STORES_FILE = Path(stores.__file__)
PEERS_PYTHON = Path(__file__).parent.parent / ".venv-peers" / "memory" / "bin" / "python"


def make(folder: Path, rows: int, dimensions: int, queries: int, seed: int) -> None:
    """Rows and questions as ``memory_stores.Rows`` reads them."""
    drive, random = memory.Drive(dimensions, dimensions, seed), np.random.default_rng((seed, 1))
    questions = memory.Questions(drive, queries)
    poses, latents = (np.concatenate(parts) for parts in list(zip(*drive.chunks(rows), strict=True))[1:])
    after = random.integers(max(rows - stores.SPAN, 1), size=queries)
    near = np.minimum(after + random.integers(stores.SPAN, size=queries), rows - 1)
    np.savez(folder / "rows.npz", latents=latents.astype(np.float32), poses=poses, stamps=np.arange(rows))
    np.savez(folder / "questions.npz", latents=questions.latents, middle=poses[near, :2], after=after)


def measured(name: str, folder: Path) -> dict[str, float]:
    own = name == "latentworld"
    done = subprocess.run(
        [sys.executable if own else str(PEERS_PYTHON), str(STORES_FILE), name, str(folder)],
        stdout=subprocess.PIPE, text=True, env=None if own else {**os.environ, "PYTHONPATH": ""},
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"benchmark memory_peers: {name} ended with {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def main(
    file: Annotated[Optional[Path], typer.Option("--json", metavar="F", help="File to write figures to.")] = None,
    rows: Annotated[int, typer.Option(min=20_000, help="Keyframes kept.")] = 200_000,
    dimensions: Annotated[int, typer.Option(help="Of a latent.")] = 256,
    queries: Annotated[int, typer.Option(min=20, help="Of each kind.")] = 200,
    only: Annotated[Optional[list[str]], typer.Option(help=f"One of {', '.join(stores.STORES)}; repeatable.")] = None,
    seed: int = 0,
) -> None:
    """The visual memory beside other stores of vectors."""
    if not PEERS_PYTHON.exists():
        raise SystemExit(f"benchmark memory_peers: expected {PEERS_PYTHON}; tools/peers.sh makes it")
    names = only or list(stores.STORES)
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), rows, dimensions, queries, seed)
        found = {name: measured(name, Path(folder)) for name in track(names, description="stores")}
    table = Table("figure", *names, title=f"{rows:,} keyframes of {dimensions} dimensions")
    for key in found[names[0]]:
        table.add_row(key, *(f"{found[name][key]:,.3f}" for name in names))
    Console().print(table)
    figures = {f"{name}_{key}": value for name in names for key, value in found[name].items()}
    write_figures(file, figures, {"rows": rows, "dimensions": dimensions, "queries": queries, "seed": seed})


if __name__ == "__main__":
    typer.run(main)
