"""Plays a recorded drive to perception and tracking over DDS, frame by frame, and hears how much each surprised."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rclpy
from geometry_msgs.msg import TwistStamped
from latentworld_ros.msg import Surprise, WorldState
from nav_msgs.msg import Odometry as OdometryMessage
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from latentworld.ros import qos
from latentworld.ros.codecs import from_time, odometry_to_message, stamped_from_action, to_time
from latentworld.ros.domain import unused_domain
from latentworld.ros.images import to_image
from latentworld.ros.processes import Processes
from latentworld.ros.up import commands, write_parameters
from latentworld.types import NANOSECONDS, Action, Frame, LatentworldError, Odometry

NODES = ("perception_encoder", "world_state_tracker")
START, ANSWER = 90.0, 10.0  # s
EXPOSURE = 0.01  # s that a camera takes at least: odometry of the same moment comes before its picture


class Played(NamedTuple):
    """p_values: (T,), 1 for the first frame, which nothing foretold. delays: (T,) s from image to surprise."""

    p_values: np.ndarray
    delays: np.ndarray


class FilmPlayer:
    """A context manager: the two nodes run in processes of their own, on a domain of their own, as long as it is open.

    Open it on the main thread: the processes end with the thread that started them.
    """

    def __init__(self, checkpoint: Path | None = None) -> None:
        self._checkpoint = checkpoint
        self._start = NANOSECONDS  # stamp of the next film's first frame: the robot's clock never goes back
        self._heard: dict[int, tuple[float, float]] = {}  # stamp -> p-value, when it came

    def __enter__(self) -> FilmPlayer:
        domain = unused_domain()
        environment = os.environ | {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"  # read when a context is made
        self._scratch = tempfile.TemporaryDirectory()
        parameters = Path(self._scratch.name) / "film.yaml"
        chosen = {"checkpoint": str(self._checkpoint or "")}
        write_parameters(parameters, {name: chosen for name in NODES})
        lines = commands(composed=False, params_files=[parameters], use_sim_time=True)
        self._processes = Processes()
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
        self._node = rclpy.create_node("film_player", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        make, listen = self._node.create_publisher, self._node.create_subscription
        self._clock = make(Clock, "/clock", qos.clock())
        self._rgb = make(Image, "camera/image_raw", qos.camera_driver())
        self._depth = make(Image, "camera/depth/image_raw", qos.camera_driver())
        self._odom = make(OdometryMessage, "odom", qos.odometry_driver())
        self._commands = make(TwistStamped, "cmd_vel", qos.command())
        listen(Surprise, "surprise", self._on_surprise, qos.event())
        listen(WorldState, "world_state", self._on_state, qos.belief())
        self._reset = self._node.create_client(Trigger, "world_state_tracker/reset")
        try:
            for name in NODES:
                self._processes.start(name, lines[name], env=environment)
            publishers = (self._rgb, self._depth, self._odom, self._commands)
            self._wait(self._reset.service_is_ready, START, "world_state_tracker")
            self._wait(lambda: all(p.get_subscription_count() for p in publishers), START, "subscriptions")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._processes.stop()
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()
        self._scratch.cleanup()

    def play(self, frames: Sequence[Frame], odometry: Sequence[Odometry], commands: Sequence[Action]) -> Played:
        """A drive, one entry a frame, stamps from 0; as fast as the nodes can take it."""
        answer = self._reset.call_async(Trigger.Request())
        self._wait(answer.done, ANSWER, "an answer to reset")
        p_values, delays = np.ones(len(frames), np.float32), np.full(len(frames), np.nan)
        for t, frame in enumerate(frames):
            stamp = self._start + frame.stamp
            self._clock.publish(Clock(clock=to_time(stamp)))
            self._odom.publish(odometry_to_message(replace(odometry[t], stamp=stamp)))
            if t:
                self._commands.publish(
                    stamped_from_action(replace(commands[t - 1], stamp=self._start + frames[t - 1].stamp))
                )
            self._executor.spin_once(timeout_sec=EXPOSURE)
            self._depth.publish(to_image(frame.depth, stamp, "camera"))
            shown = time.monotonic()
            self._rgb.publish(to_image(frame.rgb, stamp, "camera"))
            self._wait(lambda stamp=stamp: stamp in self._heard, ANSWER, f"an answer to frame {t}")
            p_value, came = self._heard.pop(stamp)
            if t:
                p_values[t], delays[t] = p_value, came - shown
        self._start += frames[-1].stamp + NANOSECONDS
        return Played(p_values, delays)

    def _on_surprise(self, message: Surprise) -> None:
        self._heard[from_time(message.header.stamp)] = message.p_value, time.monotonic()

    def _on_state(self, message: WorldState) -> None:
        """The first frame of a film comes with a belief and no surprise."""
        if from_time(message.header.stamp) == self._start:
            self._heard[self._start] = 1.0, time.monotonic()

    def _wait(self, condition: Callable[[], bool], timeout: float, what: str) -> None:
        give_up = time.monotonic() + timeout
        while not condition():
            for name, child in self._processes.children.items():
                if child.poll() is not None:
                    raise LatentworldError(f"film: {name} ended with status {child.returncode}")
            if time.monotonic() > give_up:
                raise LatentworldError(f"film: expected {what} within {timeout:.0f} s, got none")
            self._executor.spin_once(timeout_sec=0.05)
