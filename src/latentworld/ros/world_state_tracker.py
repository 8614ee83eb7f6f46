"""latent_observation, odom, cmd_vel -> world_state and surprise, aligned by stamps; goes on through dropped frames."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from nav_msgs.msg import Odometry as OdometryMessage
from rclpy.clock import JumpThreshold
from rclpy.duration import Duration
from std_srvs.srv import Trigger

from latentworld.parameters import parameter
from latentworld.robot import Robot
from latentworld.robot_file import DEFAULT
from latentworld.robot_state import kept_with
from latentworld.ros import commands, qos, robots
from latentworld.ros.channel import Bus
from latentworld.ros.codecs import LATENT, STATE, SURPRISE, odometry_from_message
from latentworld.ros.diagnostics import ERROR
from latentworld.ros.models import world_model
from latentworld.ros.node import ManagedNode
from latentworld.ros.process import run
from latentworld.ros.worker import Worker
from latentworld.tracking.calibration import Calibration
from latentworld.tracking.odometry_correction import CorrectedTracker
from latentworld.tracking.surprise import VIOLATION
from latentworld.tracking.tracker import WorldStateTracker
from latentworld.types import Action, Latent, LatentworldError, WorldState, seconds

LATE = 0.75  # periods that odometry may be ahead of a frame, beyond which the belief is carried on to it


@dataclass(frozen=True, slots=True)
class WorldStateTrackerParameters:
    robot: str = parameter(DEFAULT, robots.PARAMETER)
    checkpoint: str = parameter("", "path of a checkpoint; empty: the shipped one")
    violation_threshold: float = parameter(VIOLATION, "p-value below which a surprise is a violation", 0.0, 1.0)
    prediction_limit: float = parameter(2.0, "s to predict on without a frame", 0.0, 60.0)
    input_timeout: float = parameter(2.0, "s without latents or odometry until it is an error", 0.1, 60.0)
    correct_odometry: bool = parameter(True, "correct what odometry drifts by what range sensors see")
    calibration: str = parameter(
        "", "path of what `latentworld calibrate` wrote; empty: where it writes to by itself, if there is one"
    )
    enable_stamped_cmd_vel: bool = parameter(True, commands.STAMPED)


class WorldStateTrackerNode(ManagedNode):
    defaults = WorldStateTrackerParameters()

    def __init__(self, bus: Bus | None = None, worker: Worker | None = None, **options: Any) -> None:
        super().__init__("world_state_tracker", bus, worker, **options)

    def configure(self) -> None:
        robot = robots.described(self.parameters.robot)
        self._tracker = self.worker.call(lambda: self._load(robot), timeout=120.0)
        self._period = self._tracker.model.config.camera_period
        slowest = 1 / min(sensor.rate for sensor in (robots.ahead(robot)[:1] or robot.lidars[:1]))
        # One frame is waited for a little longer; a camera that is slower anyway is never waited for.
        self._patience = (1.5 if slowest <= 1.4 * self._period else 0.9) * self._period
        self._states = self.output(STATE, "world_state", qos.belief())
        self._surprises = self.output(SURPRISE, "surprise", qos.event())

    def activate(self) -> None:
        self._forget()
        self._heard = dict.fromkeys(("odometry", "latent"), time.monotonic())
        self.input(LATENT, "latent_observation", qos.latent(), self._on_latent)
        self.listen(OdometryMessage, "odom", qos.odometry(), self._on_odometry)
        commands.listen(self, self.parameters.enable_stamped_cmd_vel, self._on_command)
        self.every(self._period / 2, self._bridge)
        self.serve(Trigger, "~/reset", self._reset)
        back = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True)
        jump = self.get_clock().create_jump_callback(back, post_callback=lambda _: self._start_anew("clock went back"))
        self.on_deactivation(jump.unregister)

    def cleanup(self) -> None:
        self._tracker = None

    def watch(self) -> None:
        for name, topic in (("odometry", "odom"), ("latent", "latent_observation")):
            silence = time.monotonic() - self._heard[name]
            if silence > self.parameters.input_timeout:
                self.diagnostics.problem(
                    name, ERROR, f"no {name} on {self.resolve_topic_name(topic)} for {silence:.1f} s"
                )
            else:
                self.diagnostics.clear(name)
        commands.check_type(self, self.parameters.enable_stamped_cmd_vel)

    def _load(self, robot: Robot) -> WorldStateTracker:
        p = self.parameters
        kind, model = CorrectedTracker if p.correct_odometry else WorldStateTracker, world_model(p.checkpoint)
        tracker = kind(model, p.violation_threshold, robot, self._calibration(robot, model.model_id))
        if not tracker.scale.calibrated:
            self.get_logger().warning(
                f"surprise of {robot.name} is not calibrated, and not acted upon: `latentworld calibrate --robot "
                f"{p.robot}` while it is driven about for five minutes"
            )
        return tracker

    def _calibration(self, robot: Robot, model_id: str) -> Calibration | None:
        """That which was asked for; else what is kept with the robot, as far as it still holds."""
        if path := self.parameters.calibration:
            return Calibration.load(path)
        kept = kept_with(robot, "calibration.safetensors")
        if not kept.is_file():
            return None
        try:
            calibration = Calibration.load(kept)
            calibration.check(robot, model_id)
        except LatentworldError as error:
            self.get_logger().warning(f"not used: {error}")
            return None
        return calibration

    def _on_odometry(self, message: OdometryMessage) -> None:
        try:
            odometry = odometry_from_message(message)
        except LatentworldError as error:
            self.diagnostics.problem("odom", ERROR, f"{self.resolve_topic_name('odom')}: {error}")
            return
        self.diagnostics.clear("odom")
        self._located, self._heard["odometry"] = True, time.monotonic()
        self.work(lambda: self._tracker.odometry(odometry))

    def _on_command(self, action: Action) -> None:
        self.work(lambda: self._tracker.command(action))

    def _on_latent(self, latent: Latent) -> None:
        self._latent_came, self._heard["latent"] = self.now(), time.monotonic()
        if self._located:  # a belief needs to know where it is
            self.work(lambda: self._observe(latent), slot="latent")

    def _observe(self, latent: Latent) -> None:
        state, surprise = self._tracker.observe(latent)
        newest = self._tracker.odometries.items[-1].stamp
        if seconds(newest - state.stamp) > LATE * self._period:  # the robot is not there any more
            state = self._tracker.predict(max(newest, self._published))
        elif state.stamp <= self._published:  # a late frame, after a prediction: stamps never go back
            state = self._tracker.predict(max(self.now(), self._published))
        self._publish(state)
        if surprise.stamp == latent.stamp:  # nothing foretold the first frame
            self._surprises.publish(surprise)
        self.diagnostics.count("world states")
        self.diagnostics.took("camera to belief", seconds(self.now() - latent.stamp))

    def _bridge(self) -> None:
        """Carry the belief over a gap between frames."""
        now = self.now()
        gap = seconds(now - self._latent_came) if self._latent_came else 0.0
        due = seconds(now - self._published) >= self._period
        if self._published and due and self._patience < gap < self.parameters.prediction_limit:
            self.work(lambda: self._predict(now), slot="latent")

    def _predict(self, stamp: int) -> None:
        self._publish(self._tracker.predict(stamp))
        self.diagnostics.count("predictions")

    def _publish(self, state: WorldState) -> None:
        self._published = state.stamp
        self._states.publish(state)

    def _forget(self) -> None:
        self._latent_came = self._published = 0  # ns of the robot's clock
        self._located = False

    def _start_anew(self, why: str) -> None:
        self.get_logger().info(f"{why}: the belief starts anew")
        self.worker.call(self._tracker.reset, timeout=2.0)
        self._forget()

    def _reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._start_anew("reset asked for")
        response.success = True
        return response


def main() -> None:
    worker = Worker()
    run(lambda: [WorldStateTrackerNode(worker=worker)], worker.close)


if __name__ == "__main__":
    main()
