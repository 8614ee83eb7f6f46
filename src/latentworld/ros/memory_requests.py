"""What the services of the visual memory are asked for, as queries to it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from latentworld_ros.srv import ForgetMemory, QueryMemory, QueryObjects

from latentworld.memory import MemoryAnswer, MemoryQuery, RememberedObject, VisualMemory
from latentworld.ros import images
from latentworld.ros.codecs import from_time
from latentworld.ros.eyes import Eyes, Finder
from latentworld.ros.tensors import from_tensor
from latentworld.types import Frame, Latent, LatentworldError, Objects

LIMIT, THINGS = 5, 20  # keyframes and things answered where the request names no limit


class MemoryRequests:
    """Raises LatentworldError for what can't be asked, or isn't there."""

    def __init__(
        self, memory: VisualMemory, eyes: Eyes, finder: Finder | None, call: Callable[[Callable[[], Any]], Any]
    ):
        """finder: ``None`` where no things are kept track of. call: runs what takes a model, on its thread."""
        self.memory, self._eyes, self._finder, self._call = memory, eyes, finder, call

    def answer(self, request: QueryMemory.Request) -> MemoryAnswer:
        """To a question for keyframes."""
        return self._remembered(request.id) if request.id else self.memory.query(self.query(request))

    def _remembered(self, id: int) -> MemoryAnswer:
        found = self.memory.get(id)
        if found is None:
            raise LatentworldError(f"id: expected a keyframe of the memory, got {id}")
        return MemoryAnswer((found,), False)

    def things(self, request: QueryObjects.Request) -> tuple[RememberedObject, ...]:
        """That a question is about, best first."""
        if request.id:
            found = self.memory.object(request.id)
            if found is None:
                raise LatentworldError(f"id: expected a thing of the memory, got {request.id}")
            return (found,)
        return self.memory.objects(
            (request.place.x, request.place.y) if request.use_place else None,
            request.radius or math.inf,
            from_time(request.after) or None,
            from_time(request.before) or None,
            self._shown(request) if request.image.data else None,
            frame=self._frame(request.frame_id) if request.frame_id else None,
        )[: request.limit or THINGS]

    def _shown(self, request: QueryObjects.Request) -> Objects:
        if self._finder is None:
            wanted = "finder.enabled: true and a robot with a camera that measures depth"
            raise LatentworldError(f"image: expected {wanted}, to find things in it, got none")
        if not request.depth.data:
            raise LatentworldError("depth: expected that of the image, got none")
        frame = Frame(0, images.colour(request.image, "image"), images.depth(request.depth, "depth"))
        return self._call(lambda: self._finder.find(frame))

    def query(self, request: QueryMemory.Request) -> MemoryQuery:
        """What a question asks for, when it names no keyframe."""
        if request.object and not request.object.isdecimal():
            raise LatentworldError(
                f"object: expected the number of a thing (see query_objects), got '{request.object}'"
            )
        limits = {"object": int(request.object)} if request.object else {}
        limits |= {"surprise": request.surprise or None, "text": request.text or None, "limit": request.limit or LIMIT}
        limits["thumbnails"] = request.with_thumbnails
        return self.matching(request, **limits)

    def matching(self, request: QueryMemory.Request | ForgetMemory.Request, **limits: Any) -> MemoryQuery:
        """The keys that questions and what is to be forgotten have in common. limits: further ones."""
        place = (request.place.x, request.place.y, request.place.theta) if request.use_place else None
        return MemoryQuery(
            self._latent(request),
            place,
            request.radius or math.inf,
            self._frame(request.frame_id) if request.frame_id else None,
            from_time(request.after) or None,
            from_time(request.before) or None,
            **limits,
        )

    def _frame(self, name: str) -> int:
        if (number := self.memory.store.frame_called(name)) is None:
            raise LatentworldError(f"frame_id: expected a frame that keyframes are in, got {name}")
        return number

    def _latent(self, request: QueryMemory.Request | ForgetMemory.Request) -> Latent | None:
        config = self._eyes.model.config
        has_image, has_latent = bool(request.image.data), bool(request.latent.data)
        if has_image and has_latent:
            raise LatentworldError("image, latent: expected one of them, got both")
        if has_latent:
            vector = from_tensor(request.latent, "latent", None).astype(np.float32)
            latent = Latent(0, request.model_id, vector)
            return latent.first(config.kept_dim) if len(vector) == config.vector_dim else latent
        if not has_image:
            return None
        rgb = images.colour(request.image, "image")
        depth = images.depth(request.depth, "depth") if request.depth.data else None
        frame = Frame(from_time(request.image.header.stamp), rgb, depth)
        return self._call(lambda: self._eyes.encode(frame)).first(config.kept_dim)
