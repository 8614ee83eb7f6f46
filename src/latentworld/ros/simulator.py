"""The embedded world as a robot: the topics are those of a TurtleBot 4 in Gazebo, the clock among them."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from latentworld_ros.msg import GroundTruth
from latentworld_ros.srv import ResetRoom
from nav_msgs.msg import Odometry as OdometryMessage
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image

from latentworld.lens import camera_matrix
from latentworld.parameters import parameter
from latentworld.ros import commands, qos
from latentworld.ros.codecs import odometry_to_message, to_header, to_pose2d, to_time
from latentworld.ros.diagnostics import WARN
from latentworld.ros.images import to_image
from latentworld.ros.node import ManagedNode
from latentworld.ros.process import run
from latentworld.ros.transforms import odometry_broadcaster
from latentworld.sim import World
from latentworld.types import NANOSECONDS, Action, LatentworldError, seconds

OPTICAL = "camera"


@dataclass(frozen=True, slots=True)
class SimulatorParameters:
    seed: int = parameter(0, "of the first room", 0, 2**53)
    blocked: bool = parameter(False, "an obstacle stands on the straight line to the goal of the first room")
    image_size: int = parameter(64, "pixels a side", 8, 1024)
    camera_rate: float = parameter(10.0, "Hz of images", 0.1, 60.0)
    odom_rate: float = parameter(50.0, "Hz of odometry and clock, a multiple of camera_rate", 1.0, 200.0)
    real_time_factor: float = parameter(1.0, "simulated seconds a second", 0.01, 100.0)
    cmd_vel_timeout: float = parameter(0.5, "s after a command at which the base stops", 0.05, 10.0)
    enable_stamped_cmd_vel: bool = parameter(True, commands.STAMPED)
    publish_tf: bool = parameter(True, "odom -> base_link, where tf2_ros is installed")


class SimulatorNode(ManagedNode):
    defaults = SimulatorParameters()

    def __init__(self, **options: Any) -> None:
        super().__init__("simulator", **options)

    def configure(self) -> None:
        p = self.parameters
        self._ticks = round(p.odom_rate / p.camera_rate)
        if abs(self._ticks * p.camera_rate - p.odom_rate) > 1e-6:
            raise LatentworldError(
                f"parameter odom_rate: expected a multiple of camera_rate {p.camera_rate}, got {p.odom_rate}"
            )
        self._world = World(p.seed, p.blocked or None, p.image_size)
        self._start_of_room = NANOSECONDS  # simulated time of the last reset: the clock goes on through resets
        self._episode = 0
        make = self.create_lifecycle_publisher
        self._clock_out = make(Clock, "/clock", qos.clock())
        self._rgb = make(Image, "camera/image_raw", qos.camera_driver())
        self._depth = make(Image, "camera/depth/image_raw", qos.camera_driver())
        self._info = make(CameraInfo, "camera/camera_info", qos.camera_driver())
        self._odom = make(OdometryMessage, "odom", qos.odometry_driver())
        self._truth = make(GroundTruth, "ground_truth", qos.event())
        self._broadcast = odometry_broadcaster(self) if p.publish_tf else None

    def activate(self) -> None:
        p = self.parameters
        self._command, self._commanded = (0.0, 0.0), 0
        self._count, self._contact = 0, False
        commands.listen(self, p.enable_stamped_cmd_vel, self._on_command)
        self.serve(ResetRoom, "~/reset_room", self._reset_room)
        self.every(1.0 / (p.odom_rate * p.real_time_factor), self._tick)

    def cleanup(self) -> None:
        for publisher in (self._clock_out, self._rgb, self._depth, self._info, self._odom, self._truth):
            self.destroy_lifecycle_publisher(publisher)
        self._world.close()

    def watch(self) -> None:
        commands.check_type(self, self.parameters.enable_stamped_cmd_vel)

    @property
    def _time(self) -> int:
        return self._start_of_room + self._world.time_ns

    def _on_command(self, action: Action) -> None:
        if np.isfinite([action.linear, action.angular]).all():
            self.diagnostics.clear("command")
            self._command, self._commanded = (action.linear, action.angular), self._time
        else:
            topic = self.resolve_topic_name("cmd_vel")
            text = f"{topic}: expected finite speeds, got linear {action.linear}, angular {action.angular}"
            self.diagnostics.problem("command", WARN, text)

    def _tick(self) -> None:
        began = time.monotonic()
        p = self.parameters
        if seconds(self._time - self._commanded) > p.cmd_vel_timeout:
            self._command = (0.0, 0.0)
        self._world.step(*self._command, period=1.0 / p.odom_rate)
        self._contact |= self._world.truth().contact
        stamp = self._time
        self._clock_out.publish(Clock(clock=to_time(stamp)))
        odometry = odometry_to_message(replace(self._world.odometry(), stamp=stamp))
        self._odom.publish(odometry)
        if self._broadcast is not None:
            self._broadcast(odometry)
        self._count += 1
        if self._count % self._ticks == 0:
            self._expose(stamp)
        self.diagnostics.count("steps")
        self.diagnostics.took("step", time.monotonic() - began)

    def _expose(self, stamp: int) -> None:
        frame, truth = self._world.frame(), self._world.truth()
        self._rgb.publish(to_image(frame.rgb, stamp, OPTICAL))
        self._depth.publish(to_image(frame.depth, stamp, OPTICAL))
        if self._info.get_subscription_count() > 0:
            self._info.publish(self._camera_info(stamp))
        message = GroundTruth(header=to_header(stamp, "odom"), seed=self._world.seed, episode=self._episode)
        message.pose, message.contact = to_pose2d(truth.pose), self._contact
        message.dropped, message.contacts = truth.dropped, truth.contacts
        self._truth.publish(message)
        self._contact = False
        self.diagnostics.count("frames")

    def _camera_info(self, stamp: int) -> CameraInfo:
        picture = self._world.camera.intrinsics
        message = CameraInfo(header=to_header(stamp, OPTICAL), height=picture.height, width=picture.width)
        message.distortion_model, message.d = picture.distortion_model, list(picture.distortion) or [0.0] * 5
        k = camera_matrix(picture)
        message.k, message.r = k.ravel(), np.eye(3).ravel()
        message.p = np.column_stack([k, np.zeros(3)]).ravel()
        return message

    def _reset_room(self, request: ResetRoom.Request, response: ResetRoom.Response) -> ResetRoom.Response:
        now = self._time
        try:
            self._world.reset(request.seed, request.blocked)
        except LatentworldError as error:
            response.message = str(error)
            return response
        self._start_of_room = now
        self._episode += 1
        self._command, self._contact = (0.0, 0.0), False
        goal = self._world.goal_frame()
        response.success = True
        response.start, response.goal = to_pose2d(self._world.start), to_pose2d(self._world.goal)
        response.goal_image, response.goal_depth = to_image(goal.rgb, now, OPTICAL), to_image(goal.depth, now, OPTICAL)
        return response


def main() -> None:
    run(lambda: [SimulatorNode()])


if __name__ == "__main__":
    main()
