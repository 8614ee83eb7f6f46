"""The demo as a film: title, the most interesting drives in real time (long ones faster), final scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np

from latentworld.demo.pictures import cards, choice, colours
from latentworld.demo.pictures.cards import HEIGHT, WIDTH, canvas
from latentworld.demo.pictures.curve_strip import CurveStrip
from latentworld.demo.pictures.filmstrip import Told
from latentworld.demo.pictures.lettering import write
from latentworld.demo.pictures.scene import Believe, Scene
from latentworld.sim.world import World
from latentworld.types import Plan, PlanStatus

RATE = 10  # frames a second
SIDE, MARGIN, GAP = 400, 16, 24
PANELS_TOP, BELOW = 74, 506
SMALL = 128
TITLES = (
    "camera, drawn large · imagined futures",
    "belief · where there is room",
    "from above · not shown to the robot",
)
HOLD, TITLE, SCORES, LONG = 1.0, 2.5, 6.0, 12.0  # seconds


def draw(
    path: str | Path,
    told: Sequence[Told],
    believe: Believe | None,
    world: World,
    headline: str,
    scores: Sequence[tuple[str, Sequence[str]]],
    remarks: Sequence[str],
    advance: Callable[[float], None] = lambda share: None,
) -> None:
    """Writes an MP4 (H.264). scores, remarks: of the last card, its head row first. advance: told the share done."""
    by_index = {t.recorded.drive.index: t for t in told}
    ok = {index: t.result.success for index, t in by_index.items()}
    chosen = [by_index[d.drive.index] for d in choice.for_film([t.recorded for t in told], ok)]
    writer = imageio_ffmpeg.write_frames(
        str(path), (WIDTH, HEIGHT), fps=RATE, codec="libx264", quality=None, ffmpeg_log_level="error",
        output_params=["-preset", "veryfast", "-crf", "21", "-pix_fmt", "yuv420p", "-movflags", "+faststart"],
    )  # fmt: skip
    writer.send(None)
    try:
        for _ in range(round(TITLE * RATE)):
            writer.send(cards.title(headline))
        drawn, expected = 0, sum(_length(one.recorded.duration) for one in chosen)
        for n, one in enumerate(chosen):
            scene = Scene(one.recorded, world, believe)
            for picture in _drive(scene, one, f"{n + 1} of {len(chosen)} shown, {len(told)} driven"):
                writer.send(picture)
                drawn += 1
                advance(min(drawn / expected, 1.0))
        last = cards.scores(scores, remarks)
        for _ in range(round(SCORES * RATE)):
            writer.send(last)
    finally:
        writer.close()


def _pace(frames: int) -> int:
    """Of how many frames one is shown."""
    return max(-(-frames // round(LONG * RATE)), 1)


def _length(duration: float) -> int:
    """About how many pictures a drive of so many seconds becomes."""
    frames = round(duration * RATE)
    return frames // _pace(frames) + round(HOLD * RATE)


def _drive(scene: Scene, one: Told, count: str) -> Iterator[np.ndarray]:
    strip, pace = CurveStrip(scene), _pace(len(scene.frames))
    still = _head(canvas(), scene, count if pace == 1 else f"{pace}× faster · {count}")
    strip.draw_axes(still)
    for k in range(0, len(scene.frames), pace):
        picture = still.copy()
        for i, panel in enumerate(scene.panels(k)):
            left = MARGIN + i * (SIDE + GAP)
            picture[PANELS_TOP : PANELS_TOP + SIDE, left : left + SIDE] = panel
        _inputs(picture, scene, k)
        _numbers(picture, scene, k)
        strip.draw(picture, k)
        yield picture
    _verdict(picture, one)
    for _ in range(round(HOLD * RATE)):
        yield picture


def _head(picture: np.ndarray, scene: Scene, count: str) -> np.ndarray:
    drive = scene.recorded.drive
    end = write(picture, "latentworld", MARGIN, 12, colours.TEXT, 24, bold=True)
    goal = "goal: what this picture shows" if scene.has_image_goal else "goal: a place"
    way = "straight way blocked" if drive.blocked else "straight way free"
    write(picture, f"room {drive.seed} · {way} · {goal}", end + 18, 19, colours.FAINT, 16)
    write(picture, count, WIDTH - MARGIN, 19, colours.FAINT, 14, anchor=1.0)
    for i, title in enumerate(TITLES):
        left = MARGIN + i * (SIDE + GAP)
        write(picture, title, left, PANELS_TOP - 22, colours.FAINT, 13)
        frame = (left - 1, PANELS_TOP - 1, SIDE + 2, SIDE + 2)
        cv2.rectangle(picture, frame, colours.LINE, 1)
    bar = colours.risk_colours(np.linspace(0, 1, 110))[None].repeat(8, 0).astype(np.uint8)
    left = MARGIN + SIDE - 110 - 44
    picture[PANELS_TOP + SIDE + 10 : PANELS_TOP + SIDE + 18, left : left + 110] = bar
    write(picture, "imagined risk  0", left - 6, PANELS_TOP + SIDE + 5, colours.FAINT, 12, anchor=1.0)
    write(picture, "1", left + 116, PANELS_TOP + SIDE + 5, colours.FAINT, 12)
    bar = colours.room_colours(np.linspace(-0.3, 0.5, 110))[None].repeat(8, 0)
    left = MARGIN + SIDE + GAP + SIDE - 110 - 50
    picture[PANELS_TOP + SIDE + 10 : PANELS_TOP + SIDE + 18, left : left + 110] = bar
    write(picture, "room around the base  none", left - 6, PANELS_TOP + SIDE + 5, colours.FAINT, 12, anchor=1.0)
    write(picture, "0.5 m", left + 116, PANELS_TOP + SIDE + 5, colours.FAINT, 12)
    names = ("input 64×64", "depth", "goal image" if scene.has_image_goal else "")
    for i, name in enumerate(names):
        write(picture, name, MARGIN + i * (SMALL + 8), BELOW, colours.FAINT, 12)
    if scene.has_image_goal:
        _tile(picture, scene.goal_image, 2, colours.GOAL)
    return picture


def _tile(picture: np.ndarray, small: np.ndarray, i: int, edge) -> None:
    left, top = MARGIN + i * (SMALL + 8), BELOW + 18
    picture[top : top + SMALL, left : left + SMALL] = cv2.resize(small, (SMALL, SMALL), interpolation=cv2.INTER_NEAREST)
    cv2.rectangle(picture, (left - 1, top - 1, SMALL + 2, SMALL + 2), edge, 1)


def _inputs(picture: np.ndarray, scene: Scene, k: int) -> None:
    for i, small in enumerate(scene.input(k)):
        _tile(picture, small, i, colours.LINE)


def _numbers(picture: np.ndarray, scene: Scene, k: int) -> None:
    plan, truth = scene.plan(k), scene.recorded.truth_at(scene.frames[k].stamp)
    distance = float(np.hypot(*(truth.pose[:2] - scene.recorded.goal[:2])))
    cells = [("s", f"{scene.time(k):.1f}"), ("m to go", f"{distance:.2f}")]
    if plan is not None and plan.samples:
        cells += [("ms to plan", f"{1e3 * plan.used:.0f}"), ("futures", f"{plan.samples}")]
    for i, (unit, value) in enumerate(cells):
        left = MARGIN + i * 104
        write(picture, value, left, BELOW + 18 + SMALL + 10, colours.TEXT, 22, bold=True)
        write(picture, unit, left, BELOW + 18 + SMALL + 38, colours.FAINT, 12)
    state = _state(plan)
    if state:
        write(picture, state, WIDTH - MARGIN, BELOW - 2, colours.FAINT, 13, anchor=1.0)


def _state(plan: Plan | None) -> str:
    if plan is None or plan.status is PlanStatus.OK:
        return ""
    return {PlanStatus.GOAL_REACHED: "says that it is there"}.get(plan.status, f"stands still: {plan.message}")


def _verdict(picture: np.ndarray, one: Told) -> None:
    result = one.result
    if result.success:
        text = f"arrived in {result.seconds:.1f} s · " + ("touched nothing" if result.clean else "with contact")
        colour = colours.GOOD if result.clean else colours.GOAL
    else:
        text = (
            "drove off the ledge"
            if result.dropped
            else one.recorded.drive.message or f"stopped {result.distance:.2f} m from the goal"
        )
        colour = colours.BAD
    left, top, width, height = MARGIN, PANELS_TOP + SIDE - 56, WIDTH - 2 * MARGIN, 56
    band = picture[top : top + height, left : left + width]
    band[:] = (0.15 * band + 0.85 * np.array(colours.BACKGROUND)).astype(np.uint8)
    cv2.rectangle(picture, (left, top, width, height), colour, 2)
    write(picture, text, WIDTH / 2, top + 13, colour, 24, bold=True, anchor=0.5)
