"""The nouns every faculty speaks: plain frozen dataclasses over NumPy arrays, no ROS and no torch.

Units follow REP-103 (metres, radians, seconds; x forward, y left, counter-clockwise positive) and
frames follow REP-105 (``odom``, ``base_link``). Stamps are integer nanoseconds of the robot's clock.
Arrays are never copied on the way from one faculty to the next: whoever holds a noun must not write
into its arrays.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np

NANOSECONDS = 1_000_000_000


def seconds(stamp: int) -> float:
    """A stamp (or a difference of stamps) in seconds."""
    return stamp / NANOSECONDS


def stamp_of(seconds: float) -> int:
    """Seconds as a stamp in nanoseconds."""
    return round(seconds * NANOSECONDS)


def turn(angle):
    """An angle, or an array of them, into [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


@dataclass(frozen=True, slots=True)
class Frame:
    """One camera exposure.

    stamp: exposure time (ns). rgb: (height, width, 3) uint8. depth: (height, width) float32 metres along the
    optical axis, non-finite or 0 where unknown; ``None`` for a camera without depth.
    """

    stamp: int
    rgb: np.ndarray
    depth: np.ndarray | None = None
    frame_id: str = "camera"


@dataclass(frozen=True, slots=True)
class Odometry:
    """Where the wheels say the base is. pose: (x, y, yaw) in ``odom``; linear m/s, angular rad/s and lateral m/s (to
    the left) in ``base_link``.
    """

    stamp: int
    pose: np.ndarray
    linear: float
    angular: float
    lateral: float = 0.0


@dataclass(frozen=True, slots=True)
class Attitude:
    """Of a head that carries cameras, beside its planar pose. roll, pitch: radians, fixed axes as
    ``geometry.rotation``; positive pitch looks down. height: metres of the glasses above the floor; None: as described.
    """

    roll: float
    pitch: float
    height: float | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """One velocity command: what was (or is to be) sent to the base at ``stamp``. linear m/s, angular rad/s, lateral
    m/s (to the left; only omnidirectional bases move so).
    """

    stamp: int
    linear: float
    angular: float
    lateral: float = 0.0


@dataclass(frozen=True, slots=True)
class RangeScan:
    """How far the ground is free in S sectors of equal bearing all around, from -pi on, as one sensor measured it.

    origin: (2,) metres, of the sensor over the ground, in ``base_link``. nearest: (S,) metres from there to the first
    thing that stands, infinite where none was met. near, far: (S,) metres between which the ground is free, as long
    as no thing is nearer; far is 0 where nothing was measured. ledge: (S,) metres to the first edge beyond which the
    ground lies lower, infinite where none was seen. floor: (S,) metres from which on, up to ``far``, the floor itself
    was seen; infinite for a sensor that can't tell. estimated: from colour, not measured.
    """

    origin: np.ndarray
    nearest: np.ndarray
    near: np.ndarray
    far: np.ndarray
    ledge: np.ndarray
    floor: np.ndarray
    estimated: bool = False

    def points(self) -> np.ndarray:
        """(N, 2) metres in ``base_link`` of the things met."""
        met = np.isfinite(self.nearest)
        bearing = ((np.arange(len(self.nearest)) + 0.5) / len(self.nearest) * 2 - 1) * np.pi
        ahead = np.stack([np.cos(bearing), np.sin(bearing)], -1)[met]
        return self.origin + self.nearest[met, None] * ahead


@dataclass(frozen=True, slots=True)
class MeasuredSpace:
    """The ground around the robot as it was measured: a grid whose axes are those of ``odom``, indexed [y, x].

    clearance: (n, n) float32 metres from each cell's middle to the nearest thing that was measured. unseen: (n, n)
    float32 metres to the nearest ground of which nothing is known. floor: (n, n) float32 metres to the nearest ground
    that was not seen to be floor. origin: (2,) x, y in ``odom`` of the middle of cell [0, 0]. cell: metres.
    """

    clearance: np.ndarray
    unseen: np.ndarray
    floor: np.ndarray
    origin: np.ndarray
    cell: float


@dataclass(frozen=True, slots=True)
class Latent:
    """What a frame means. vector: (D,) float32. model_id: hash of the checkpoint that made it. scans: what was measured
    beside it, of each sensor that measures ranges.
    """

    stamp: int
    model_id: str
    vector: np.ndarray
    encode_seconds: float = 0.0
    scans: tuple[RangeScan, ...] = ()

    def first(self, count: int) -> Latent:
        """The same with its first ``count`` numbers alone, which are not copied."""
        return replace(self, vector=self.vector[:count])


@dataclass(frozen=True, slots=True)
class Objects:
    """The N things that one frame shows, without names or classes.

    places: (N, 2) metres x, y from ``base_link`` to their middles, whatever side is seen. looks: (N, L) float32, all of
    one length; the product of two, less ``even``, is how much more likely (nats) they are of one thing than of two.
    cells: (N,) how much of the picture each takes. model_id: hash of the checkpoint that found them.
    free: (C,) metres that the view reaches over the floor before anything stands in its way, in C sectors of equal
    bearing from ``bearings[0]`` (left) to ``bearings[1]`` (right), radians; 0 where nothing is known.
    """

    stamp: int
    model_id: str
    places: np.ndarray
    looks: np.ndarray
    even: float
    cells: np.ndarray
    free: np.ndarray
    bearings: tuple[float, float]

    def __len__(self) -> int:
        return len(self.places)


@dataclass(frozen=True, slots=True)
class Surprise:
    """How badly the belief foretold the last latent.

    score: prediction error in units of its usual spread (z-score). p_value: fraction of ordinary
    observations at least this surprising. violation: ``p_value < threshold``. excess: by how much the squared error is
    more than was expected, in units of that. calibrated: whether it is known what is ordinary for this robot; where it
    is not, p_value is 1 and nothing is a violation.
    """

    stamp: int
    score: float
    p_value: float
    threshold: float
    violation: bool
    excess: float = 0.0
    calibrated: bool = True


@dataclass(frozen=True, slots=True)
class WorldState:
    """The belief about the world at ``stamp``.

    observation_stamp: exposure time of the newest frame inside the belief; its age is the belief's
    staleness, whatever ``stamp`` says. pose: (3,) x, y, yaw in ``odom`` at ``stamp``. velocity: (3,) measured linear
    m/s, angular rad/s, lateral m/s. command: (3,) last velocity commanded. belief: (B,) float32, the recurrent state
    of the model ``model_id``. uncertainty: expected latent prediction error, dimensionless, ≥ 0. measured: the
    ground around it as far as it was measured, None for a robot that measures no ranges. odometry_correction: (3,) x,
    y, yaw that takes a pose of odometry, as the wheels say it, into the frame of ``pose``; zeros: it is the same frame.
    """

    stamp: int
    observation_stamp: int
    model_id: str
    pose: np.ndarray
    velocity: np.ndarray
    command: np.ndarray
    belief: np.ndarray
    surprise: float = 0.0
    p_value: float = 1.0
    uncertainty: float = 0.0
    measured: MeasuredSpace | None = None
    odometry_correction: np.ndarray = field(default_factory=lambda: np.zeros(3))


@dataclass(frozen=True, slots=True)
class ActionSequence:
    """A candidate future: values (H, A) of the velocities ``names`` (m/s, rad/s), each held for ``dt`` seconds."""

    dt: float
    values: np.ndarray
    names: tuple[str, ...] = ("linear.x", "angular.z")

    def at(self, elapsed: float) -> np.ndarray | None:
        """The action (A,) in force ``elapsed`` seconds after the start; ``None`` past the end."""
        step = int(elapsed / self.dt) if elapsed > 0 else 0
        return self.values[step] if step < len(self.values) else None


@dataclass(frozen=True, slots=True)
class Consequences:
    """What the model expects of K candidates over H steps, all arrays float32.

    dt: seconds a step. poses: (K, H, 3) x, y, yaw in ``odom``. contact, drop: (K, H) probability in [0, 1] that it
    happens during the step. clearance: (K, H) metres from the rim of the base to the nearest obstacle. uncertainty:
    (K, H) metres by which it is expected to be wrong about that. doubt: (K, H) metres by which the opinions of the
    model about it differ: what it has learned too little of. latents: (K, H, D) predicted latents, ``None`` unless
    asked for. costs: critic name -> (K,). total: (K,).
    """

    dt: float
    poses: np.ndarray
    contact: np.ndarray
    drop: np.ndarray
    clearance: np.ndarray
    uncertainty: np.ndarray
    doubt: np.ndarray
    latents: np.ndarray | None = None
    costs: dict[str, np.ndarray] = field(default_factory=dict)
    total: np.ndarray | None = None

    def only(self, k: int) -> Consequences:
        """Candidate ``k`` alone, as K = 1 (views, no copies)."""
        return self._cut(slice(k, k + 1))

    def first(self, n: int) -> Consequences:
        """The first ``n`` candidates (views, no copies)."""
        return self._cut(slice(n))

    def _cut(self, s: slice) -> Consequences:
        return Consequences(
            self.dt, self.poses[s], self.contact[s], self.drop[s], self.clearance[s], self.uncertainty[s],
            self.doubt[s],
            None if self.latents is None else self.latents[s],
            {name: cost[s] for name, cost in self.costs.items()},
            None if self.total is None else self.total[s],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class WayWarning:
    """Whether the way that a person with the cameras on the head is on is safe, if it goes on as now.

    contact, drop: probabilities that something is touched, or a ledge stepped off, within the horizon. seconds: until
    one of both is more likely than not; NaN: it is not within the horizon. p_value, violation: of the newest surprise.
    warn: whether to warn now; reason: why, in plain words, empty while it does not.
    """

    stamp: int
    contact: float
    drop: float
    seconds: float
    p_value: float
    violation: bool
    warn: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FreeSpace:
    """The room there is around the robot, as far as it is believed: a grid whose axes are those of ``odom``.

    clearance: (rows, columns) metres from the rim of a base centred in each cell to the nearest obstacle or ledge,
    [y, x].
    uncertainty: (rows, columns) metres by which that is expected to be wrong: large where nothing was seen.
    origin: (2,) x, y in ``odom`` of the centre of cell [0, 0]. cell: metres.
    """

    clearance: np.ndarray
    uncertainty: np.ndarray
    origin: np.ndarray
    cell: float


class GoalKind(IntEnum):
    POSE = 0
    IMAGE = 1
    MEMORY = 2
    EXPLORE = 3


@dataclass(frozen=True, slots=True)
class Goal:
    """Where to go: a pose (x, y, yaw) in ``odom`` (yaw NaN: any heading), what should be seen (latent), or wherever the
    most is to be learned about the room.

    tolerance: metres. A memory goal is resolved to a pose before it comes here.
    """

    kind: GoalKind
    pose: np.ndarray | None = None
    latent: Latent | None = None
    tolerance: float = 0.3


class PlanStatus(IntEnum):
    OK = 0
    GOAL_REACHED = 1
    NO_GOAL = 2
    STALE = 3
    UNSAFE = 4
    FAILED = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """The best sequence found. Only OK moves the robot; any other status means: stand still.

    stamp: the time the first action starts. observation_stamp: of the belief it was planned from. samples: sequences
    imagined in all. deadline, used: seconds of wall time allowed and taken. cost_spread: std / mean of cost over the
    samples (a flat landscape is not to be trusted). candidates: a few imagined futures for people to look at.
    """

    stamp: int
    observation_stamp: int
    model_id: str
    status: PlanStatus
    sequence: ActionSequence
    consequence: Consequences | None
    samples: int = 0
    iterations: int = 0
    deadline: float = 0.0
    used: float = 0.0
    cost_spread: float = 0.0
    candidates: Consequences | None = None
    message: str = ""


class LatentworldError(ValueError):
    """Bad input, said in one line: what was named, what was expected, what came."""
