"""A consequence simulator that lives in another process, with the faculty's own signature."""

from __future__ import annotations

import threading
import time

import numpy as np
from latentworld_ros.srv import Simulate

from latentworld.consequence.simulator import ConsequenceSimulator
from latentworld.model.world_model import WorldModel
from latentworld.robot import Robot
from latentworld.ros.codecs import state_to_message
from latentworld.ros.consequence_simulator import TENSORS
from latentworld.ros.node import ManagedNode
from latentworld.ros.tensors import from_tensor, to_tensor
from latentworld.types import Consequences, LatentworldError, WorldState


class RemoteSimulator:
    """Asks the service and waits, on the faculties' thread while the executor spins; never past ``give_up_at``."""

    def __init__(self, node: ManagedNode, model: WorldModel, robot: Robot | None = None) -> None:
        # Free space and views are cheap looks at the belief, and this process holds the model anyhow.
        own = ConsequenceSimulator(model, robot)
        self.free_space, self.look = own.free_space, own.look
        self._client = node.create_client(Simulate, "simulate")
        self._node = node
        self._state: tuple[WorldState, object] | None = None
        self.give_up_at = 0.0  # time.monotonic() after which an answer is of no use

    def simulate(self, state: WorldState, candidates: np.ndarray, dt: float, latents: bool = False) -> Consequences:
        if not self._client.service_is_ready():
            raise LatentworldError(f"{self._client.service_name}: expected a consequence simulator, nobody serves it")
        if self._state is None or self._state[0] is not state:
            self._state = (state, state_to_message(state))
        request = Simulate.Request(
            values=to_tensor(np.ascontiguousarray(candidates, np.float32)),
            dt=float(dt),
            state=self._state[1],
            with_latents=latents,
        )
        answered = threading.Event()
        future = self._client.call_async(request)
        future.add_done_callback(lambda _: answered.set())
        if not answered.wait(max(self.give_up_at - time.monotonic(), 0.0)):
            self._client.remove_pending_request(future)
            raise LatentworldError(f"{self._client.service_name}: expected an answer before the deadline, got none")
        answer = future.result()
        if not answer.success:
            raise LatentworldError(f"{self._client.service_name}: {answer.message}")
        arrays = {name: from_tensor(getattr(answer, name), name) for name in TENSORS}
        return Consequences(dt=dt, latents=from_tensor(answer.latents, "latents") if latents else None, **arrays)

    def destroy(self) -> None:
        self._node.destroy_client(self._client)
