"""A bag into a visual memory, as if the robot had remembered while it drove, but without haste: no frame is dropped."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from latentworld.memory import MemoryParameters, VisualMemory
from latentworld.memory.thumbnails import thumbnail
from latentworld.model import checkpoint as checkpoint_file
from latentworld.model.object_finder import ObjectFinder
from latentworld.perception.encoder import PerceptionEncoder
from latentworld.perception.objects import ObjectDetector
from latentworld.robot import Robot
from latentworld.ros.bag_frames import Topics, expect_topics, frames
from latentworld.ros.eyes import Finder
from latentworld.tracking.odometry_correction import CorrectedTracker


def remember(
    path: Path,
    memory: Path,
    topics: Topics,
    checkpoint: Path | None = None,
    parameters: MemoryParameters | None = None,
    robot: Robot | None = None,
) -> Iterator[int | None]:
    """For each frame of the bag, the id of the keyframe that it became, or None. robot: whose first camera took the
    pictures; none: they count as the model's view, cut square about their middle.

    Raises LatentworldError where the bag lacks images or odometry, or the memory is being written.
    """
    expect_topics(path, topics)
    model, parameters = checkpoint_file.load(checkpoint), parameters or MemoryParameters()
    encoder, tracker = PerceptionEncoder(model, robot), CorrectedTracker(model, robot=robot)
    detector = ObjectDetector(checkpoint_file.load(checkpoint_file.shipped("objects-small"), ObjectFinder))
    finder = detector if robot is None else Finder(detector, encoder)
    with VisualMemory(memory, model.model_id, parameters, looks=model.config.descriptor_dim) as kept:
        for frame, attitude in frames(path, topics, tracker):
            latent = encoder.encode(frame, attitude)
            state, _ = tracker.observe(latent)
            picture = thumbnail(frame.rgb, parameters.thumbnail_size)
            latent = latent.first(model.config.kept_dim)
            # The finder without a robot knows the model's own camera alone.
            find = partial(finder.find, frame) if robot is None else partial(finder.find, frame, attitude)
            yield kept.consider(state, latent, picture, objects=find)
