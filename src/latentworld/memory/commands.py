"""``latentworld memory …``: ask a memory, or look at it, from a shell; also while a robot writes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from latentworld.memory.parameters import DEFAULT_PATH
from latentworld.types import NANOSECONDS, Frame, Latent, LatentworldError, stamp_of

if TYPE_CHECKING:  # numpy and SQLite take a while to load, and --help needs none
    from latentworld.memory import VisualMemory
    from latentworld.memory.text_search import TextEncoder

Remember = Callable[..., Iterator[Optional[int]]]  # bag, memory, image, depth, odom, cmd_vel, checkpoint
TextModel = Callable[[Path], "TextEncoder"]  # folder
Encode = Callable[[Frame, Optional[Path]], Latent]  # frame, checkpoint (None: the shipped one)

Memory = Annotated[Path, typer.Option("--path", help="The file the memory lives in.")]
File = Annotated[Path, typer.Argument(help="The file the memory lives in.")]
Near = Annotated[Optional[tuple[float, float]], typer.Option(metavar="X Y", help="Metres.")]
Radius = Annotated[float, typer.Option(help="Metres around --near.")]
Laying = Annotated[Optional[int], typer.Option("--frame", help="Laying of odom that X Y are in.  [default: newest]")]
After = Annotated[Optional[str], typer.Option(help="2026-11-03T14:30, or seconds of the robot's clock.")]
Before = Annotated[Optional[str], typer.Option(help="As --after.")]
Checkpoint = Annotated[Optional[Path], typer.Option(help="Weights, if not the shipped ones.")]


def commands(encode: Encode, remember: Remember, text_model: TextModel) -> typer.Typer:
    """The subcommands. ``encode`` makes a latent of a picture, ``remember`` keyframes of a bag, ``text_model`` loads
    what puts pictures and words in one space: neither perception nor ROS is part of the memory.
    """
    app = typer.Typer(help="Ask what a robot saw, where and when.", no_args_is_help=True)

    @app.command()
    def ask(
        path: Memory = Path(DEFAULT_PATH),
        near: Near = None,
        radius: Radius = math.inf,
        frame: Laying = None,
        after: After = None,
        before: Before = None,
        surprise: Annotated[Optional[float], typer.Option(help="Only what surprised: p-value at most.")] = None,
        thing: Annotated[Optional[int], typer.Option("--object", help="That show this thing; see objects.")] = None,
        text: Annotated[Optional[str], typer.Option(help="That these words describe: takes --text-model.")] = None,
        clip: Annotated[
            Optional[Path], typer.Option("--text-model", help="Folder of CLIP or its kin: model.safetensors and so on.")
        ] = None,
        qdrant: Annotated[Optional[str], typer.Option(help="Ask the fleet's Qdrant; see sync.")] = None,
        place_in: Annotated[Optional[str], typer.Option(help="Of a fleet: frame that X Y are in, such as map.")] = None,
        image: Annotated[Optional[Path], typer.Option(help="Nearest to what this picture shows.")] = None,
        depth: Annotated[Optional[Path], typer.Option(help="Of the picture: 16-bit PNG, millimetres.")] = None,
        checkpoint: Checkpoint = None,
        limit: Annotated[int, typer.Option(help="Keyframes to show.")] = 10,
        sheet: Annotated[Path, typer.Option(help="PNG of thumbnails to write.")] = Path("contact_sheet.png"),
        json: Annotated[
            Optional[Path], typer.Option("--json", metavar="F", help="File to write the answer to.")
        ] = None,
    ) -> None:
        """Nearest to a picture, a place or a time, in any combination."""
        from rich.console import Console

        from latentworld.memory import MemoryQuery, VisualMemory
        from latentworld.memory.report import answer_json, answer_table
        from latentworld.memory.thumbnails import contact_sheet, write_png

        latent = encode(read_frame(image, depth), checkpoint) if image else None
        after, before = (None if text is None else parse_time(text) for text in (after, before))
        query = MemoryQuery(
            latent, near, radius, frame, after, before, surprise, thing, text, limit, thumbnails=True
        )  # fmt: skip
        if text is not None and clip is None:
            raise LatentworldError("text: expected --text-model, a folder of CLIP or its kin, got none")
        with VisualMemory(path, text=None if clip is None else text_model(clip)) as memory:
            if text is not None and qdrant is None:
                read_pictures(memory)
            if qdrant is None:
                answer = memory.query(query)
            else:
                from latentworld.memory.fleet import FleetMemory, client_of

                answer = FleetMemory(client_of(qdrant), memory.model_id).query(query, frame=place_in)
        Console().print(answer_table(answer))
        if answer.keyframes:
            write_png(sheet, contact_sheet(answer.keyframes))
            typer.echo(sheet)
        if json:
            json.write_text(answer_json(answer))

    @app.command()
    def objects(
        path: Memory = Path(DEFAULT_PATH),
        near: Near = None,
        radius: Radius = math.inf,
        frame: Laying = None,
        after: After = None,
        before: Before = None,
        since: Annotated[Optional[str], typer.Option(help="What has changed since then; as --after.")] = None,
        sheet: Annotated[Path, typer.Option(help="PNG of thumbnails to write.")] = Path("objects.png"),
    ) -> None:
        """Things: where each was seen last, and where before; with --since, which turned up, went, or moved."""
        from rich.console import Console

        from latentworld.memory import VisualMemory
        from latentworld.memory.report import changes_table, objects_table
        from latentworld.memory.thumbnails import contact_sheet, write_png

        after, before, since = (None if text is None else parse_time(text) for text in (after, before, since))
        with VisualMemory(path) as memory:
            things = memory.objects(near, radius, after, before, frame=frame)
            table = objects_table(things)
            if since is not None:
                found = memory.changes(since, near, radius, frame)
                things, table = (*found.appeared, *found.gone, *found.moved), changes_table(found)
            Console().print(table)
            pictures = [memory.get(max(thing.history, key=lambda stay: stay.last).keyframe) for thing in things]
            if shown := [keyframe for keyframe in pictures if keyframe is not None]:
                write_png(sheet, contact_sheet(shown))
                typer.echo(sheet)

    @app.command()
    def forget(
        path: Memory = Path(DEFAULT_PATH),
        near: Near = None,
        radius: Radius = math.inf,
        frame: Laying = None,
        after: After = None,
        before: Before = None,
        image: Annotated[Optional[Path], typer.Option(help="What looks like this picture.")] = None,
        within: Annotated[Optional[float], typer.Option(help="Latent distance to it that counts as the same.")] = None,
        thing: Annotated[Optional[int], typer.Option("--object", help="This thing, with all that may show it.")] = None,
        checkpoint: Checkpoint = None,
    ) -> None:
        """Take keyframes out of every file of the memory, for good: by place, time, looks, or all of them."""
        from latentworld.memory import MemoryQuery, VisualMemory

        latent = encode(read_frame(image, None), checkpoint) if image else None
        after, before = (None if text is None else parse_time(text) for text in (after, before))
        with VisualMemory(path) as memory:
            model_id, newest = memory.model_id, memory.store.newest_frame
        query = MemoryQuery(latent, near, radius, newest if frame is None else frame, after, before, object=thing)
        with VisualMemory(path, model_id) as memory:
            typer.echo(f"{memory.forget(query, within)} keyframes forgotten, {len(memory)} left")

    @app.command()
    def sync(
        qdrant: Annotated[str, typer.Argument(help="Where the fleet's Qdrant is: http://host:6333, or a folder.")],
        robot: Annotated[str, typer.Option(help="Whose memory this is.")],
        path: Memory = Path(DEFAULT_PATH),
        young: Annotated[bool, typer.Option(help="Also what is not sealed yet.")] = False,
    ) -> None:
        """Send what a memory has sealed to the fleet's, and take back what it has forgotten or moved."""
        from latentworld.memory import VisualMemory
        from latentworld.memory.fleet import FleetMemory, client_of

        with VisualMemory(path) as memory:
            fleet = FleetMemory(client_of(qdrant), memory.model_id)
            sent = fleet.sync(memory, robot, young)
        held = ", ".join(f"{name} {count:,}" for name, count in sorted(fleet.robots().items()))
        typer.echo(f"{sent:,} keyframes sent; {qdrant} holds {held or 'none'}")

    @app.command()
    def check(path: File = Path(DEFAULT_PATH)) -> None:
        """Hold every row of every file against its second copy, and put back what is damaged; nobody may be writing."""
        from latentworld.memory.store import KeyframeStore

        if not path.expanduser().is_file():
            raise LatentworldError(f"memory {path}: expected a file, got none")
        store = KeyframeStore(path, thorough=True)
        store.close()
        typer.echo(store.repaired or f"memory {path}: sound")

    @app.command("import")
    def import_bag(
        bag: Annotated[Path, typer.Argument(help="MCAP file, as ros2 bag and ./latentworld demo write them.")],
        path: Memory = Path(DEFAULT_PATH),
        image: Annotated[str, typer.Option(help="Topic of colour.")] = "/camera/image_raw",
        depth: Annotated[str, typer.Option(help="Topic of depth, if the bag has it.")] = "/camera/depth/image_raw",
        odom: Annotated[str, typer.Option(help="Topic of odometry.")] = "/odom",
        cmd_vel: Annotated[str, typer.Option(help="Topic of commands, if the bag has it.")] = "/cmd_vel",
        checkpoint: Checkpoint = None,
    ) -> None:
        """Remember what a bag holds, as if the robot had done so while it drove."""
        from rich.progress import track

        frames = remember(bag, path, image, depth, odom, cmd_vel, checkpoint)
        ids = list(track(frames, "frames", total=None))
        typer.echo(f"{len(ids)} frames, {sum(id is not None for id in ids)} kept in {path}")

    @app.command()
    def info(path: File = Path(DEFAULT_PATH)) -> None:
        """What a memory holds, and whether its file is sound."""
        from rich.console import Console

        from latentworld.memory.report import summary_table

        Console().print(summary_table(path))

    return app


def read_pictures(memory: VisualMemory) -> None:
    """Those that the text encoder has not seen, once; with a bar."""
    from rich.progress import Progress

    with Progress(transient=True) as progress:
        bar = progress.add_task("reading pictures", total=None)
        memory.read_pictures(tell=lambda done, total: progress.update(bar, completed=done, total=total))


def parse_time(text: str) -> int:
    """A stamp (ns) from seconds of the robot's clock, or from a date and time, local where it names no zone."""
    try:
        return stamp_of(float(text))
    except (ValueError, OverflowError):
        pass
    try:
        return round(datetime.fromisoformat(text).timestamp() * NANOSECONDS)
    except ValueError:
        raise LatentworldError(f"time: expected 2026-11-03T14:30 or seconds, got {text}") from None


def read_frame(image: Path, depth: Path | None) -> Frame:
    """A picture file, with depth where there is one, as a frame without a stamp."""
    import cv2
    import numpy as np

    bgr = cv2.imread(str(image), cv2.IMREAD_COLOR)
    if bgr is None:
        raise LatentworldError(f"image {image}: expected a picture file, got none that can be read")
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    if depth is None:
        return Frame(0, rgb)
    millimetres = cv2.imread(str(depth), cv2.IMREAD_UNCHANGED)
    if millimetres is None or millimetres.dtype != np.uint16 or millimetres.shape != rgb.shape[:2]:
        raise LatentworldError(f"depth {depth}: expected a 16-bit grey picture as large as {image}, got another")
    return Frame(0, rgb, millimetres.astype(np.float32) / 1000)
