"""The embedded world as a robot: the topics are those of a TurtleBot 4 in Gazebo, the clock among them."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from latentworld_ros.msg import GroundTruth
from latentworld_ros.srv import ResetRoom
from nav_msgs.msg import Odometry as OdometryMessage
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, LaserScan

from latentworld.lens import camera_matrix
from latentworld.parameters import parameter
from latentworld.robot import Intrinsics, Lidar
from latentworld.robot_file import DEFAULT
from latentworld.ros import commands, qos, robots
from latentworld.ros.codecs import odometry_to_message, to_header, to_pose2d, to_time
from latentworld.ros.diagnostics import WARN
from latentworld.ros.images import to_image
from latentworld.ros.node import ManagedNode
from latentworld.ros.process import run
from latentworld.ros.robots import Feed
from latentworld.ros.simulated_scan import scan
from latentworld.ros.transforms import odometry_broadcaster
from latentworld.sim import World
from latentworld.types import NANOSECONDS, Action, LatentworldError, seconds, stamp_of

MOST = 10.0  # Hz of pictures and scans, where they are described as faster: the model is no faster
COEFFICIENTS = {"plumb_bob": 5, "rational_polynomial": 8, "thin_prism": 12, "equidistant": 4}


@dataclass(frozen=True, slots=True)
class SimulatorParameters:
    robot: str = parameter(DEFAULT, robots.PARAMETER)
    seed: int = parameter(0, "of the first room", 0, 2**53)
    blocked: bool = parameter(False, "an obstacle stands on the straight line to the goal of the first room")
    image_size: int = parameter(0, "pixels across a picture; 0: as described", 0, 1024)
    camera_rate: float = parameter(0.0, "Hz of images; 0: as described, but 10 at most", 0.0, 60.0)
    odom_rate: float = parameter(50.0, "Hz of odometry and clock, a multiple of camera_rate", 1.0, 200.0)
    real_time_factor: float = parameter(1.0, "simulated seconds a second", 0.01, 100.0)
    cmd_vel_timeout: float = parameter(0.5, "s after a command at which the base stops", 0.05, 10.0)
    enable_stamped_cmd_vel: bool = parameter(True, commands.STAMPED)
    publish_tf: bool = parameter(True, "odom -> base_link, where tf2_ros is installed")


class SimulatorNode(ManagedNode):
    defaults = SimulatorParameters()

    def __init__(self, **options: Any) -> None:
        super().__init__("simulator", **options)
        self._publishers_made: list[Any] = []
        self._world: World | None = None

    def configure(self) -> None:
        p = self.parameters
        if p.camera_rate and abs(round(p.odom_rate / p.camera_rate) * p.camera_rate - p.odom_rate) > 1e-6:
            raise LatentworldError(
                f"parameter odom_rate: expected a multiple of camera_rate {p.camera_rate}, got {p.odom_rate}"
            )
        robot = robots.described(p.robot)
        self._feeds, (self._lidar, *_) = robots.feeds(robot), (*robot.lidars, None)
        self._world = World(p.seed, p.blocked or None, p.image_size or None, robot=robot)
        self._start_of_room = NANOSECONDS  # simulated time of the last reset: the clock goes on through resets
        self._episode = 0
        self._clock_out = self._make(Clock, "/clock", qos.clock())
        self._pictures = {
            topic: self._make(kind, topic, qos.camera_driver())
            for feed in self._feeds
            for topic, kind in _pictures_of(feed).items()
        }
        self._scan = self._make(LaserScan, robots.SCAN, qos.camera_driver()) if self._lidar is not None else None
        self._odom = self._make(OdometryMessage, "odom", qos.odometry_driver())
        self._truth = self._make(GroundTruth, "ground_truth", qos.event())
        self._broadcast = odometry_broadcaster(self) if p.publish_tf else None

    def activate(self) -> None:
        p = self.parameters
        self._command, self._commanded = (0.0, 0.0, 0.0), 0
        self._contact = False
        sensors = [(partial(self._expose, i), feed.camera.rate) for i, feed in enumerate(self._feeds)]
        sensors += [(self._measure, self._lidar.rate)] if self._lidar is not None else []
        first = p.camera_rate or min(sensors[0][1], MOST)
        sensors.insert(1, (self._tell, first))  # the truth about what the first sensor shows
        self._due = [
            [self._time, stamp_of(1 / (p.camera_rate or min(rate, MOST))), sense] for sense, rate in sensors
        ]  # when it was last due, ns from then to the next, what to do
        commands.listen(self, p.enable_stamped_cmd_vel, self._on_command)
        self.serve(ResetRoom, "~/reset_room", self._reset_room)
        self.every(1.0 / (p.odom_rate * p.real_time_factor), self._tick)

    def cleanup(self) -> None:
        for publisher in self._publishers_made:
            self.destroy_lifecycle_publisher(publisher)
        self._publishers_made = []
        if self._world is not None:
            self._world.close()
        self._world = None

    def watch(self) -> None:
        commands.check_type(self, self.parameters.enable_stamped_cmd_vel)

    def _make(self, *arguments: Any) -> Any:
        self._publishers_made.append(self.create_lifecycle_publisher(*arguments))
        return self._publishers_made[-1]

    @property
    def _time(self) -> int:
        return self._start_of_room + self._world.time_ns

    def _on_command(self, action: Action) -> None:
        speeds = (action.linear, action.angular, action.lateral)
        if np.isfinite(speeds).all():
            self.diagnostics.clear("command")
            self._command, self._commanded = speeds, self._time
        else:
            topic = self.resolve_topic_name("cmd_vel")
            text = f"{topic}: expected finite speeds, got linear {action.linear}, angular {action.angular}"
            self.diagnostics.problem("command", WARN, f"{text}, lateral {action.lateral}")

    def _tick(self) -> None:
        began = time.monotonic()
        p = self.parameters
        if seconds(self._time - self._commanded) > p.cmd_vel_timeout:
            self._command = (0.0, 0.0, 0.0)
        self._world.step(*self._command, period=1.0 / p.odom_rate)
        self._contact |= self._world.truth().contact
        stamp = self._time
        self._clock_out.publish(Clock(clock=to_time(stamp)))
        odometry = odometry_to_message(replace(self._world.odometry(), stamp=stamp))
        self._odom.publish(odometry)
        if self._broadcast is not None:
            self._broadcast(odometry)
        for sensor in self._due:
            last, period, sense = sensor
            if stamp - last >= period:
                sensor[0] = max(last + period, stamp - period)
                sense()
        self.diagnostics.count("steps")
        self.diagnostics.took("step", time.monotonic() - began)

    def _expose(self, number: int) -> None:
        frame, feed = self._world.frame(number), self._feeds[number]
        stamp = self._start_of_room + frame.stamp  # of the exposure, before now where the camera is late
        self._pictures[feed.image].publish(to_image(frame.rgb, stamp, feed.folder))
        if frame.depth is not None:
            self._pictures[feed.depth].publish(to_image(frame.depth, stamp, feed.folder))
        for topic in (feed.info, feed.depth_info):
            info = self._pictures.get(topic)
            if info is not None and info.get_subscription_count() > 0:
                info.publish(_camera_info(self._world.cameras[number].intrinsics, stamp, feed.folder))
        self.diagnostics.count("frames")

    def _measure(self) -> None:
        if self._scan.get_subscription_count() > 0:
            self._scan.publish(_scan_message(scan(self._world, self._lidar), self._lidar, self._time))

    def _tell(self) -> None:
        truth = self._world.truth()
        message = GroundTruth(header=to_header(self._time, "odom"), seed=self._world.seed, episode=self._episode)
        message.pose, message.contact = to_pose2d(truth.pose), self._contact
        message.dropped, message.contacts = truth.dropped, truth.contacts
        self._truth.publish(message)
        self._contact = False

    def _reset_room(self, request: ResetRoom.Request, response: ResetRoom.Response) -> ResetRoom.Response:
        now = self._time
        try:
            self._world.reset(request.seed, request.blocked)
        except LatentworldError as error:
            response.message = str(error)
            return response
        self._start_of_room = now
        self._episode += 1
        self._command, self._contact = (0.0, 0.0, 0.0), False
        response.success = True
        response.start, response.goal = to_pose2d(self._world.start), to_pose2d(self._world.goal)
        if self._feeds:
            goal, frame_id = self._world.goal_frame(), self._feeds[0].folder
            response.goal_image = to_image(goal.rgb, now, frame_id)
            if goal.depth is not None:
                response.goal_depth = to_image(goal.depth, now, frame_id)
        return response


def _pictures_of(feed: Feed) -> dict[str, type]:
    """The topics of one camera."""
    topics = {feed.image: Image, feed.info: CameraInfo}
    return topics if feed.camera.depth is None else topics | {feed.depth: Image, feed.depth_info: CameraInfo}


def _camera_info(lens: Intrinsics, stamp: int, frame_id: str) -> CameraInfo:
    message = CameraInfo(header=to_header(stamp, frame_id), height=lens.height, width=lens.width)
    message.distortion_model = lens.distortion_model
    message.d = list(lens.distortion) or [0.0] * COEFFICIENTS[lens.distortion_model]
    k = camera_matrix(lens)
    message.k, message.r = k.ravel(), np.eye(3).ravel()
    message.p = np.column_stack([k, np.zeros(3)]).ravel()
    return message


def _scan_message(ranges: np.ndarray, lidar: Lidar, stamp: int) -> LaserScan:
    return LaserScan(
        header=to_header(stamp, robots.SCAN), angle_min=lidar.first, angle_max=lidar.last,
        angle_increment=(lidar.last - lidar.first) / (lidar.beams - 1),
        range_min=lidar.least, range_max=lidar.most, ranges=ranges.tolist(),
    )  # fmt: skip


def main() -> None:
    run(lambda: [SimulatorNode()])


if __name__ == "__main__":
    main()
