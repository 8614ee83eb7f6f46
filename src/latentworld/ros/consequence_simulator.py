"""The service simulate: what would happen if. Nodes of the same process reach the faculty through the bus instead.

For a person who carries the cameras on the head, also way_warning: what happens if he or she goes on as now.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from latentworld_ros.srv import Simulate

from latentworld.consequence.simulator import ConsequenceSimulator
from latentworld.consequence.way_ahead import WayAhead
from latentworld.parameters import parameter
from latentworld.robot import BaseKind
from latentworld.robot_file import DEFAULT
from latentworld.robot_state import kept_with
from latentworld.ros import qos, robots
from latentworld.ros.channel import Bus
from latentworld.ros.codecs import (
    STATE,
    WAY_WARNING,
    consequences_to_messages,
    sequence_from_message,
    state_from_message,
    to_time,
)
from latentworld.ros.diagnostics import WARN
from latentworld.ros.models import world_model
from latentworld.ros.node import ManagedNode, said
from latentworld.ros.process import run
from latentworld.ros.tensors import from_tensor, to_tensor
from latentworld.ros.worker import Worker
from latentworld.tracking.surprise import VIOLATION
from latentworld.types import LatentworldError, WorldState

WARM_UP = (64, 12)  # candidates and steps of a first, slow call
STEP = 0.2  # s
TENSORS = ("poses", "contact", "drop", "clearance", "uncertainty", "doubt")


@dataclass(frozen=True, slots=True)
class ConsequenceSimulatorParameters:
    robot: str = parameter(DEFAULT, robots.PARAMETER)
    checkpoint: str = parameter("", "path of a checkpoint; empty: the shipped one")
    device: str = parameter("cpu", "of torch, on which futures are imagined: cpu, cuda or cuda:1")
    timeout: float = parameter(2.0, "s that an answer may take", 0.01, 60.0)
    identify_drive_train: bool = parameter(True, "measure while driving how the base answers to commands")
    drive_train_path: str = parameter("", "YAML file that keeps that; empty: latentworld/robot_state/ in ~/.ros")


class ConsequenceSimulatorNode(ManagedNode):
    defaults = ConsequenceSimulatorParameters()

    def __init__(self, bus: Bus | None = None, worker: Worker | None = None, **options: Any) -> None:
        super().__init__("consequence_simulator", bus, worker, **options)
        self._name = self.resolve_service_name("simulate")

    def configure(self) -> None:
        self._robot = robots.described(self.parameters.robot)
        self._simulator = self.worker.call(self._load, timeout=120.0)
        self._kept = Path(self.parameters.drive_train_path or kept_with(self._robot, "drive_train.yaml")).expanduser()
        self._announced = False  # the drive train, once it is known
        if self._simulator.identification is not None and self._kept.is_file():
            self._recall()
        self.bus.services[self._name] = self._simulator
        self._way: WayAhead | None = None
        if self._robot.base.kind == BaseKind.HEAD:
            self._way = WayAhead(self._simulator, VIOLATION)
            self._warnings = self.output(WAY_WARNING, "way_warning", qos.event())

    def activate(self) -> None:
        self._newest: WorldState | None = None
        if self._way is not None:
            self._way.reset()
        self.input(STATE, "world_state", qos.belief(), self._on_state)
        self.serve(Simulate, "simulate", self._simulate)

    def deactivate(self) -> None:
        identification = self._simulator.identification
        if identification is not None and identification.confident:
            try:
                identification.save(self._kept)
            except LatentworldError as error:
                self.get_logger().warning(str(error))

    def cleanup(self) -> None:
        self.bus.services.pop(self._name, None)
        self._simulator = None

    def _load(self) -> ConsequenceSimulator:
        model = world_model(self.parameters.checkpoint)
        p = self.parameters
        simulator = ConsequenceSimulator(model, self._robot, p.device, p.identify_drive_train)
        config = simulator.model.config
        start = WorldState(
            0,
            0,
            simulator.model.model_id,
            np.zeros(3),
            np.zeros(3),
            np.zeros(3),
            np.zeros(config.belief_dim, np.float32),
        )
        simulator.simulate(start, np.zeros((*WARM_UP, simulator.axes), np.float32), STEP)
        return simulator

    def _recall(self) -> None:
        """Begin with the drive train that was kept; a file that does not fit is said and left alone."""
        try:
            self._simulator.identification.load(self._kept)
        except LatentworldError as error:
            self.get_logger().warning(f"{error}; the description counts")
            return
        self._simulator.adopt_drive_train()
        self.get_logger().info(f"{self._simulator.identification.summary()}, kept in {self._kept}")

    def _on_state(self, state: WorldState) -> None:
        self._newest = state
        if self._way is not None:
            self.work(lambda: self._look_ahead(state), slot="way")
        if self._simulator.identification is not None:
            self.work(lambda: self._hear(state))

    def _look_ahead(self, state: WorldState) -> None:
        warning = self._way.assess(state)
        self._warnings.publish(warning)
        self.diagnostics.count("states looked ahead from")
        if warning.warn:
            self.diagnostics.problem("way", WARN, warning.reason)
        else:
            self.diagnostics.clear("way")

    def _hear(self, state: WorldState) -> None:
        self._simulator.heard(state)
        if not self._announced and self._simulator.identification.confident:
            self._announced = True
            self.get_logger().info(self._simulator.identification.summary())

    def _simulate(self, request: Simulate.Request, response: Simulate.Response) -> Simulate.Response:
        self.diagnostics.count("requests")
        try:
            state = state_from_message(request.state) if request.state.model_id else self._newest
            if state is None:
                raise LatentworldError("simulate: expected a state, got none and no world_state has come yet")
            bulk, axes = len(request.values.shape) > 0, self._robot.base.axes
            if bulk:
                values, dt = from_tensor(request.values, "values", None, None, len(axes)), request.dt
            else:
                values, dt = _stacked([sequence_from_message(c) for c in request.candidates], axes)
            consequences = self.worker.call(
                lambda: self._simulator.simulate(state, values, dt, request.with_latents), self.parameters.timeout
            )
        except (LatentworldError, TimeoutError) as error:
            response.message = said(error)
            return response
        response.success, response.model_id, response.stamp = True, state.model_id, to_time(state.stamp)
        if bulk:
            for name in TENSORS:
                setattr(response, name, to_tensor(getattr(consequences, name)))
        else:
            response.consequences = consequences_to_messages(consequences)
        if request.with_latents:
            response.latents = to_tensor(consequences.latents)
        return response


def _stacked(sequences: list, axes: tuple[str, ...]) -> tuple[np.ndarray, float]:
    """(K, H, A) of these axes and dt of sequences that must agree in names, dt and length."""
    if not sequences:
        raise LatentworldError("simulate: expected candidates or values, got neither")
    first = sequences[0]
    for k, sequence in enumerate(sequences):
        if sequence.names != axes:
            raise LatentworldError(
                f"candidates[{k}]: expected names {', '.join(axes)}, got {', '.join(sequence.names)}"
            )
        if sequence.dt != first.dt or sequence.values.shape != first.values.shape:
            wanted, got = (
                f"{len(first.values)} steps of {first.dt:.3f} s",
                f"{len(sequence.values)} of {sequence.dt:.3f} s",
            )
            raise LatentworldError(f"candidates[{k}]: expected {wanted} as in candidates[0], got {got}")
    return np.stack([s.values for s in sequences]), first.dt


def main() -> None:
    worker = Worker()
    run(lambda: [ConsequenceSimulatorNode(worker=worker)], worker.close)


if __name__ == "__main__":
    main()
