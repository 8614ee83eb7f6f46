"""What can be tuned about the neural memory."""

from __future__ import annotations

from dataclasses import dataclass

from latentworld.memory.neural.objectives import BIASES
from latentworld.memory.neural.retention import RETENTIONS
from latentworld.parameters import check, parameter


@dataclass(frozen=True, slots=True)
class NeuralParameters:
    """bias, retention: of MIRAS (Behrouz et al. 2025). Titans: l2, decay; Yaad: huber, decay; Moneta: lp, lq; Memora:
    l2, kl.
    """

    bias: str = parameter("l2", f"what counts as an error: {', '.join(BIASES)}")
    retention: str = parameter("decay", f"how it forgets: {', '.join(RETENTIONS)}")
    keys: int = parameter(1024, "features of a pose", 16, 65_536)
    hidden: int = parameter(512, "units of a hidden layer; 0: none, one matrix", 0, 65_536)
    reach: float = parameter(0.5, "metres over which what is seen stays alike", 0.01, 100.0)
    turn: float = parameter(0.5, "radians over which what is seen stays alike", 0.05, 10.0)
    rate: float = parameter(1.0, "of the first updates, keys being of length 1", 1e-6, 10.0)
    settling: int = parameter(700, "updates until the rate has halved, then on to a tenth; 0: it stays", 0, 1_000_000)
    momentum: float = parameter(0.5, "share of the last update that goes on", 0.0, 0.999)
    forgetting: float = parameter(0.0, "share of what is known that is lost an update", 0.0, 0.5)
    clamp: float = parameter(4.0, "times the usual gradient at which one is cut", 1.0, 1e6)

    rehearsals: int = parameter(4, "updates a keyframe; 0: nothing is learned", 0, 100)
    batch: int = parameter(32, "keyframes an update, all but one of them earlier ones", 2, 4096)
    replay: int = parameter(4096, "earlier keyframes held to be rehearsed", 32, 1_000_000)

    def __post_init__(self) -> None:
        check(self)
