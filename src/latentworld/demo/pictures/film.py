"""The demo as a film: title, the most interesting drives in real time (long ones faster), final scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np

from latentworld.demo.pictures import choice, colours
from latentworld.demo.pictures.filmstrip import Told
from latentworld.demo.pictures.lettering import write
from latentworld.demo.pictures.scene import Believe, Scene
from latentworld.sim.world import World
from latentworld.types import Plan, PlanStatus

WIDTH, HEIGHT, RATE = 1280, 720, 10  # pixels, frames a second
SIDE, MARGIN, GAP = 400, 16, 24
PANELS_TOP, BELOW = 74, 506
SMALL = 128
CURVES_LEFT, CURVES_WIDTH, CURVE_HEIGHT = 470, 794, 76
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
            writer.send(_title(headline))
        for n, one in enumerate(chosen):
            scene = Scene(one.recorded, world, believe)
            for picture in _drive(scene, one, f"{n + 1} of {len(chosen)} shown, {len(told)} driven"):
                writer.send(picture)
            advance((n + 1) / len(chosen))
        last = _score_card(scores, remarks)
        for _ in range(round(SCORES * RATE)):
            writer.send(last)
    finally:
        writer.close()


def _canvas() -> np.ndarray:
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    picture[:] = colours.BACKGROUND
    return picture


def _drive(scene: Scene, one: Told, count: str) -> Iterator[np.ndarray]:
    strip, pace = Strip(scene), max(-(-len(scene.frames) // round(LONG * RATE)), 1)
    canvas = _head(_canvas(), scene, count if pace == 1 else f"{pace}× faster · {count}")
    strip.draw_axes(canvas)
    for k in range(0, len(scene.frames), pace):
        picture = canvas.copy()
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
        write(picture, state, CURVES_LEFT + CURVES_WIDTH, BELOW - 2, colours.FAINT, 13, anchor=1.0)


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


class Strip:
    """Risk and surprise over the time of one drive, growing as it goes on."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._curves = scene, scene.curves()
        self._end = max(scene.time(len(scene.frames) - 1), 0.1)
        surprise = self._curves.surprise
        self._low = min(-2.5, float(surprise.min()) - 0.5) if len(surprise) else -2.5
        self._high = max(4.0, 1.1 * float(surprise.max())) if len(surprise) else 4.0
        self._tops = (BELOW + 18, BELOW + 18 + CURVE_HEIGHT + 24)

    def draw_axes(self, picture: np.ndarray) -> None:
        low, high = f"{self._low:.0f}", f"{self._high:.0f}"
        names = (
            "risk: of the plan chosen (line), of all futures imagined (band)",
            "surprise: standard deviations of the error of what it foresaw",
        )
        for top, name, ends in zip(self._tops, names, (("1", "0"), (high, low)), strict=True):
            picture[top : top + CURVE_HEIGHT, CURVES_LEFT : CURVES_LEFT + CURVES_WIDTH] = colours.PANEL
            write(picture, name, CURVES_LEFT, top - 18, colours.FAINT, 12)
            for y, text in ((top - 2, ends[0]), (top + CURVE_HEIGHT - 14, ends[1])):
                write(picture, text, CURVES_LEFT - 6, y, colours.FAINT, 12, anchor=1.0)
        write(picture, "0 s", CURVES_LEFT, self._tops[1] + CURVE_HEIGHT + 3, colours.FAINT, 12)
        write(
            picture,
            f"{self._end:.1f} s",
            CURVES_LEFT + CURVES_WIDTH,
            self._tops[1] + CURVE_HEIGHT + 3,
            colours.FAINT,
            12,
            anchor=1.0,
        )

    def draw(self, picture: np.ndarray, k: int) -> None:
        now, c = self._scene.time(k), self._curves
        seen = c.risk_at <= now
        if seen.sum() > 1:
            at = c.risk_at[seen]
            band = np.concatenate([self._points(at, c.most[seen], 0), self._points(at, c.least[seen], 0)[::-1]])
            cv2.fillPoly(picture, [band], colours.LINE, cv2.LINE_AA)
            line, tints = self._points(at, c.risk[seen], 0), colours.risk_colours(c.risk[seen])
            for i in range(len(line) - 1):
                cv2.line(picture, line[i].tolist(), line[i + 1].tolist(), tints[i].tolist(), 3, cv2.LINE_AA)
        seen = c.surprise_at <= now
        if seen.sum() > 1:
            line = self._points(c.surprise_at[seen], c.surprise[seen], 1)
            cv2.polylines(picture, [line], False, colours.SURPRISE, 2, cv2.LINE_AA)
            for point in line[c.violation[seen]]:
                cv2.circle(picture, point.tolist(), 4, colours.BAD, -1, cv2.LINE_AA)
        x = CURVES_LEFT + round(CURVES_WIDTH * now / self._end)
        for top in self._tops:
            cv2.line(picture, (x, top), (x, top + CURVE_HEIGHT - 1), colours.TEXT, 1)

    def _points(self, at: np.ndarray, values: np.ndarray, strip: int) -> np.ndarray:
        low, high = ((0.0, 1.0), (self._low, self._high))[strip]
        share = np.clip((values - low) / (high - low), 0, 1)
        x = CURVES_LEFT + CURVES_WIDTH * at / self._end
        y = self._tops[strip] + 3 + (1 - share) * (CURVE_HEIGHT - 6)
        return np.round(np.stack([x, y], 1)).astype(np.int32)


def _title(headline: str) -> np.ndarray:
    picture = _canvas()
    write(picture, "latentworld", WIDTH / 2, 238, colours.TEXT, 64, bold=True, anchor=0.5)
    write(picture, "a robot that imagines before it moves", WIDTH / 2, 330, colours.DRIVEN, 28, anchor=0.5)
    for i, line in enumerate(headline.split("\n")):
        write(picture, line, WIDTH / 2, 420 + 28 * i, colours.FAINT, 17, anchor=0.5)
    return picture


def _score_card(scores: Sequence[tuple[str, Sequence[str]]], remarks: Sequence[str]) -> np.ndarray:
    picture = _canvas()
    write(picture, "Unseen rooms, driven live over ROS 2", WIDTH / 2, 70, colours.TEXT, 34, bold=True, anchor=0.5)
    columns = max((len(cells) for _, cells in scores), default=0)
    left, step = 470, (WIDTH - 470 - 60) / max(columns, 1)
    pitch = min(62, 420 // max(len(scores), 1))
    for row, (name, cells) in enumerate(scores):
        top = 160 + pitch * row
        head, mine = row == 0, row == 1
        if mine:
            cv2.rectangle(picture, (60, top - 10, WIDTH - 120, 50), colours.PANEL, -1)
        colour = colours.FAINT if head else colours.TEXT
        write(picture, name, 84, top, colour, 16 if head else 24, bold=mine)
        for i, cell in enumerate(cells):
            write(picture, cell, left + (i + 0.5) * step, top, colour, 16 if head else 24, bold=mine, anchor=0.5)
    for i, remark in enumerate(remarks):
        write(picture, remark, WIDTH / 2, 184 + pitch * len(scores) + 27 * i, colours.FAINT, 17, anchor=0.5)
    return picture
