"""``latentworld …``: one subcommand for each thing a person does. What a command does stands in the module it calls.

Everything heavy is imported inside the commands: ``--help`` answers at once, and training needs no ROS.
"""

from __future__ import annotations

import runpy
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from latentworld.evaluation.commands import commands as evaluation_commands
from latentworld.memory.commands import commands as memory_commands
from latentworld.robot_commands import commands as robot_commands
from latentworld.types import Frame, Latent, LatentworldError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from latentworld.description.heard import Heard
    from latentworld.perception.text_encoder import ClipEncoder

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmark"

app = typer.Typer(
    help="A robot that simulates the consequences of its actions, in latent space, before it takes them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(evaluation_commands, name="evaluate")

Json = Annotated[Optional[Path], typer.Option("--json", metavar="F", help="Write the figures to this file.")]
Checkpoint = Annotated[Optional[Path], typer.Option(help="Weights to use instead of the shipped ones.")]
Recipe = Annotated[
    str,
    typer.Option(help="Makes: nav-small drives (nav-tune, nav-own: fine-tune it), physics-small, two-room, push-t."),
]
Workers = Annotated[int, typer.Option(min=1, help="Processes that simulate.")]


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option("--out", "--output", help="Folder for the scorecard, pictures, film and bag.")
    ] = Path("demo_output"),
    composed: Annotated[str, typer.Option(metavar="true|false|both", help="One process, or one a node.")] = "true",
    pose_episodes: Annotated[int, typer.Option(min=0, help="Rooms with a goal pose.")] = 10,
    image_episodes: Annotated[int, typer.Option(min=0, help="Rooms with a goal image.")] = 5,
    seed: Annotated[
        Optional[int], typer.Option(min=0, help="Of the first room.  [default: the first unseen one]")
    ] = None,
    checkpoint: Checkpoint = None,
    json: Json = None,
) -> None:
    """Drive unseen rooms over ROS 2, beside simple controllers; status 0: the world model won."""
    from latentworld.demo.command import run_demo
    from latentworld.evaluation.navigation import FIRST_TEST_SEED

    first = FIRST_TEST_SEED if seed is None else seed
    raise typer.Exit(run_demo(output, composed, pose_episodes, image_episodes, first, checkpoint, json))


@app.command()
def whatif(
    linear: Annotated[float, typer.Option(help="m/s forward.")] = 0.4,
    angular: Annotated[float, typer.Option(help="rad/s to the left.")] = 0.0,
    seconds: Annotated[float, typer.Option(help="For so long.")] = 2.0,
    seed: Annotated[Optional[int], typer.Option(min=0, help="Of the room.  [default: the first unseen one]")] = None,
    blocked: Annotated[
        Optional[bool], typer.Option(help="Whether something stands on the straight line to the goal.")
    ] = None,
    moving: Annotated[int, typer.Option(min=0, max=8, help="Things that move by themselves.")] = 0,
    output: Annotated[Path, typer.Option("--out", "--output", help="PNG to write.")] = Path("whatif.png"),
    checkpoint: Checkpoint = None,
    json: Json = None,
) -> None:
    """What would happen if the robot drove like this? Imagined first, then done in the simulator, shown beside."""
    from latentworld.demo.whatif import run_whatif
    from latentworld.evaluation.navigation import FIRST_TEST_SEED

    seed = FIRST_TEST_SEED if seed is None else seed
    figures = run_whatif(linear, angular, seconds, seed, blocked, moving, checkpoint, output)
    asked = {"linear": linear, "angular": angular, "seconds": seconds, "seed": seed, "moving": moving}
    _report(figures, json, asked)
    typer.echo(output)


@app.command()
def up(
    robot: Annotated[
        str,
        typer.Option(metavar="NAME|FILE", help="Whose body all nodes are for: see `robot list`, or a YAML file."),
    ] = "",
    composed: Annotated[bool, typer.Option("--composed/--separate", help="One process, or one a node.")] = True,
    simulator: Annotated[
        bool, typer.Option("--simulator", help="Also start the embedded simulator as the robot.")
    ] = False,
    params_file: Annotated[
        Optional[list[Path]], typer.Option(help="ROS parameter file; may be given again, the last one wins.")
    ] = None,
    use_sim_time: Annotated[bool, typer.Option("--use-sim-time", help="Take the time from /clock.")] = False,
    namespace: Annotated[str, typer.Option(help="Of all nodes and topics.")] = "",
    remap: Annotated[Optional[list[str]], typer.Option(metavar="FROM:=TO", help="May be given again.")] = None,
) -> None:
    """Start the nodes where `ros2 launch` is not installed; Ctrl-C ends them all."""
    from latentworld.ros.up import up as run

    raise typer.Exit(
        run(
            composed=composed,
            simulator=simulator,
            params_files=params_file or (),
            use_sim_time=use_sim_time or simulator,
            namespace=namespace,
            remaps=_pairs(remap or []),
            robot=robot,
        )
    )


@app.command()
def calibrate(
    robot: Annotated[str, typer.Option(metavar="NAME|FILE", help="Whose surprise it is.")],
    bag: Annotated[Optional[list[Path]], typer.Option(help="MCAP of ordinary driving; may be given again.")] = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="Without --bag: listen so long to the nodes.")] = 5,
    output: Annotated[
        Optional[Path], typer.Option(help="File to write.  [default: where the nodes look for it]")
    ] = None,
    image: Annotated[str, typer.Option(help="Topic in the bag.")] = "/camera/image_raw",
    depth: Annotated[str, typer.Option(help="Topic in the bag; empty: none.")] = "/camera/depth/image_raw",
    odom: Annotated[str, typer.Option(help="Topic in the bag.")] = "/odom",
    cmd_vel: Annotated[str, typer.Option(help="Topic in the bag.")] = "/cmd_vel",
    checkpoint: Checkpoint = None,
) -> None:
    """Learn what is ordinary for a robot: drive it about by hand for five minutes, in every room it will work in.

    Before that its surprise is not known to mean anything, and nothing acts upon it.
    """
    from latentworld.ros.bag_frames import Topics
    from latentworld.ros.calibrate import calibrate as run

    typer.echo(run(robot, bag or [], Topics(image, depth, odom, cmd_vel), 60 * minutes, output, checkpoint))


@app.command()
def collect(
    recipe: Recipe = "nav-small",
    data: Annotated[Path, typer.Option(help="Folder for the two data sets.")] = Path("data"),
    workers: Workers = 2,
    json: Json = None,
) -> None:
    """Make a recipe's data sets in simulation; goes on where it was interrupted."""
    from latentworld.training.train import collect_recipe

    _report(collect_recipe(recipe, data, workers), json, {"recipe": recipe, "workers": workers})


@app.command()
def train(
    recipe: Recipe = "nav-small",
    data: Annotated[Path, typer.Option(help="Folder of the data sets; collected first if missing.")] = Path("data"),
    runs: Annotated[Path, typer.Option(help="Folder for state and log.")] = Path("runs"),
    output: Annotated[
        Optional[Path], typer.Option(help="Checkpoint to write.  [default: RUNS/RECIPE/RECIPE.safetensors]")
    ] = None,
    clips: Annotated[
        Optional[Path], typer.Option(metavar="DIR", help="Learn from possible clips of others: *.npz, key possible.")
    ] = None,
    base: Annotated[
        Optional[str],
        typer.Option(metavar="FILE", help="Begin with these weights, where they fit: fine-tuning. nav-own: or none."),
    ] = None,
    robot: Annotated[
        Optional[str], typer.Option(metavar="NAME|FILE", help="nav-own: whose recordings they are.")
    ] = None,
    recordings: Annotated[
        Optional[list[Path]],
        typer.Option(metavar="DIR|MCAP", help="nav-own: of its own driving; may be given again."),
    ] = None,
    topic: Annotated[
        Optional[list[str]],
        typer.Option(
            metavar="WHAT:=TOPIC", help="In the recordings, of image, depth, odom, cmd_vel or bumper; may be repeated."
        ),
    ] = None,
    json: Json = None,
) -> None:
    """Train a checkpoint from nothing; goes on where it was interrupted.

    nav-own learns from what a robot recorded itself, beginning with the shipped weights.
    """
    from latentworld.training.train import train as run

    own = None
    if robot is not None or recordings:
        from latentworld.ros.bag_drives import convert

        own = partial(convert, robot, recordings or [], _pairs(topic or []))
    path, figures = run(recipe, data, runs, output, clips, base, own)
    _report(figures, json, {"recipe": recipe, "checkpoint": str(path)})
    typer.echo(path)


# Here, and not beside the others: it may play its films over ROS, which evaluation does not know.
@evaluation_commands.command()
def surprise(
    clips: Annotated[int, typer.Option(min=20, help="Possible films, for the calibration table.")] = 2000,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs a property in which physics is broken.")] = 204,
    rooms: Annotated[int, typer.Option(min=1, help="Rooms driven through.")] = 150,
    physics_checkpoint: Annotated[Optional[Path], typer.Option(help="Weights of the model that watches.")] = None,
    checkpoint: Checkpoint = None,
    data: Annotated[Path, typer.Option(help="Folder where films are kept once they are made.")] = Path("data"),
    workers: Workers = 2,
    json: Json = None,
) -> None:
    """Calibration, false alarms and detection: films of the stage, and drives in which obstacles vanish or jump."""
    from latentworld.evaluation.surprise import evaluate
    from latentworld.evaluation.surprise_rooms import RoomSettings
    from latentworld.ros.film_player import FilmPlayer

    @contextmanager
    def node():
        with FilmPlayer(checkpoint) as player:
            yield lambda film: player.play(film.frames, film.odometry, film.commands)

    evaluate(clips, pairs, RoomSettings(rooms), physics_checkpoint, checkpoint, data, workers, json, node)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False},
)
def benchmark(context: typer.Context, name: Annotated[str, typer.Argument(help="A file of benchmark/.")]) -> None:
    """Run a file of benchmark/, its own options after its name."""
    there = {path.stem: path for path in sorted(BENCHMARKS.glob("*.py"))}
    if name not in there:
        raise LatentworldError(
            f"benchmark: expected one of {', '.join(there) or 'none, this is no checkout'}; got {name}"
        )
    sys.argv = [str(there[name]), *context.args]
    sys.path.insert(0, str(BENCHMARKS))  # as for any script: they use each other
    runpy.run_path(sys.argv[0], run_name="__main__")


@app.command()
def info(checkpoint: Checkpoint = None) -> None:
    """Show a checkpoint's card: how it was made, what it scores."""
    from rich.console import Console
    from rich.pretty import Pretty

    from latentworld.model.checkpoint import card

    Console().print(Pretty(card(checkpoint), expand_all=True))


@app.command()
def view_room(
    seed: Annotated[int, typer.Argument(min=0, help="Of the room.")],
    blocked: Annotated[
        Optional[bool], typer.Option(help="Whether something stands on the straight line to the goal.")
    ] = None,
    output: Annotated[Optional[Path], typer.Option(help="PNG to write.  [default: room_SEED.png]")] = None,
    size: Annotated[int, typer.Option(min=16, max=4096, help="Pixels a side.")] = 768,
) -> None:
    """Draw a simulated room from above."""
    import cv2

    from latentworld.sim import World

    output = output or Path(f"room_{seed}.png")
    picture = World(seed, blocked).top_view(size)
    if not cv2.imwrite(str(output), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
        raise LatentworldError(f"view-room: cannot write {output}")
    typer.echo(output)


def _encoded(frame: Frame, checkpoint: Path | None) -> Latent:
    from latentworld.model.checkpoint import load
    from latentworld.perception.encoder import PerceptionEncoder

    model = load(checkpoint)
    return PerceptionEncoder(model).encode(frame).first(model.config.kept_dim)


def _remembered(bag: Path, memory: Path, *topics_and_checkpoint: Any) -> Iterator[Optional[int]]:
    from latentworld.ros.bag_frames import Topics
    from latentworld.ros.bag_memory import remember

    *topics, checkpoint = topics_and_checkpoint
    return remember(bag, memory, Topics(*topics), checkpoint)


def _text_model(folder: Path) -> ClipEncoder:
    from latentworld.perception.text_encoder import ClipEncoder

    return ClipEncoder.load(folder)


app.add_typer(memory_commands(_encoded, _remembered, _text_model), name="memory")


def _heard(seconds: float) -> tuple[Heard, str]:
    from latentworld.ros.describe import listen, where

    return listen(seconds), where()


app.add_typer(robot_commands(_heard), name="robot")


def _pairs(remaps: list[str]) -> dict[str, str]:
    for remap in remaps:
        if remap.count(":=") != 1:
            raise LatentworldError(f"remap: expected FROM:=TO, got {remap}")
    return dict(remap.split(":=") for remap in remaps)


def _report(figures: Mapping[str, float], json: Path | None, settings: Mapping[str, object]) -> None:
    """Print the figures, one a line, and write them where ``--json`` says."""
    for name, value in figures.items():
        typer.echo(f"{name:32} {value:.6g}")
    if json:
        from latentworld.evaluation.figures import write_figures

        write_figures(json, dict(figures), dict(settings))


def main() -> None:
    try:
        app(prog_name="latentworld")
    except LatentworldError as error:
        typer.secho(f"latentworld: {error}", fg="red", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
