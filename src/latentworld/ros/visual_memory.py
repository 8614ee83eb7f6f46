"""latent_observation and world_state -> keyframes on disk, to be asked for, corrected and forgotten."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from latentworld_ros import msg
from latentworld_ros.srv import ForgetMemory, QueryMemory, QueryObjects
from nav_msgs.msg import Odometry, Path
from rclpy.task import Future
from sensor_msgs.msg import Image

from latentworld.memory import (
    MemoryParameters,
    ObjectParameters,
    RememberedObject,
    VisualMemory,
)
from latentworld.memory.neural import NeuralParameters
from latentworld.memory.parameters import DEFAULT_PATH
from latentworld.memory.thumbnails import thumbnail
from latentworld.model import checkpoint
from latentworld.model.object_finder import ObjectFinder
from latentworld.parameters import parameter
from latentworld.perception.head import AttitudeHistory, check
from latentworld.perception.objects import ObjectDetector
from latentworld.perception.text_encoder import ClipEncoder
from latentworld.robot import BaseKind
from latentworld.robot_file import DEFAULT
from latentworld.ros import images, qos, robots
from latentworld.ros.channel import Bus
from latentworld.ros.codecs import LATENT, STATE, attitude_from_message, from_time
from latentworld.ros.diagnostics import ERROR, WARN
from latentworld.ros.eyes import Eyes, Finder
from latentworld.ros.image_input import ImageInput
from latentworld.ros.lenses import Lenses
from latentworld.ros.memory_codecs import keyframe_to_message, object_to_message
from latentworld.ros.memory_requests import MemoryRequests
from latentworld.ros.memory_upkeep import MemoryUpkeep
from latentworld.ros.models import world_model
from latentworld.ros.moments import Moment, Moments
from latentworld.ros.node import ManagedNode, said
from latentworld.ros.process import run
from latentworld.ros.tensors import to_tensor
from latentworld.ros.worker import Worker
from latentworld.types import Frame, Latent, LatentworldError, Objects, stamp_of


@dataclass(frozen=True, slots=True)
class FinderParameters:
    enabled: bool = parameter(True, "keep track of things: takes a camera with depth")
    checkpoint: str = parameter("", "path of a finder's checkpoint; empty: the shipped one")
    depth_tolerance: float = parameter(0.03, "s between the stamps of colour and depth", 0.0, 1.0)
    anchor_every: int = parameter(100, "keyframes after which things say anew where all was seen from", 10, 100_000)


@dataclass(frozen=True, slots=True)
class TextParameters:
    model: str = parameter("", "folder of CLIP or its kin, to be asked in words; empty: words are not understood")
    batch: int = parameter(8, "pictures read for it at once, between other work", 1, 1000)


@dataclass(frozen=True, slots=True)
class VisualMemoryParameters:
    robot: str = parameter(DEFAULT, robots.PARAMETER)
    checkpoint: str = parameter("", "path of a checkpoint; empty: the shipped one")
    path: str = parameter(DEFAULT_PATH, "file the memory lives in; made where there is none")
    timeout: float = parameter(2.0, "s that the encoding of a query's image may take", 0.01, 60.0)
    relocalise: bool = parameter(
        True, "find out by what is seen where odom lies in what was remembered before the start, and lay that into it"
    )
    memory: MemoryParameters = field(default_factory=MemoryParameters)
    neural: NeuralParameters = field(default_factory=NeuralParameters)
    finder: FinderParameters = field(default_factory=FinderParameters)
    objects: ObjectParameters = field(default_factory=ObjectParameters)
    text: TextParameters = field(default_factory=TextParameters)


class VisualMemoryNode(ManagedNode):
    defaults = VisualMemoryParameters()

    def __init__(self, bus: Bus | None = None, worker: Worker | None = None, **options: Any) -> None:
        super().__init__("visual_memory", bus, worker, **options)
        self._memory: VisualMemory | None = None
        self._upkeep: MemoryUpkeep | None = None

    def configure(self) -> None:
        robot = robots.described(self.parameters.robot)
        model = self.worker.call(lambda: world_model(self.parameters.checkpoint), timeout=120.0)
        feeds, _ = robots.seen_by(robot)
        self._feed = feeds[0] if feeds else None  # none: it is remembered without pictures
        self._lenses = Lenses(self, robot, feeds[:1])
        self._eyes = Eyes(model, self._lenses)
        self._memory = VisualMemory(
            self.parameters.path, model.model_id, self.parameters.memory, looks=model.config.descriptor_dim,
            neural=self.parameters.neural, object_parameters=self.parameters.objects,
            text=ClipEncoder.load(self.parameters.text.model) if self.parameters.text.model else None,
        )  # fmt: skip
        measures = self._feed is not None and self._feed.camera.depth is not None
        self._finder = self._load_finder() if self.parameters.finder.enabled and measures else None
        self._requests = MemoryRequests(
            self._memory, self._eyes, self._finder, lambda job: self.worker.call(job, self.parameters.timeout)
        )
        if self._memory.store.repaired:
            self.diagnostics.problem("store", WARN, self._memory.store.repaired)
        if self._feed is not None:
            self._image_topic = self.resolve_topic_name(self._feed.image)
            self._depth_topic = self.resolve_topic_name(self._feed.depth)
        self._upkeep = MemoryUpkeep(
            self._memory, self.diagnostics, self.get_logger().info, self.parameters.relocalise
        )  # fmt: skip

    def activate(self) -> None:
        self._moments = Moments(stamp_of(self.parameters.finder.depth_tolerance))
        self.input(LATENT, "latent_observation", qos.recording(), self._on_latent)
        self.input(STATE, "world_state", qos.recording(), self._on_state)
        self._lenses.listen()
        self._images = [ImageInput(self, self._feed.image, self._on_image)] if self._feed is not None else []
        self._since_anchored = 0
        if self._finder is not None:
            self._images.append(ImageInput(self, self._feed.depth, self._on_depth))
        self._head = AttitudeHistory() if self._lenses.robot.base.kind == BaseKind.HEAD else None
        if self._head is not None:
            self.listen(Odometry, "odom", qos.odometry(), self._on_head_odometry)
        self.listen(Path, "corrected_path", qos.event(), self._on_corrected_path)
        self.serve(QueryMemory, "query_memory", self._query)
        self.serve(QueryObjects, "query_objects", self._query_objects)
        self.serve(ForgetMemory, "forget_memory", self._forget)

    def deactivate(self) -> None:
        self._memory.flush()

    def cleanup(self) -> None:
        for part in (self._upkeep, self._memory):
            if part is not None:
                part.close()
        self._memory = self._upkeep = self._eyes = self._requests = None

    def watch(self) -> None:
        for image in self._images:
            image.look()
        if self.parameters.text.model:
            self._upkeep.read_pictures(self.parameters.text.batch, lambda: self.state == "active")
        self.diagnostics.value("keyframes", len(self._memory))
        self.diagnostics.value("made_room", self._memory.store.thinned)
        if failure := self._memory.failure:
            text = f"{self._memory.store.path}: {self._memory.store.waiting} keyframes wait to be written: {failure}"
            self.diagnostics.problem("disk", ERROR, text)
        else:
            self.diagnostics.clear("disk")

    def _load_finder(self) -> Finder:
        path = self.parameters.finder.checkpoint or checkpoint.shipped("objects-small")
        return Finder(ObjectDetector(checkpoint.load(path, ObjectFinder)), self._eyes)

    # what is seen: on the faculties' thread, in the order it came
    def _on_latent(self, latent: Latent) -> None:
        self.work(lambda: self._consider(self._moments.latent(latent)))

    def _on_state(self, state: Any) -> None:
        self.work(lambda: self._consider(self._moments.state(state)))

    def _on_image(self, message: Image) -> None:
        self.work(lambda: self._consider(self._moments.picture(from_time(message.header.stamp), message)))

    def _on_head_odometry(self, message: Odometry) -> None:
        try:
            attitude = attitude_from_message(message)
            check(attitude)
        except LatentworldError:
            return  # perception_encoder says so
        self.work(lambda: self._head.add(from_time(message.header.stamp), attitude))

    def _on_depth(self, message: Image) -> None:
        self.work(lambda: self._consider(self._moments.depth(from_time(message.header.stamp), message)))

    def _consider(self, moments: list[Moment]) -> None:
        for moment in moments:
            began = time.perf_counter()
            try:
                latent = moment.latent.first(self._eyes.model.config.kept_dim)
                shown = cache(lambda m=moment: self._objects(m))
                kept = self._memory.consider(moment.state, latent, self._thumbnail(moment.picture), objects=shown)
            except LatentworldError as error:
                self.diagnostics.problem("keyframe", ERROR, str(error))
                continue
            self.diagnostics.clear("keyframe")
            self.diagnostics.took("consider", time.perf_counter() - began)
            if kept is not None:
                self.diagnostics.count("kept")
                self._upkeep.look(moment.state.pose, latent, shown())
                self._anchor()

    def _anchor(self) -> None:
        """Now and then."""
        self._since_anchored += 1
        if self._finder is not None and self._since_anchored >= self.parameters.finder.anchor_every:
            self._since_anchored = 0
            self._upkeep.anchor()

    def _objects(self, moment: Moment) -> Objects | None:
        """What a frame shows that is kept; ``None`` without depth."""
        if self._finder is None or moment.picture is None:
            return None
        if moment.depth is None:
            said = f"{self._depth_topic}: expected depth with {self._image_topic} to keep track of things, got none"
            self.diagnostics.problem("objects", WARN, f"{said} (no depth camera? set finder.enabled: false)")
            return None
        began = time.perf_counter()
        try:
            rgb, depth = images.colour(moment.picture, self._image_topic), images.depth(moment.depth, self._depth_topic)
            self._lenses.shown(self._feed.image, rgb.shape)
            self._lenses.shown(self._feed.depth, depth.shape)
            attitude = None if self._head is None else self._head.at(moment.latent.stamp)
            if self._head is not None and attitude is None:
                return None  # where a thing stands depends on it
            objects = self._finder.find(Frame(moment.latent.stamp, rgb, depth), attitude)
        except LatentworldError as error:
            self.diagnostics.problem("objects", WARN, str(error))
            return None
        self.diagnostics.clear("objects")
        self.diagnostics.took("objects", time.perf_counter() - began)
        return objects

    def _thumbnail(self, message: Image | None) -> bytes | None:
        """A frame is worth keeping also without a picture; what is wrong with one is the encoder's to say."""
        try:
            if message is not None:
                return thumbnail(images.colour(message, self._image_topic), self.parameters.memory.thumbnail_size)
        except LatentworldError:
            pass
        return None

    def _on_corrected_path(self, path: Path) -> None:
        self._upkeep.correct(path, self.resolve_topic_name("corrected_path"))

    async def _forget(self, request: ForgetMemory.Request, response: ForgetMemory.Response) -> ForgetMemory.Response:
        done: Future = Future(executor=self.executor)
        try:
            query, within = self._requests.matching(request, object=request.object or None), request.within or None
            self._upkeep.archivist.submit(
                lambda: self._settle(done.set_result, self._memory.forget(query, within)),
                lambda error: self._settle(done.set_exception, error),
            )
            response.forgotten, response.success = await done, True
        except Exception as error:  # rclpy would end the node
            response.message = said(error)
        return response

    def _settle(self, settle: Callable[[Any], None], outcome: Any) -> None:
        """From any thread; the executor goes on with what awaits it."""
        settle(outcome)
        if self.executor is not None:
            self.executor.wake()

    # what is asked: on the ROS thread
    def _query(self, request: QueryMemory.Request, response: QueryMemory.Response) -> QueryMemory.Response:
        self.diagnostics.count("queries")
        began = time.perf_counter()
        try:
            answer = self._requests.answer(request)
            if request.foretell:
                self._foretell(request, response)
        except Exception as error:  # rclpy would end the node
            response.message = said(error)
            return response
        response.success, response.never_seen = True, answer.never_seen
        response.keyframes = [keyframe_to_message(k, request.with_thumbnails) for k in answer.keyframes]
        self.diagnostics.took("query", time.perf_counter() - began)
        return response

    def _foretell(self, request: QueryMemory.Request, response: QueryMemory.Response) -> None:
        if not request.use_place or request.frame_id:
            raise LatentworldError("foretell: expected a place in odom as it lies now, got none or another frame")
        told = self._memory.foretell(np.array([[request.place.x, request.place.y, request.place.theta]]))
        response.foretold, response.familiarity = to_tensor(told.latents[0]), float(told.familiarity[0])

    def _query_objects(
        self, request: QueryObjects.Request, response: QueryObjects.Response
    ) -> QueryObjects.Response:  # fmt: skip
        self.diagnostics.count("queries")
        try:
            things = self._requests.things(request)
        except Exception as error:  # rclpy would end the node
            response.message = said(error)
            return response
        response.success = True
        response.objects = [self._object_to_message(thing, request.with_thumbnails) for thing in things]
        return response

    def _object_to_message(self, thing: RememberedObject, with_thumbnail: bool) -> msg.RememberedObject:
        message = object_to_message(thing)
        if with_thumbnail and (keyframe := self._memory.get(max(thing.history, key=lambda s: s.last).keyframe)):
            message.thumbnail = keyframe_to_message(keyframe, True).thumbnail
        return message


def main() -> int:
    worker = Worker()
    return run(lambda: [VisualMemoryNode(worker=worker)], worker.close)


if __name__ == "__main__":
    sys.exit(main())
