"""The nouns of ``latentworld.types`` as messages and back: one Codec a topic."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Pose2D, Twist, TwistStamped
from latentworld_ros import msg
from nav_msgs.msg import Odometry as OdometryMessage
from std_msgs.msg import Header

from latentworld.ros.tensors import from_tensor, packed, to_tensor
from latentworld.ros.transforms import angles_of_quaternion, quaternion_of_yaw, yaw_of_quaternion
from latentworld.types import (
    NANOSECONDS,
    Action,
    ActionSequence,
    Attitude,
    Consequences,
    Latent,
    LatentworldError,
    MeasuredSpace,
    Odometry,
    Plan,
    PlanStatus,
    RangeScan,
    Surprise,
    WayWarning,
    WorldState,
)


@dataclass(frozen=True, slots=True)
class Codec:
    """A message type with the way there and back."""

    message: type
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


def to_time(stamp: int) -> Time:
    sec, nanosec = divmod(int(stamp), NANOSECONDS)
    return Time(sec=sec, nanosec=nanosec)


def from_time(time: Time) -> int:
    return time.sec * NANOSECONDS + time.nanosec


def to_header(stamp: int, frame_id: str) -> Header:
    return Header(stamp=to_time(stamp), frame_id=frame_id)


def to_pose2d(pose: np.ndarray) -> Pose2D:
    return Pose2D(x=float(pose[0]), y=float(pose[1]), theta=float(pose[2]))


def from_pose2d(pose: Pose2D) -> np.ndarray:
    return np.array([pose.x, pose.y, pose.theta])


def _float32(values: Any) -> Any:
    return packed(np.asarray(values, dtype=np.float32), "f")


def latent_to_message(latent: Latent) -> msg.LatentObservation:
    return msg.LatentObservation(
        header=to_header(latent.stamp, "camera"),
        model_id=latent.model_id,
        encode_ms=1e3 * latent.encode_seconds,
        latent=to_tensor(latent.vector),
        scans=to_tensor(_scan_rows(latent.scans)),
    )


def latent_from_message(message: msg.LatentObservation) -> Latent:
    vector = from_tensor(message.latent, "latent", None)
    scans = tuple(RangeScan(row[:2], *row[3:].reshape(5, -1), bool(row[2])) for row in _rows_of_scans(message))
    return Latent(from_time(message.header.stamp), message.model_id, vector, message.encode_ms / 1e3, scans)


def _scan_rows(scans: tuple[RangeScan, ...]) -> np.ndarray:
    """(K, 3 + 5 S) float32, see LatentObservation.msg."""
    rows = [
        np.concatenate([s.origin, [s.estimated], s.nearest, s.near, s.far, s.ledge, s.floor]) for s in scans
    ]  # fmt: skip
    return np.array(rows, np.float32) if rows else np.zeros((0, 3), np.float32)


def _rows_of_scans(message: msg.LatentObservation) -> np.ndarray:
    if not message.scans.data:
        return np.zeros((0, 3), np.float32)
    rows = from_tensor(message.scans, "scans", None, None)
    if (rows.shape[1] - 3) % 5 or rows.shape[1] < 8:
        raise LatentworldError(f"scans: expected (K, 3 + 5 S) numbers, got {rows.shape}")
    return rows


def state_to_message(state: WorldState) -> msg.WorldState:
    return msg.WorldState(
        header=to_header(state.stamp, "odom"),
        model_id=state.model_id,
        observation_stamp=to_time(state.observation_stamp),
        pose=to_pose2d(state.pose),
        linear=float(state.velocity[0]),
        angular=float(state.velocity[1]),
        lateral=float(state.velocity[2]),
        commanded_linear=float(state.command[0]),
        commanded_angular=float(state.command[1]),
        commanded_lateral=float(state.command[2]),
        surprise=float(state.surprise),
        p_value=float(state.p_value),
        uncertainty=float(state.uncertainty),
        belief=to_tensor(state.belief),
        odometry_correction=to_pose2d(state.odometry_correction),
        **_measured_fields(state.measured),
    )


def _measured_fields(space: MeasuredSpace | None) -> dict[str, Any]:
    if space is None:
        return {}
    return {
        "measured": to_tensor(np.stack([space.clearance, space.unseen, space.floor])),
        "measured_origin": to_pose2d(np.append(space.origin, 0.0)),
        "measured_cell": float(space.cell),
    }


def _measured(message: msg.WorldState) -> MeasuredSpace | None:
    if not message.measured.data:
        return None
    clearance, unseen, floor = from_tensor(message.measured, "measured", 3, None, None)
    if not message.measured_cell > 0 or clearance.shape[0] != clearance.shape[1]:
        raise LatentworldError(
            f"measured: expected a square of cells, got {clearance.shape} of {message.measured_cell} m"
        )
    origin = from_pose2d(message.measured_origin)[:2]
    return MeasuredSpace(clearance, unseen, floor, origin, message.measured_cell)


def state_from_message(message: msg.WorldState) -> WorldState:
    return WorldState(
        stamp=from_time(message.header.stamp),
        observation_stamp=from_time(message.observation_stamp),
        model_id=message.model_id,
        pose=from_pose2d(message.pose),
        velocity=np.array([message.linear, message.angular, message.lateral]),
        command=np.array([message.commanded_linear, message.commanded_angular, message.commanded_lateral]),
        belief=from_tensor(message.belief, "belief", None),
        surprise=message.surprise,
        p_value=message.p_value,
        uncertainty=message.uncertainty,
        measured=_measured(message),
        odometry_correction=from_pose2d(message.odometry_correction),
    )


def surprise_to_message(surprise: Surprise) -> msg.Surprise:
    return msg.Surprise(
        header=to_header(surprise.stamp, "camera"),
        score=float(surprise.score),
        p_value=float(surprise.p_value),
        threshold=float(surprise.threshold),
        violation=bool(surprise.violation),
        excess=float(surprise.excess),
        calibrated=bool(surprise.calibrated),
    )


def surprise_from_message(message: msg.Surprise) -> Surprise:
    stamp = from_time(message.header.stamp)
    return Surprise(
        stamp, message.score, message.p_value, message.threshold, message.violation, message.excess, message.calibrated
    )


def way_warning_to_message(warning: WayWarning) -> msg.WayWarning:
    return msg.WayWarning(
        header=to_header(warning.stamp, "odom"),
        warn=bool(warning.warn),
        reason=warning.reason,
        contact=float(warning.contact),
        drop=float(warning.drop),
        seconds=float(warning.seconds),
        p_value=float(warning.p_value),
        violation=bool(warning.violation),
    )


def way_warning_from_message(message: msg.WayWarning) -> WayWarning:
    return WayWarning(
        from_time(message.header.stamp), message.contact, message.drop, message.seconds, message.p_value,
        message.violation, message.warn, message.reason,
    )  # fmt: skip


def sequence_to_message(sequence: ActionSequence) -> msg.ActionSequence:
    return msg.ActionSequence(names=list(sequence.names), dt=float(sequence.dt), values=_float32(sequence.values))


def sequence_from_message(message: msg.ActionSequence) -> ActionSequence:
    width = len(message.names)
    if width == 0 or len(message.values) % width:
        raise LatentworldError(f"ActionSequence: expected rows of {width} values, got {len(message.values)} values")
    values = np.frombuffer(message.values, np.float32).reshape(-1, width)
    return ActionSequence(message.dt, values, tuple(message.names))


def consequences_to_messages(consequences: Consequences) -> list[msg.Consequence]:
    """One message a candidate."""
    c, critics = consequences, list(consequences.costs)
    return [
        msg.Consequence(
            total_cost=math.nan if c.total is None else float(c.total[k]),
            max_contact=float(c.contact[k].max()),
            max_drop=float(c.drop[k].max()),
            min_clearance=float(c.clearance[k].min()),
            dt=float(c.dt),
            poses=[Pose2D(x=x, y=y, theta=yaw) for x, y, yaw in c.poses[k].tolist()],
            contact=_float32(c.contact[k]),
            drop=_float32(c.drop[k]),
            clearance=_float32(c.clearance[k]),
            uncertainty=_float32(c.uncertainty[k]),
            doubt=_float32(c.doubt[k]),
            critics=critics,
            costs=_float32([c.costs[name][k] for name in critics]),
        )
        for k in range(len(c.poses))
    ]


def consequences_from_messages(messages: list[msg.Consequence]) -> Consequences | None:
    """K messages of one horizon as one noun; ``None`` for none."""
    if not messages:
        return None

    def stacked(name: str) -> np.ndarray:
        return np.stack([np.frombuffer(getattr(m, name), np.float32) for m in messages])

    costs = stacked("costs")
    return Consequences(
        dt=messages[0].dt,
        poses=np.array([[(p.x, p.y, p.theta) for p in m.poses] for m in messages], dtype=np.float32),
        contact=stacked("contact"),
        drop=stacked("drop"),
        clearance=stacked("clearance"),
        uncertainty=stacked("uncertainty"),
        doubt=stacked("doubt"),
        costs={name: costs[:, i] for i, name in enumerate(messages[0].critics)},
        total=np.array([m.total_cost for m in messages], dtype=np.float32),
    )


def plan_to_message(plan: Plan) -> msg.Plan:
    return msg.Plan(
        header=to_header(plan.stamp, "odom"),
        model_id=plan.model_id,
        observation_stamp=to_time(plan.observation_stamp),
        status=int(plan.status),
        message=plan.message,
        samples=int(plan.samples),
        iterations=int(plan.iterations),
        deadline_ms=1e3 * plan.deadline,
        used_ms=1e3 * plan.used,
        cost_spread=float(plan.cost_spread),
        best=sequence_to_message(plan.sequence),
        consequence=msg.Consequence() if plan.consequence is None else consequences_to_messages(plan.consequence)[0],
        candidates=[] if plan.candidates is None else consequences_to_messages(plan.candidates),
    )


def plan_from_message(message: msg.Plan) -> Plan:
    return Plan(
        stamp=from_time(message.header.stamp),
        observation_stamp=from_time(message.observation_stamp),
        model_id=message.model_id,
        status=PlanStatus(message.status) if message.status in iter(PlanStatus) else PlanStatus.FAILED,
        sequence=sequence_from_message(message.best),
        consequence=consequences_from_messages([message.consequence] if len(message.consequence.poses) else []),
        samples=message.samples,
        iterations=message.iterations,
        deadline=message.deadline_ms / 1e3,
        used=message.used_ms / 1e3,
        cost_spread=message.cost_spread,
        candidates=consequences_from_messages(message.candidates),
        message=message.message,
    )


def odometry_to_message(odometry: Odometry) -> OdometryMessage:
    message = OdometryMessage(header=to_header(odometry.stamp, "odom"), child_frame_id="base_link")
    message.pose.pose.position.x, message.pose.pose.position.y = float(odometry.pose[0]), float(odometry.pose[1])
    message.pose.pose.orientation = quaternion_of_yaw(float(odometry.pose[2]))
    message.twist.twist = twist_of(odometry.linear, odometry.angular, odometry.lateral)
    return message


def odometry_from_message(message: OdometryMessage) -> Odometry:
    position, twist = message.pose.pose.position, message.twist.twist
    pose = np.array([position.x, position.y, yaw_of_quaternion(message.pose.pose.orientation)])
    speeds = twist.linear.x, twist.angular.z, twist.linear.y
    if not (np.isfinite(pose).all() and np.isfinite(speeds).all()):
        raise LatentworldError("odometry: expected finite numbers, got NaN or infinity")
    return Odometry(from_time(message.header.stamp), pose, *speeds)


def attitude_from_message(message: OdometryMessage) -> Attitude:
    """Of a head that carries cameras. A height of exactly 0 is that of odometry that knows no height: as described."""
    roll, pitch, _ = angles_of_quaternion(message.pose.pose.orientation)
    height = message.pose.pose.position.z
    if not np.isfinite((roll, pitch, height)).all():
        raise LatentworldError("odometry: expected a finite orientation and height, got NaN or infinity")
    return Attitude(roll, pitch, height or None)


def twist_of(linear: float, angular: float, lateral: float = 0.0) -> Twist:
    twist = Twist()
    twist.linear.x, twist.linear.y, twist.angular.z = float(linear), float(lateral), float(angular)
    return twist


def action_from_twist(twist: Twist, stamp: int) -> Action:
    return Action(stamp, twist.linear.x, twist.angular.z, twist.linear.y)


def stamped_from_action(action: Action) -> TwistStamped:
    twist = twist_of(action.linear, action.angular, action.lateral)
    return TwistStamped(header=to_header(action.stamp, "base_link"), twist=twist)


def action_from_stamped(message: TwistStamped) -> Action:
    return action_from_twist(message.twist, from_time(message.header.stamp))


LATENT = Codec(msg.LatentObservation, latent_to_message, latent_from_message)
STATE = Codec(msg.WorldState, state_to_message, state_from_message)
WAY_WARNING = Codec(msg.WayWarning, way_warning_to_message, way_warning_from_message)
SURPRISE = Codec(msg.Surprise, surprise_to_message, surprise_from_message)
PLAN = Codec(msg.Plan, plan_to_message, plan_from_message)
ODOMETRY = Codec(OdometryMessage, odometry_to_message, odometry_from_message)
