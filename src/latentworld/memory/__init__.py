"""What was seen, where and when: a durable store of keyframes that can be asked by any combination of keys."""

from latentworld.memory.correction import Trajectory
from latentworld.memory.joining import Join
from latentworld.memory.keyframes import Keyframe, KeyframeGate
from latentworld.memory.localiser import MemoryLocaliser, Whereabouts
from latentworld.memory.objects import ObjectParameters
from latentworld.memory.parameters import MemoryParameters
from latentworld.memory.query import MemoryAnswer, MemoryQuery
from latentworld.memory.relocaliser import Relocaliser
from latentworld.memory.remembered import Changes, RememberedObject, StoodAt
from latentworld.memory.visual_memory import VisualMemory

__all__ = [
    "Changes",
    "Join",
    "Keyframe",
    "KeyframeGate",
    "MemoryAnswer",
    "MemoryLocaliser",
    "MemoryParameters",
    "MemoryQuery",
    "ObjectParameters",
    "Relocaliser",
    "RememberedObject",
    "StoodAt",
    "Trajectory",
    "VisualMemory",
    "Whereabouts",
]
