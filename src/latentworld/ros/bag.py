"""Bags as ``ros2 bag`` and Foxglove know them, one MCAP file each: written from serialised messages, read as messages.

What belongs to the run and was said on no topic goes along as metadata records: flat text under a name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mcap.exceptions import McapError
from mcap.reader import make_reader
from mcap.well_known import MessageEncoding, Profile, SchemaEncoding
from mcap.writer import CompressionType, Writer
from rclpy.serialization import deserialize_message

from latentworld.ros.message_types import definition, message_type
from latentworld.types import LatentworldError


class Heard(NamedTuple):
    """A message of a bag. sent, received: ns since 1970 by this machine's clock."""

    topic: str
    message: Any
    sent: int
    received: int


class BagWriter:
    """Close it, or use it as a context manager: a bag that was not closed has no index."""

    def __init__(self, path: str | Path) -> None:
        self._file = open(path, "wb")
        self._writer = Writer(self._file, compression=CompressionType.ZSTD)
        self._writer.start(profile=Profile.ROS2, library="latentworld")
        self._schemas: dict[str, int] = {}
        self._channels: dict[str, tuple[int, int]] = {}  # topic -> channel, messages so far

    def add_topic(self, topic: str, type_name: str) -> None:
        if type_name not in self._schemas:
            text = definition(type_name).encode()
            self._schemas[type_name] = self._writer.register_schema(type_name, SchemaEncoding.ROS2, text)
        channel = self._writer.register_channel(
            topic, MessageEncoding.CDR, self._schemas[type_name], metadata={"offered_qos_profiles": ""}
        )
        self._channels[topic] = (channel, 0)

    def write(self, topic: str, data: bytes, sent: int, received: int) -> None:
        """data: the message serialised as CDR, header included."""
        channel, count = self._channels[topic]
        self._channels[topic] = (channel, count + 1)
        self._writer.add_message(channel, received, data, sent, sequence=count)

    def note(self, name: str, values: Mapping[str, str]) -> None:
        self._writer.add_metadata(name, dict(values))

    def close(self) -> None:
        if not self._file.closed:
            self._writer.finish()
            self._file.close()

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read(path: str | Path, wanted: Callable[[str, int], bool] = lambda topic, sent: True) -> Iterator[Heard]:
    """The messages in the order in which they came; what ``wanted`` (topic, sent) refuses is not unpacked."""
    with open(path, "rb") as file:
        types: dict[int, type] = {}
        for schema, channel, record in make_reader(file).iter_messages():
            if not wanted(channel.topic, record.publish_time):
                continue
            if schema.id not in types:
                types[schema.id] = message_type(schema.name)
            message = deserialize_message(record.data, types[schema.id])
            yield Heard(channel.topic, message, record.publish_time, record.log_time)


def counts(path: str | Path) -> dict[str, int]:
    """How many messages there are on each topic. Raises LatentworldError for a file that is no bag of messages."""
    try:
        with open(path, "rb") as file:
            summary = make_reader(file).get_summary()
    except OSError as error:
        raise LatentworldError(f"bag {path}: expected an MCAP file, got: {error}") from error
    except McapError as error:
        raise LatentworldError(f"bag {path}: expected an MCAP file, got: {error or type(error).__name__}") from error
    if summary is None or summary.statistics is None:
        raise LatentworldError(f"bag {path}: expected an MCAP file with an index, got one that was not closed")
    numbers = summary.statistics.channel_message_counts
    return {channel.topic: numbers.get(id, 0) for id, channel in summary.channels.items()}


def notes(path: str | Path, name: str) -> list[dict[str, str]]:
    """The metadata records of this name, in the order in which they were written."""
    with open(path, "rb") as file:
        return [dict(record.metadata) for record in make_reader(file).iter_metadata() if record.name == name]
