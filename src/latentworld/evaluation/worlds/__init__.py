"""Worlds that nobody here drew: MiniWorld, BARN, and frames of a real walk. Nothing is trained or tuned on them.

Where the data of BARN and of the walk lie is an option; what is not there is left out, and said to be.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from latentworld.evaluation.figures import write_figures
from latentworld.evaluation.kept import Kept, code
from latentworld.evaluation.worlds import barn as barn_rules
from latentworld.evaluation.worlds import miniworld, miniworld_rooms, real_frames, real_walk
from latentworld.model.checkpoint import load

COLUMNS = {"world model": "", "RGB": "rgb", "blind": "blind_", "reactive": "reactive_", "oracle": "oracle_"}
ROWS = {  # title -> figure
    "MiniWorld: success": "miniworld_success", "clean": "miniworld_clean", "contact": "miniworld_contact",
    "BARN: success": "barn_success", "success, exact odometry": "barn_success_exact", "with contact": "barn_contact",
    "score as a Jackal": "barn_score", "score as a Jackal, exact odometry": "barn_score_exact",
    "real frames: AUROC of contact": "real_contact_auroc", "recall@1 of places": "real_place_recall_at_1",
}  # fmt: skip


def evaluate(
    barn: str | Path | None = None,
    frames: str | Path | None = None,
    rooms: int | None = None,
    checkpoint: str | None = None,
    workers: int = 2,
    json: str | Path | None = None,
    keep: Path | None = None,
) -> dict[str, float]:
    """Figures by name, printed and written. barn: the folder with ``barn_worlds.npz``. frames: the walk's folder, or
    the one that it lies in. rooms: goals in MiniWorld and worlds of BARN, at most; ``None``: 40, and all of them.

    Raises LatentworldError for data that are there and are not what they should be, and for kept results of another
    run.
    """
    walk = None if frames is None else real_walk.find(frames)
    about = {"model_id": load(checkpoint).model_id, "code": code(), "barn": str(barn), "frames": str(walk)}
    kept, figures, details, left_out = Kept(keep, about), {}, {}, {}
    goals = miniworld.ROOMS if rooms is None else rooms

    if (why := miniworld_rooms.missing()) is None:
        said, details["miniworld"] = miniworld.evaluate(goals, checkpoint, kept, workers)
        figures |= said
    else:
        left_out["miniworld"] = why
    if barn is not None and (Path(barn) / barn_rules.FILE).is_file():
        said, details["barn"] = barn_rules.evaluate(barn, rooms, checkpoint, kept, workers)
        figures |= said
    else:
        left_out["barn"] = f"expected --barn DIR with {barn_rules.FILE}, got {barn}; from {barn_rules.SOURCE}"
    if walk is not None:
        said, details["frames"] = real_frames.evaluate(walk, checkpoint, kept, workers)
        figures |= said
    else:
        left_out["frames"] = f"expected --frames DIR with {real_walk.FOLDER}, got {frames}; from {real_walk.SOURCE}"
    kept.close()
    settings = {
        "miniworld": {"goals": goals, "first_seed": miniworld.FIRST_SEED, "seconds": miniworld.TIME_LIMIT},
        "barn": {"worlds": rooms or "all", "near_m": barn_rules.NEAR, "seconds": barn_rules.TIME_LIMIT},
        "sources": {"miniworld": miniworld_rooms.INSTALL, "barn": barn_rules.SOURCE, "frames": real_walk.SOURCE},
        "checkpoint": checkpoint or "shipped", "left_out": left_out, "details": details,
    }  # fmt: skip
    write_figures(json, figures, settings)
    console = Console()
    console.print(table(figures))
    for name, why in left_out.items():
        console.print(f"left out: {name}: {why}", highlight=False, markup=False, soft_wrap=True)
    return figures


def table(figures: dict[str, float]) -> Table:
    """One row a figure, one column a controller."""
    out = Table("", *COLUMNS, title="Worlds of others")
    for title, figure in ROWS.items():
        cells = [figures.get(_name(figure, prefix)) for prefix in COLUMNS.values()]
        if ": " in title:
            out.add_section()
        if any(cell is not None for cell in cells):
            out.add_row(title, *("" if cell is None else f"{cell:.3f}" for cell in cells))
    if "real_place_recall_at_1_thumbnail" in figures:
        out.add_row("the same by a grey thumbnail", f"{figures['real_place_recall_at_1_thumbnail']:.3f}")
    return out


def _name(figure: str, column: str) -> str:
    """``miniworld_success`` in the column of RGB is ``miniworld_rgb_success``; of frames, ``real_…_rgb``."""
    if column != "rgb":
        return column + figure
    return f"{figure}_rgb" if figure.startswith("real_") else figure.replace("_", "_rgb_", 1)
