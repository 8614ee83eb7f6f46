"""Risk and surprise at the foot of the film."""

from __future__ import annotations

import cv2
import numpy as np

from latentworld.demo.pictures import colours
from latentworld.demo.pictures.lettering import write
from latentworld.demo.pictures.scene import Scene

TOP, LEFT, WIDTH, HEIGHT = 524, 470, 794, 76  # pixels; HEIGHT: of each of the two


class CurveStrip:
    """Risk and surprise over the time of one drive, growing as it goes on."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._curves = scene, scene.curves()
        self._end = max(scene.time(len(scene.frames) - 1), 0.1)
        surprise = self._curves.surprise
        self._low = min(-2.5, float(surprise.min()) - 0.5) if len(surprise) else -2.5
        self._high = max(4.0, 1.1 * float(surprise.max())) if len(surprise) else 4.0
        self._tops = (TOP, TOP + HEIGHT + 24)

    def draw_axes(self, picture: np.ndarray) -> None:
        low, high = f"{self._low:.0f}", f"{self._high:.0f}"
        names = (
            "risk: of the plan chosen (line), of all futures imagined (band)",
            "surprise: standard deviations of the error of what it foresaw",
        )
        for top, name, ends in zip(self._tops, names, (("1", "0"), (high, low)), strict=True):
            picture[top : top + HEIGHT, LEFT : LEFT + WIDTH] = colours.PANEL
            write(picture, name, LEFT, top - 18, colours.FAINT, 12)
            for y, text in ((top - 2, ends[0]), (top + HEIGHT - 14, ends[1])):
                write(picture, text, LEFT - 6, y, colours.FAINT, 12, anchor=1.0)
        write(picture, "0 s", LEFT, self._tops[1] + HEIGHT + 3, colours.FAINT, 12)
        write(
            picture,
            f"{self._end:.1f} s",
            LEFT + WIDTH,
            self._tops[1] + HEIGHT + 3,
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
        x = LEFT + round(WIDTH * now / self._end)
        for top in self._tops:
            cv2.line(picture, (x, top), (x, top + HEIGHT - 1), colours.TEXT, 1)

    def _points(self, at: np.ndarray, values: np.ndarray, strip: int) -> np.ndarray:
        low, high = ((0.0, 1.0), (self._low, self._high))[strip]
        share = np.clip((values - low) / (high - low), 0, 1)
        x = LEFT + WIDTH * at / self._end
        y = self._tops[strip] + 3 + (1 - share) * (HEIGHT - 6)
        return np.round(np.stack([x, y], 1)).astype(np.int32)
