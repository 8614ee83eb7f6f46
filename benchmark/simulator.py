"""How fast the embedded world is on one core: physics, frames, whole camera periods, resets, distance queries.

./latentworld benchmark simulator --json simulator.json
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from latentworld.sim import World
from latentworld.sim.room import VALIDATION_SEEDS
from latentworld.sim.scene import TIMESTEP
from latentworld.sim.world import PERIOD

ROOMS = 8


def rate(call: Callable[[], None], seconds: float) -> float:
    """Calls a second."""
    call()
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        call()
        count += 1
    return count / (time.perf_counter() - start)


def measure(seconds: float, image_size: int) -> dict[str, float]:
    """Medians over rooms; ``seconds`` for each figure in all."""
    rng = np.random.default_rng(0)
    begin = time.perf_counter()
    world = World(VALIDATION_SEEDS, image_size=image_size)
    world.frame()
    first = time.perf_counter() - begin
    resets, steps, frames, periods, queries = [], [], [], [], []
    points = rng.uniform(-2, 2, (64, 2))
    share = seconds / ROOMS

    def drive() -> None:
        world.step(rng.uniform(-0.1, 0.5), rng.uniform(-1.5, 1.5))

    def drive_and_look() -> None:
        drive()
        world.frame()

    for seed in range(VALIDATION_SEEDS + 1, VALIDATION_SEEDS + 1 + ROOMS):
        for blocked in (True, False):
            begin = time.perf_counter()
            world.reset(seed, blocked)
            world.frame()
            resets.append(time.perf_counter() - begin)
        steps.append(rate(drive, share) * PERIOD / TIMESTEP)
        frames.append(rate(world.frame, share))
        periods.append(rate(drive_and_look, share))
        queries.append(1e6 / rate(lambda: world.clearance(points), share))
    world.close()
    return {
        "first_frame_s": first,
        "physics_steps_per_s": float(np.median(steps)),
        "frames_per_s": float(np.median(frames)),
        "camera_periods_per_s": float(np.median(periods)),
        "reset_with_frame_ms": 1e3 * float(np.median(resets)),
        "clearance_64_points_us": float(np.median(queries)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="F", help="write the figures to this file")
    parser.add_argument("--seconds", type=float, default=4.0, help="time for each figure")
    parser.add_argument("--image-size", type=int, default=64, help="side of the picture in pixels")
    options = parser.parse_args()
    figures = measure(options.seconds, options.image_size)
    for name, value in figures.items():
        print(f"{name:24} {value:12.2f}")
    if options.json:
        from latentworld.evaluation.figures import write_figures

        settings = {"seconds": options.seconds, "image_size": options.image_size, "rooms": ROOMS}
        write_figures(options.json, figures, settings)


if __name__ == "__main__":
    main()
