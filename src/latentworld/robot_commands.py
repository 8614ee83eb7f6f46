"""``latentworld robot …``: descriptions of robots, shown, listed, and made from what a robot says of itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:  # NumPy and OpenCV take a while to load, and --help needs none
    from latentworld.description.heard import Heard
    from latentworld.robot import Camera, Robot

Hear = Callable[[float], "tuple[Heard, str]"]  # seconds -> what was heard, and where, for people


def commands(hear: Hear) -> typer.Typer:
    """The subcommands. ``hear`` listens on the ROS graph: ROS is no part of a description."""
    app = typer.Typer(help="Descriptions of robots: what the model has to know about a body.", no_args_is_help=True)

    @app.command()
    def describe(
        output: Annotated[Path, typer.Option("--output", "--out", metavar="YAML", help="File to write.")],
        seconds: Annotated[float, typer.Option(min=0.1, max=600.0, help="For so long it listens.")] = 10.0,
    ) -> None:
        """Listen to a running robot and write its description; status 1: nothing was heard."""
        from latentworld.description.assembly import describe as made_from
        from latentworld.robot_file import problems, save

        typer.echo(f"listening for {seconds:g} s", err=True)
        heard, where = hear(seconds)
        if heard.nothing:
            typer.secho(
                f"latentworld: robot describe: expected topics of a robot within {seconds:g} s, heard none ({where})",
                fg="red",
                err=True,
            )
            raise typer.Exit(1)
        made = made_from(heard)
        save(made.robot, output)
        _part("Found", made.found)
        _part("Missing or assumed", [*made.missing, *(f"assumed: {line}" for line in made.robot.assumed)])
        _fit(made.robot, [f"{output}: {line}" for line in problems(made.robot)])
        typer.echo(output)

    @app.command()
    def show(
        robot: Annotated[str, typer.Argument(metavar="NAME|FILE", help="One that ships (see list), or a YAML file.")],
    ) -> None:
        """What a description says, and how well the robot fits the model."""
        from latentworld.robot_file import load

        described = load(robot)
        _part(described.name, summary(described))
        if described.assumed:
            _part("Assumed", described.assumed)
        _fit(described)

    @app.command("list")
    def names() -> None:
        """The descriptions that ship."""
        from latentworld.robot_file import load, shipped

        for name in shipped():
            robot = load(name)
            typer.echo(f"{name:20} {robot.name}, {robot.base.kind.value}, {robot.base.max_linear:g} m/s")

    return app


def summary(robot: Robot) -> list[str]:
    """A robot in a few lines, for people."""
    base = robot.base
    low, high = base.polygon.min(0), base.polygon.max(0)
    size = f"radius {base.radius:g} m" if base.radius is not None else "{:.2f} x {:.2f} m".format(*(high - low))
    speeds = f"{base.max_linear:g} m/s forward, {base.max_reverse:g} back, {base.max_angular:g} rad/s"
    lines = [f"{base.kind.value}, {size}, {base.height:g} m high, {base.mass:g} kg"]
    if base.max_lateral:
        speeds += f", {base.max_lateral:g} m/s sideways"
    if base.turning_radius:
        speeds += f", circles of {base.turning_radius:g} m and wider"
    lines.append(f"{speeds}; {base.acceleration:g} m/s^2, {base.latency:g} s until it moves")
    lines += [_camera_line(camera) for camera in robot.cameras]
    for lidar in robot.lidars:
        across = math.degrees(abs(lidar.last - lidar.first))
        lines.append(
            f"lidar {lidar.name}: {lidar.beams} beams across {across:.0f} degrees, {lidar.least:g} to {lidar.most:g} "
            f"m, {lidar.rate:g} Hz, {lidar.mount.z:.2f} m above the floor"
        )
    return [*lines, "bumper"] if robot.bumper else lines


def _camera_line(camera: Camera) -> str:
    lens, mount, depth = camera.intrinsics, camera.mount, camera.depth
    across, down = (f"{math.degrees(angle):.0f}" for angle in lens.field_of_view)
    line = (
        f"camera {camera.name}: {lens.width} x {lens.height}, {across} x {down} degrees, {camera.rate:g} Hz, "
        f"{camera.latency:g} s late, {mount.z:.2f} m above the floor, {round(math.degrees(mount.pitch))} degrees down"
    )
    return line + (f", depth from {depth.least:g} to {depth.most:g} m" if depth is not None else ", no depth")


def _fit(robot: Robot, impossible: Iterable[str] = ()) -> None:
    from latentworld.robot_fit import refusals, warnings

    refused = list(impossible)
    refused += [] if refused else refusals(robot)
    if refused:
        _part("Will not work", refused)
    badly = [] if refused else warnings(robot)
    if badly:
        _part("Will work badly", badly)
    if not refused and not badly:
        _part("Will not work", ["nothing: this robot fits the model"])


def _part(title: str, lines: Iterable[str]) -> None:
    typer.secho(title, bold=True)
    for line in lines or ["nothing"]:
        typer.echo(f"  {line}")
