"""The embedded MuJoCo world and its robot. ``World`` is all that others need."""

from .world import Truth, World

__all__ = ["Truth", "World"]
