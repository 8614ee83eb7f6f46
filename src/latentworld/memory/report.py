"""A memory and its answers as people and scripts read them: tables and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from latentworld.memory.keyframes import Keyframe
from latentworld.memory.query import MemoryAnswer
from latentworld.memory.remembered import Changes, RememberedObject, StoodAt
from latentworld.memory.schema import schema_version
from latentworld.memory.store import KeyframeStore
from latentworld.types import seconds


def answer_table(answer: MemoryAnswer) -> Table:
    """One row a keyframe, best first; distances that were not asked for are left out."""
    columns = {
        "id": [str(k.id) for k in answer.keyframes],
        "time": [moment(k.stamp) for k in answer.keyframes],
        "x, y, yaw": [_pose(k) for k in answer.keyframes],
        "robot": [k.robot for k in answer.keyframes],
        "frame": [k.frame_id for k in answer.keyframes],
        "latent": [_number(k.latent_distance) for k in answer.keyframes],
        "m away": [_number(k.place_distance) for k in answer.keyframes],
        "sure": ["" if math.isnan(k.confidence) else f"{k.confidence:.0%}" for k in answer.keyframes],
        "p": [_number(k.surprise) for k in answer.keyframes],
    }
    shown = {name: cells for name, cells in columns.items() if any(cells)}
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in shown:
        table.add_column(name, no_wrap=True, justify="left" if name in ("time", "robot", "frame") else "right")
    for row in zip(*shown.values(), strict=True):
        table.add_row(*row)
    if answer.never_seen:
        known = (
            f": nothing within a latent distance of {answer.threshold:.2f}" if math.isfinite(answer.threshold) else ""
        )
        table.caption = f"never seen{known}"
    return table


def objects_table(things: Iterable[RememberedObject]) -> Table:
    """One row a stay, the newest first."""
    table = Table("object", "place", "frame", "seen", "last", "gone", "times", "keyframe", box=SIMPLE_HEAD)
    for thing in things:
        for stay in reversed(thing.history):
            table.add_row(str(thing.id) if stay is thing.last else "", *_stay(stay))
    return table


def changes_table(changed: Changes) -> Table:
    """One row a thing, where it is now."""
    table = Table("", "object", "place", "frame", "seen", "last", "gone", "times", "keyframe", box=SIMPLE_HEAD)
    for what in ("appeared", "gone", "moved"):
        for thing in getattr(changed, what):
            table.add_row(what, str(thing.id), *_stay(thing.last))
    return table


def _stay(stay: StoodAt) -> tuple[str, ...]:
    x, y = stay.place
    return (
        f"{x:.2f} {y:.2f} m", stay.frame_id, moment(stay.first), moment(stay.last),
        moment(stay.gone) if stay.gone else "", str(stay.seen), str(stay.keyframe),
    )  # fmt: skip


def answer_json(answer: MemoryAnswer) -> str:
    """What was not asked for, and an infinite threshold, are null."""
    keyframes = [
        {
            "id": k.id,
            "stamp_s": seconds(k.stamp),
            "pose": k.pose.tolist(),
            "covariance": k.covariance.tolist(),
            "frame_id": k.frame_id,
            "surprise": k.surprise,
            "model_id": k.model_id,
            "latent_distance": _finite(k.latent_distance),
            "place_distance": _finite(k.place_distance),
            "confidence": _finite(k.confidence),
        }
        for k in answer.keyframes
    ]
    found = {"never_seen": answer.never_seen, "threshold": _finite(answer.threshold), "keyframes": keyframes}
    return json.dumps(found, indent=1) + "\n"


def summary_table(path: str | Path) -> Table:
    """What a file holds and whether it is sound; reads all of it once."""
    store = KeyframeStore(path, writable=False)
    try:
        with store.reading() as connection:
            check = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            version = schema_version(connection)
            count, first, last = connection.execute("SELECT count(*), min(stamp), max(stamp) FROM keyframe").fetchone()
            pictures = connection.execute("SELECT count(*) FROM picture").fetchone()[0]
            thinned = store.thinned
            things = connection.execute("SELECT count(DISTINCT object) FROM stay").fetchone()[0] if version > 3 else 0
            layings = connection.execute("SELECT count(*) FROM frame").fetchone()[0]
            models = connection.execute(
                "SELECT model_id, dimensions, (SELECT count(*) FROM keyframe WHERE model = m.id) FROM model m"
            ).fetchall()
    finally:
        store.close()
    table = Table("memory", str(path))
    table.add_row("file", f"{store.path.stat().st_size / 1e6:.1f} MB, schema {version}, {check}")
    table.add_row("keyframes", f"{count:,}, {pictures:,} with a picture")
    if things:
        table.add_row("things", f"{things:,}")
    if thinned:
        table.add_row("made room", f"{thinned:,} older ones")
    if count:
        table.add_row("from, to", f"{moment(first)}, {moment(last)}")
    table.add_row("frames laid", str(layings))
    for model_id, dimensions, rows in models:
        table.add_row(f"model {model_id}", f"{rows:,} latents of {dimensions} dimensions")
    return table


def moment(stamp: int) -> str:
    """Local time where the clock is a wall clock, seconds where it is a simulated one that began at 0."""
    t = seconds(stamp)
    return f"{datetime.fromtimestamp(t):%Y-%m-%d %H:%M:%S}" if t > 1e8 else f"{t:.2f} s"


def _pose(k: Keyframe) -> str:
    x, y, yaw = k.pose
    spread = math.sqrt(max(0.0, k.covariance[0, 0] + k.covariance[1, 1]))
    return f"{x:.2f} {y:.2f} ±{spread:.2f} m {math.degrees(math.remainder(yaw, math.tau)):.0f}°"


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
