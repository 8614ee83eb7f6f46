"""Frames of cameras on a head, each with the attitude that odometry says the head had at its exposure."""

from __future__ import annotations

from collections.abc import Callable

from nav_msgs.msg import Odometry as OdometryMessage

from latentworld.perception.head import NEAR, AttitudeHistory, check
from latentworld.ros import qos
from latentworld.ros.codecs import attitude_from_message, from_time
from latentworld.ros.diagnostics import ERROR
from latentworld.ros.node import ManagedNode
from latentworld.types import Attitude, Frame, LatentworldError

ODOMETRY = "odom"


class HeadAttitude:
    """Listens to odometry as long as the node is active. ``taken`` gets frames of one moment with their attitude.

    Frames wait for the first odometry after their exposure, at most until the next ones come.
    """

    def __init__(self, node: ManagedNode, picture: str, taken: Callable[[list[Frame], Attitude], None]) -> None:
        """picture: topic of the frames, as it is named in what is said about them."""
        self._node, self._picture, self._taken = node, picture, taken
        self._topic = node.resolve_topic_name(ODOMETRY)
        self._history = AttitudeHistory()
        self._waiting: list[Frame] | None = None
        node.listen(OdometryMessage, ODOMETRY, qos.odometry(), self._on_odometry)

    def take(self, frames: list[Frame]) -> None:
        """Frames of one moment have come, the first camera's first."""
        if self._waiting is not None:
            self._hand_on(self._waiting)
        self._waiting = frames
        self._look()

    def _on_odometry(self, message: OdometryMessage) -> None:
        try:
            attitude = attitude_from_message(message)
            check(attitude)
        except LatentworldError as error:
            self._node.diagnostics.problem("attitude", ERROR, f"{self._topic}: {error}")
            return
        self._node.diagnostics.clear("attitude")
        self._history.add(from_time(message.header.stamp), attitude)
        self._look()

    def _look(self) -> None:
        newest = self._history.newest
        if self._waiting is not None and newest is not None and newest >= self._waiting[0].stamp:
            frames, self._waiting = self._waiting, None
            self._hand_on(frames)

    def _hand_on(self, frames: list[Frame]) -> None:
        stamp = frames[0].stamp
        attitude = self._history.at(stamp)
        if attitude is None:
            nearest = self._history.distance(stamp)
            got = "none" if self._history.newest is None else f"the nearest {nearest:.2f} s away"
            wanted = f"{self._topic}: expected odometry within {NEAR} s of each exposure on {self._picture}"
            self._node.diagnostics.problem("head", ERROR, f"{wanted}, got {got}: the frame is left out")
        else:
            self._node.diagnostics.clear("head")
            self._taken(frames, attitude)
