"""After what should not happen, slowly for a while: what the robot holds true about the room may be wrong."""

from __future__ import annotations

from latentworld.selection.parameters import SelectionParameters
from latentworld.types import WorldState, seconds


class Wariness:
    """Remembers the last violation."""

    def __init__(self, parameters: SelectionParameters):
        self.parameters = parameters
        self._noticed: int | None = None  # stamp of the newest frame that was a violation

    def notice(self, state: WorldState) -> bool:
        """Whether the frame of this state is a violation that was not known yet: what was planned before is void."""
        new = state.p_value < self.parameters.violation_p_value and state.observation_stamp != self._noticed
        if new:
            self._noticed = state.observation_stamp
        return new

    def top_speed(self, stamp: int) -> float:
        """Metres a second forward at most."""
        p = self.parameters
        if self._noticed is None or not 0 <= seconds(stamp - self._noticed) <= p.violation_time:
            return p.max_linear
        return min(p.max_linear, p.violation_linear)
