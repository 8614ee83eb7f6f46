"""The demo on one page: moments of one drive with what was imagined in them, and all rooms from above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from latentworld.demo.pictures import choice, colours
from latentworld.demo.pictures.colours import share
from latentworld.demo.pictures.scene import Believe, Curves, Scene
from latentworld.demo.recording import Recorded
from latentworld.evaluation.episodes import EpisodeResult
from latentworld.sim.world import World
from latentworld.types import GoalKind

WIDTH, HEIGHT, DPI = 16.0, 10.7, 150  # inches
COLUMN, GAP = 2.42, 0.1  # of the moments
LEFT, TOP = 0.62, 1.28
SMALL = 1.5  # of the rooms on the right
ROWS = (
    "camera view, drawn large for people\n(inset: the robot's own 64×64 input)",
    "where it believes there is room",
    "the room, not shown to the robot",
)


@dataclass(frozen=True, slots=True)
class Told:
    """A drive as it is told: what was recorded, how it is scored, and the ways others took: name -> (N, 2) in odom."""

    recorded: Recorded
    result: EpisodeResult
    beside: dict[str, np.ndarray]


def draw(path: str | Path, told: Sequence[Told], believe: Believe | None, world: World, headline: str) -> None:
    """Writes a PNG."""
    ok = {t.recorded.drive.index: t.result.success for t in told}
    hero = choice.for_strip([t.recorded for t in told], ok)
    with matplotlib.rc_context({"font.family": "DejaVu Sans", "text.color": share(colours.TEXT)}):
        figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, facecolor=share(colours.BACKGROUND))
        _words(figure, headline)
        scene = Scene(hero, world, believe)
        moments = choice.moments(scene)
        _moments(figure, scene, moments)
        _curves(figure, scene, moments)
        _rooms(figure, told, world, hero)
        figure.savefig(path)


def _axes(figure: Figure, left: float, top: float, width: float, height: float):
    """Axes placed in inches from the upper left corner."""
    return figure.add_axes((left / WIDTH, 1 - (top + height) / HEIGHT, width / WIDTH, height / HEIGHT))


def _say(figure: Figure, x: float, y: float, text: str, size: float, colour=colours.TEXT, **style) -> None:
    figure.text(x / WIDTH, 1 - y / HEIGHT, text, fontsize=size, color=share(colour), **style)


def _picture(
    figure: Figure, picture: np.ndarray, left: float, top: float, side: float, edge=colours.LINE, width: float = 0.8
):
    axes = _axes(figure, left, top, side, side)
    axes.imshow(picture, interpolation="lanczos" if picture.shape[0] > 64 else "nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(share(edge))
        spine.set_linewidth(width)
    return axes


def _words(figure: Figure, headline: str) -> None:
    _say(figure, LEFT, 0.42, "A robot that imagines before it moves", 21, fontweight="bold")
    _say(figure, LEFT, 0.6, headline, 10.5, colours.FAINT, va="top", linespacing=1.4)


def _moments(figure: Figure, scene: Scene, moments: list[int]) -> None:
    for column, k in enumerate(moments):
        left = LEFT + column * (COLUMN + GAP)
        panels = scene.panels(k)
        _say(figure, left, TOP - 0.07, f"{'ABCDEFGH'[column]}", 11, fontweight="bold")
        plan = scene.plan(k)
        imagined = f" · {plan.samples} futures imagined" if plan is not None and plan.samples else ""
        _say(figure, left + 0.2, TOP - 0.07, f"{scene.time(k):.1f} s{imagined}", 8.5, colours.FAINT)
        for row, picture in enumerate(panels):
            _picture(figure, picture, left, TOP + row * (COLUMN + GAP), COLUMN)
        inset = 0.62
        for i, small in enumerate(scene.input(k)):
            _picture(figure, small, left + 0.06 + i * (inset + 0.05), TOP + 0.06, inset, colours.TEXT, 0.6)
    for row, name in enumerate(ROWS):
        middle = TOP + row * (COLUMN + GAP) + COLUMN / 2
        _say(figure, LEFT - 0.12, middle, name, 8.5, colours.FAINT, rotation=90, ha="right", va="center", ma="center")


def _curves(figure: Figure, scene: Scene, moments: list[int]) -> None:
    top = TOP + 3 * (COLUMN + GAP) + 0.12
    width, height = 4 * COLUMN + 3 * GAP, 0.56
    curves: Curves = scene.curves()
    end = scene.time(len(scene.frames) - 1)
    risk, surprise = _axes(figure, LEFT, top, width, height), _axes(figure, LEFT, top + height + 0.1, width, height)
    if len(curves.risk_at):
        risk.fill_between(curves.risk_at, curves.least, curves.most, color=share(colours.LINE), lw=0)
        points = np.stack([curves.risk_at, curves.risk], 1)
        tints = colours.risk_colours(curves.risk) / 255
        for i in range(len(points) - 1):
            risk.plot(points[i : i + 2, 0], points[i : i + 2, 1], color=tints[i], lw=2, solid_capstyle="round")
    risk.set_ylim(-0.04, 1.04)
    risk.set_yticks([0, 0.5, 1])
    surprise.plot(curves.surprise_at, curves.surprise, color=share(colours.SURPRISE), lw=1.6)
    if curves.violation.any():
        at = curves.violation
        surprise.plot(curves.surprise_at[at], curves.surprise[at], "o", ms=4, color=share(colours.BAD))
    if len(curves.surprise):
        low, high = min(-2.5, curves.surprise.min() - 0.5), max(4.0, curves.surprise.max() * 1.1)
        surprise.set_ylim(low, high)
    for axes, name in ((risk, "risk"), (surprise, "surprise (σ)")):
        axes.set_xlim(0, max(end, 0.1))
        axes.set_facecolor(share(colours.PANEL))
        axes.set_ylabel(name, fontsize=8.5, color=share(colours.FAINT))
        axes.tick_params(colors=share(colours.FAINT), labelsize=7.5, length=2)
        for spine in axes.spines.values():
            spine.set_color(share(colours.LINE))
        for letter, k in zip("ABCDEFGH", moments, strict=False):
            axes.axvline(scene.time(k), color=share(colours.TEXT), lw=0.9, ls=(0, (4, 3)))
            if axes is risk:
                axes.text(
                    scene.time(k), 1.0, f" {letter}", fontsize=9, fontweight="bold", va="top", color=share(colours.TEXT)
                )
    risk.set_xticklabels([])
    surprise.set_xlabel("seconds since the goal was given", fontsize=8.5, color=share(colours.FAINT))
    _say(
        figure, LEFT + width, top - 0.035,
        "risk of contact or drop: of the plan chosen (line), of all futures imagined (band)",
        7.5, colours.FAINT, ha="right",
    )  # fmt: skip


def _rooms(figure: Figure, told: Sequence[Told], world: World, hero: Recorded) -> None:
    left, columns = LEFT + 4 * (COLUMN + GAP) + 0.28, 3
    _say(figure, left, TOP - 0.07, f"All {len(told)} rooms", 11, fontweight="bold")
    _say(figure, left + 1.3, TOP - 0.07, "never seen in training · in a corner: the goal image", 8.5, colours.FAINT)
    rows = -(-len(told) // columns)
    side = min(SMALL, (HEIGHT - TOP - 1.3) / max(rows, 1) - 0.12)
    for i, one in enumerate(told):
        x, y = left + (i % columns) * (side + 0.1), TOP + (i // columns) * (side + 0.12)
        scene = Scene(one.recorded, world, None)
        ways = {_tint(name): way for name, way in one.beside.items()}
        result = one.result
        edge = colours.GOOD if result.clean else colours.GOAL if result.success else colours.BAD
        picture = scene.overview(ways)
        if one.recorded.drive.kind == GoalKind.IMAGE:
            third = picture.shape[0] * 3 // 10
            small = np.kron(scene.goal_image, np.ones((max(third // 64, 1),) * 2 + (1,), np.uint8))
            picture[: len(small), : len(small)] = small
        _picture(figure, picture, x, y, side, edge, 3.0 if one.recorded is hero else 1.6)
    _legend(figure, left, HEIGHT - 1.05, told)


def _tint(name: str) -> tuple[int, int, int]:
    return {"blind": (255, 123, 114), "reactive": (240, 180, 120)}.get(name, colours.FAINT)


def _legend(figure: Figure, left: float, top: float, told: Sequence[Told]) -> None:
    width = WIDTH - left - 0.15
    bar = _axes(figure, left, top, 1.9, 0.13)
    bar.imshow(colours.risk_colours(np.linspace(0, 1, 128))[None] / 255, aspect="auto", extent=(0, 1, 0, 1))
    bar.set_yticks([])
    bar.set_xticks([0, 0.5, 1])
    bar.tick_params(colors=share(colours.FAINT), labelsize=7, length=2)
    bar.set_title("imagined risk", fontsize=8, color=share(colours.FAINT), pad=3)
    room = _axes(figure, left + 2.35, top, 1.9, 0.13)
    metres = np.linspace(-0.3, 0.5, 160)
    room.imshow(colours.room_colours(metres)[None], aspect="auto", extent=(-0.3, 0.5, 0, 1))
    room.set_yticks([])
    room.set_xticks([-0.2, 0, 0.2, 0.4])
    room.tick_params(colors=share(colours.FAINT), labelsize=7, length=2)
    room.set_title("believed room around the base (m)", fontsize=8, color=share(colours.FAINT), pad=3)
    marks = [
        Line2D([], [], color=share(colours.DRIVEN), lw=2.5, label="driven"),
        Line2D([], [], color=share(colours.GOAL), marker="o", mfc="none", ms=8, lw=0, label="goal"),
    ]
    for name in sorted({name for one in told for name in one.beside}):
        marks.append(Line2D([], [], color=share(_tint(name)), lw=1.5, label=f"{name} controller"))
    for colour, label in ((colours.GOOD, "no contact"), (colours.GOAL, "contact"), (colours.BAD, "failed")):
        marks.append(Line2D([], [], color=share(colour), marker="s", mfc="none", ms=8, lw=0, label=label))
    axes = _axes(figure, left, top + 0.3, width, 0.6)
    axes.axis("off")
    legend = axes.legend(
        handles=marks, ncol=4, loc="upper left", frameon=False, fontsize=7.8, borderaxespad=0, columnspacing=1.2
    )
    for text in legend.get_texts():
        text.set_color(share(colours.FAINT))
