"""What can be tuned about choosing actions."""

from __future__ import annotations

from dataclasses import dataclass, replace

from latentworld.parameters import check, parameter
from latentworld.robot import Base


@dataclass(frozen=True, slots=True)
class SelectionParameters:
    solver: str = parameter("gradient", "search: gradient, cem, icem or mppi")
    samples: int = parameter(96, "sequences imagined when sampling", 8, 100_000)
    iterations: int = parameter(8, "refinements, as long as the deadline allows", 1, 100)
    elite_fraction: float = parameter(0.1, "share of the samples that shape the next iteration", 0.01, 0.5)
    horizon: int = parameter(15, "steps looked ahead", 2, 100)
    dt: float = parameter(0.2, "seconds a step", 0.05, 0.5)
    noise_colour: float = parameter(2.0, "icem: power of 1 / frequency by which sampled noise falls", 0.0, 5.0)
    temperature: float = parameter(
        0.15, "mppi: spreads of the cost by which a sample may be dearer and still count", 1e-3, 10.0
    )
    hold: int = parameter(3, "steps for which sampled noise is held", 1, 20)
    seed: int = parameter(0, "of the sampling")
    max_linear: float = parameter(0.0, "m/s forward at most; 0: what the robot's description allows", 0.0, 5.0)
    max_reverse: float = parameter(0.0, "m/s backward at most; 0: what the description allows", 0.0, 5.0)
    max_angular: float = parameter(0.0, "rad/s at most; 0: what the description allows", 0.0, 10.0)
    max_lateral: float = parameter(0.0, "m/s sideways at most; 0: what the description allows", 0.0, 5.0)
    max_observation_age: float = parameter(0.5, "seconds; an older belief is not planned from", 0.05, 10.0)
    contact_limit: float = parameter(
        0.3, "probability of contact within reaction_time at which a plan is refused", 0.0, 1.0
    )
    drop_limit: float = parameter(
        0.3, "probability of a drop within reaction_time at which a plan is refused", 0.0, 1.0
    )
    reaction_time: float = parameter(0.8, "seconds of a plan that must be safe, or the robot stands", 0.0, 10.0)
    stuck_time: float = parameter(3.0, "seconds without getting anywhere after which it backs off", 0.5, 60.0)
    retreat_time: float = parameter(1.2, "seconds that it then goes back along the way it came", 0.0, 30.0)
    flat_spread: float = parameter(
        0.02, "std / mean of the costs of samples below which a plan is said not to be trusted", 0.0, 1.0
    )
    violation_p_value: float = parameter(
        2e-4, "p-value of the surprise below which the robot goes slowly for a while and plans anew; 0: never", 0.0, 1.0
    )
    violation_time: float = parameter(3.0, "seconds that it goes slowly after that", 0.0, 60.0)
    violation_linear: float = parameter(0.2, "m/s forward at most meanwhile", 0.0, 5.0)
    goal_weight: float = parameter(1.0, "cost of a metre of distance to the goal", 0.0, 1e6)
    goal_power: int = parameter(1, "exponent of that cost", 1, 4)
    way_margin: float = parameter(0.08, "metres beside the base that a way to the goal should have", 0.0, 1.0)
    arrival_probability: float = parameter(
        0.9, "that a goal image was taken where the robot stands, from which on it counts as arrived", 0.0, 1.0
    )
    arrival_patience: float = parameter(
        25.0,
        "seconds about the likeliest place of a goal image, in which what counts as arrived eases to 0.5",
        0.1,
        600.0,
    )
    place_probability: float = parameter(
        0.25, "of the place of a goal image, from which on it is driven to; below, the robot looks around", 0.0, 1.0
    )
    explored_gain: float = parameter(
        0.12, "square metres not known in view of the best place, below which a room counts as explored", 0.0, 10.0
    )
    heading_tolerance: float = parameter(0.35, "radians off a goal's heading that count as facing it", 0.01, 3.15)
    heading_weight: float = parameter(
        0.8, "cost of a metre by which the last heading leads astray, or a radian off at the goal", 0.0, 1e6
    )
    heading_power: int = parameter(1, "exponent of that cost", 1, 4)
    contact_weight: float = parameter(20.0, "cost of a certain contact", 0.0, 1e6)
    contact_power: int = parameter(1, "exponent of that cost", 1, 4)
    drop_weight: float = parameter(12.0, "cost of a certain drop", 0.0, 1e6)
    drop_power: int = parameter(1, "exponent of that cost", 1, 4)
    clearance_weight: float = parameter(
        1.5, "cost of a metre short of clearance_wanted, mean over the horizon", 0.0, 1e6
    )
    clearance_power: int = parameter(1, "exponent of that cost", 1, 4)
    clearance_wanted: float = parameter(0.15, "metres between the rim of the base and anything", 0.0, 5.0)
    caution: float = parameter(0.5, "spreads of doubt by which clearance is read as smaller", 0.0, 10.0)
    goal_image_weight: float = parameter(
        0.5, "cost of a unit of squared difference from a goal image where a plan ends near its place", 0.0, 1e6
    )
    goal_image_power: int = parameter(1, "exponent of that cost", 1, 4)
    uncertainty_weight: float = parameter(
        0.5, "cost of a metre by which opinions of the model differ, mean over the horizon", 0.0, 1e6
    )
    uncertainty_power: int = parameter(1, "exponent of that cost", 1, 4)
    speed_weight: float = parameter(2.0, "cost of top speed where there is no room", 0.0, 1e6)
    speed_power: int = parameter(1, "exponent of that cost", 1, 4)
    surprise_weight: float = parameter(
        0.05, "cost of top speed for each order of magnitude by which a frame is rarer than p = 0.01", 0.0, 1e6
    )
    surprise_power: int = parameter(1, "exponent of that cost", 1, 4)
    smoothness_weight: float = parameter(0.02, "cost of changing speed, mean over the horizon", 0.0, 1e6)
    smoothness_power: int = parameter(1, "exponent of that cost", 1, 4)

    def __post_init__(self) -> None:
        check(self)

    def within(self, base: Base) -> SelectionParameters:
        """The same with the limits of this base, where lower ones are not given."""
        names = ("max_linear", "max_reverse", "max_angular", "max_lateral")
        return replace(self, **{name: least(getattr(self, name), getattr(base, name)) for name in names})


def least(given: float, allowed: float) -> float:
    """A limit: the given one, 0 standing for none, but no more than is allowed."""
    return min(given, allowed) if given > 0 else allowed
