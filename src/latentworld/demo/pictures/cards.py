"""The film's first and last picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from latentworld.demo.pictures import colours
from latentworld.demo.pictures.lettering import write

WIDTH, HEIGHT = 1280, 720  # pixels of the film


def canvas() -> np.ndarray:
    """(HEIGHT, WIDTH, 3) uint8, empty."""
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    picture[:] = colours.BACKGROUND
    return picture


def title(headline: str) -> np.ndarray:
    picture = canvas()
    write(picture, "latentworld", WIDTH / 2, 238, colours.TEXT, 64, bold=True, anchor=0.5)
    write(picture, "a robot that imagines before it moves", WIDTH / 2, 330, colours.DRIVEN, 28, anchor=0.5)
    for i, line in enumerate(headline.split("\n")):
        write(picture, line, WIDTH / 2, 420 + 28 * i, colours.FAINT, 17, anchor=0.5)
    return picture


def scores(rows: Sequence[tuple[str, Sequence[str]]], remarks: Sequence[str]) -> np.ndarray:
    picture = canvas()
    write(picture, "Unseen rooms, driven live over ROS 2", WIDTH / 2, 70, colours.TEXT, 34, bold=True, anchor=0.5)
    columns = max((len(cells) for _, cells in rows), default=0)
    left, step = 470, (WIDTH - 470 - 60) / max(columns, 1)
    pitch = min(62, 420 // max(len(rows), 1))
    for row, (name, cells) in enumerate(rows):
        top = 160 + pitch * row
        head, mine = row == 0, row == 1
        if mine:
            cv2.rectangle(picture, (60, top - 10, WIDTH - 120, 50), colours.PANEL, -1)
        colour = colours.FAINT if head else colours.TEXT
        write(picture, name, 84, top, colour, 16 if head else 24, bold=mine)
        for i, cell in enumerate(cells):
            write(picture, cell, left + (i + 0.5) * step, top, colour, 16 if head else 24, bold=mine, anchor=0.5)
    for i, remark in enumerate(remarks):
        write(picture, remark, WIDTH / 2, 184 + pitch * len(rows) + 27 * i, colours.FAINT, 17, anchor=0.5)
    return picture
