"""Quality of service, one function per kind of topic."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def _keep_last(depth: int, reliable: bool) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.VOLATILE,
    )


def camera() -> QoSProfile:
    """Reading a camera: the newest frame or none; matches reliable and best-effort drivers."""
    return _keep_last(1, reliable=False)


def large_camera() -> QoSProfile:
    """Reading a camera whose publishers are all reliable: the newest frame, however large."""
    return _keep_last(1, reliable=True)


def camera_driver() -> QoSProfile:
    """Publishing a camera (the simulator): reliable, so that viewers that insist on it are served too."""
    return _keep_last(1, reliable=True)


def odometry() -> QoSProfile:
    """Reading odometry or the commands that were sent: a short history, from reliable and best-effort publishers."""
    return _keep_last(20, reliable=False)


def odometry_driver() -> QoSProfile:
    """Publishing odometry (the simulator)."""
    return _keep_last(10, reliable=True)


def command() -> QoSProfile:
    """Velocity commands: only the newest counts."""
    return _keep_last(1, reliable=True)


def latent() -> QoSProfile:
    """Latents: like the camera frames they come from."""
    return _keep_last(1, reliable=False)


def belief() -> QoSProfile:
    """The world state and the plan: the newest, for certain."""
    return _keep_last(1, reliable=True)


def recording() -> QoSProfile:
    """Reading what is to be kept: a short history, from reliable and best-effort publishers."""
    return _keep_last(20, reliable=False)


def event() -> QoSProfile:
    """What a listener wants every one of: surprise, ground truth, diagnostics."""
    return _keep_last(10, reliable=True)


def clock() -> QoSProfile:
    """Simulated time, as time sources subscribe to it."""
    return _keep_last(1, reliable=False)
