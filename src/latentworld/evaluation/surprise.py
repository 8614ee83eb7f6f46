"""Is surprise calibrated, and does it notice? Films of the stage, and drives through rooms in which things go wrong."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
from rich.console import Console
from rich.table import Table

from latentworld.evaluation import surprise_rooms
from latentworld.evaluation.figures import write_figures
from latentworld.evaluation.physics import SHIPPED, clip_score
from latentworld.evaluation.physics_suite import PAIRS, SuiteSettings, suite
from latentworld.evaluation.surprise_rooms import Play, RoomSettings
from latentworld.model import checkpoint
from latentworld.model.scene_model import SceneModel
from latentworld.sim.stage.clips import possible_clip
from latentworld.sim.stage.looks import SEEN, SHIFTED
from latentworld.sim.stage.stage import FRAME_PERIOD, FRAMES
from latentworld.tracking.scene_surprise import p_values
from latentworld.tracking.surprise import VIOLATION
from latentworld.training.episodes import gather

ALPHAS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1)
FIRST_CLIP_SEED = 6_000_000  # neither learned from, nor calibrated on, nor in the test set of pairs
CONDITIONS = {
    "as learned": SEEN,
    "light changes": SEEN,
    "new background": replace(SEEN, name="new background", patterns=SHIFTED.patterns),
    "new camera height": replace(SEEN, name="new camera height", heights=SHIFTED.heights),
    "new shapes and colours": replace(SEEN, name="new things", shapes=SHIFTED.shapes, hues=SHIFTED.hues),
}


@dataclass(frozen=True, slots=True)
class OrdinarySettings:
    """Possible clips under a condition of CONDITIONS."""

    condition: str
    clips: int
    first_seed: int = FIRST_CLIP_SEED


def film(settings: OrdinarySettings, seed: int) -> dict[str, np.ndarray]:
    lamp = None
    if settings.condition == "light changes":
        rng = np.random.default_rng([seed, 17])
        other = rng.choice([rng.uniform(0.5, 0.8), rng.uniform(1.2, 1.5)])
        lamp = np.interp(np.arange(FRAMES), rng.integers(6, 16) + np.array([0, 3]), [1.0, other])
    return {"pixels": possible_clip(seed, CONDITIONS[settings.condition], lamp).pixels}


def ordinary(settings: OrdinarySettings, data: Path, workers: int) -> np.ndarray:
    """(N, T, 64, 64, 3) uint8; made where they are missing."""
    path = data / f"physics-ordinary-{settings.condition.replace(' ', '-')}.h5"
    gather(path, settings, settings.clips, film, "clips", workers)
    with h5py.File(path, "r") as file:
        return file["pixels"][: settings.clips * FRAMES].reshape(settings.clips, FRAMES, 64, 64, 3)


def evaluate(
    clips: int = 2000,
    pairs: int = PAIRS,
    rooms: RoomSettings | None = None,
    physics_weights: str | Path | None = None,
    weights: str | Path | None = None,
    data: str | Path = "data",
    workers: int = 2,
    json: str | Path | None = None,
    node: Callable[[], AbstractContextManager[Play]] | None = None,
) -> dict[str, float]:
    """Calibration on possible clips, what is no violation, detection of violations; then the same while driving.

    clips: possible ones as learned; a quarter as many under every other condition. physics_weights: of the scene model.
    weights: of the world model that drives. node: starts what shows a drive to the world_state_tracker.
    """
    data, rooms = Path(data), rooms or RoomSettings()
    model = checkpoint.load(physics_weights or checkpoint.shipped(SHIPPED), SceneModel)
    score = clip_score(model)
    rows = {}
    for condition in CONDITIONS:
        count = clips if condition == "as learned" else max(clips // 4, 1)
        rows[condition] = p_values(model, score(ordinary(OrdinarySettings(condition, count), data, workers)))
    broken = [p_values(model, score(some.impossible)) for some in suite(SuiteSettings(pairs=pairs), data, workers)]
    rows["physics broken"] = np.concatenate(broken)
    figures = _of_clips(rows)
    Console().print(_clips_table(rows))

    results = surprise_rooms.run(rooms, None if weights is None else str(weights), workers)
    figures |= surprise_rooms.summarise(results)
    if node is not None:
        with node() as play:
            figures |= surprise_rooms.in_the_loop(rooms, None if weights is None else str(weights), play)
    Console().print(_rooms_table(figures))
    settings = {"clips": clips, "pairs_a_property": pairs, "rooms": rooms.rooms, "violation_p_value": VIOLATION}
    write_figures(json, figures, settings)
    return figures


def _of_clips(rows: dict[str, np.ndarray]) -> dict[str, float]:
    figures = {f"false_alarm_rate_at_{alpha}": float((rows["as learned"] <= alpha).mean()) for alpha in ALPHAS}
    hour = 3600 / (FRAMES * FRAME_PERIOD)
    figures["clip_false_alarms_per_hour"] = hour * figures["false_alarm_rate_at_0.01"]
    for condition in CONDITIONS:
        if condition != "as learned":
            name = condition.replace(" ", "_")
            figures[f"false_alarm_rate_at_0.01_{name}"] = float((rows[condition] <= 0.01).mean())
    figures["clip_detection_rate_at_0.01"] = float((rows["physics broken"] <= 0.01).mean())
    return figures


def _clips_table(rows: dict[str, np.ndarray]) -> Table:
    out = Table("films", "", *(f"{alpha:g}" for alpha in ALPHAS), title="Films called violations at a p-value of")
    for condition, p in rows.items():
        out.add_row(condition, str(len(p)), *(f"{(p <= alpha).mean():.1%}" for alpha in ALPHAS))
    return out


def _rooms_table(figures: dict[str, float]) -> Table:
    out = Table("while driving", "", title=f"Rooms, a violation being a p-value below {VIOLATION:g}")
    out.add_row("minutes in which all is as it should be", f"{figures['room_minutes']:.0f}")
    out.add_row("frames of them with a p-value below 0.01", f"{figures['room_false_alarm_rate_at_0.01']:.2%}")
    out.add_row("false alarms in 10 minutes", f"{figures['false_alarms_per_10min']:.2f}")
    for name, value in figures.items():
        if name.startswith("detection_rate_"):
            kind = name.removeprefix("detection_rate_")
            events = f"{figures[f'events_{kind}']:.0f} events"
            out.add_row(f"noticed: {kind.replace('_', ' ')}", f"{value:.0%} of {events}")
    out.add_row("time to notice, median", f"{figures['time_to_detect_s']:.1f} s")
    if "node_frames" in figures:
        p50, p99 = (figures[f"node_image_to_surprise_ms_{p}"] for p in ("p50", "p99"))
        out.add_section()
        out.add_row("the node, live: frames", f"{figures['node_frames']:.0f}")
        out.add_row("p-values differ from the library's by at most", f"{figures['node_p_value_difference_max']:.1e}")
        out.add_row("events noticed", f"{figures['node_detection_rate']:.0%}")
        out.add_row("from image to surprise, p50 / p99", f"{p50:.0f} / {p99:.0f} ms")
    return out
