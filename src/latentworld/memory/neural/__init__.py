"""A memory that is a network: it learns at test time where what was seen, and says what would be seen from anywhere."""

from latentworld.memory.neural.learner import NeuralLearner
from latentworld.memory.neural.neural_memory import NeuralMemory, Recalled
from latentworld.memory.neural.parameters import NeuralParameters

__all__ = ["NeuralLearner", "NeuralMemory", "NeuralParameters", "Recalled"]
