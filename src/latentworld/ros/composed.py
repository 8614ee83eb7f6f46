"""All that thinks in one process, on one executor and one faculties' thread, handing over what they tell each other.

The command_gate is never in here: it outlives what hangs.
"""

from __future__ import annotations

from latentworld.ros.action_selector import ActionSelectorNode
from latentworld.ros.channel import Bus
from latentworld.ros.consequence_simulator import ConsequenceSimulatorNode
from latentworld.ros.perception_encoder import PerceptionEncoderNode
from latentworld.ros.process import run
from latentworld.ros.visual_memory import VisualMemoryNode
from latentworld.ros.worker import Worker
from latentworld.ros.world_state_tracker import WorldStateTrackerNode

NODES = (PerceptionEncoderNode, WorldStateTrackerNode, ConsequenceSimulatorNode, ActionSelectorNode, VisualMemoryNode)


def main() -> None:
    bus, worker = Bus(), Worker()
    run(lambda: [make(bus=bus, worker=worker) for make in NODES], worker.close)


if __name__ == "__main__":
    main()
