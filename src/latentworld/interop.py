"""Where other world-model libraries meet this one: their solvers on our imagination, our solvers on their models.

stable-worldmodel (PyPI) asks a model for ``get_cost(info, candidates)``, torch-world (PyPI) for ``rollout`` and
``cost``. Neither is needed to import this.
"""

from __future__ import annotations

import site
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentworld.types import LatentworldError

PEERS = Path(__file__).resolve().parents[2]  # of a checkout: where tools/peers.sh puts what ours is measured beside

Cost = Callable[[np.ndarray], np.ndarray]
"""(K, H, A) candidates in units of the robot -> (K,) costs."""


class CostModel:
    """A planning problem of ours as a model of theirs. Their candidates are of order one; ``low`` and ``high`` (A,) are
    what -1 and 1 stand for. calls: candidates imagined so far.
    """

    def __init__(self, cost: Cost, low: np.ndarray, high: np.ndarray):
        self._cost, self.low, self.high = cost, np.asarray(low, np.float32), np.asarray(high, np.float32)
        self.calls = 0

    def actions(self, candidates: Tensor | np.ndarray) -> np.ndarray:
        """Theirs (..., A) -> ours (..., A), within the limits."""
        share = np.clip(np.asarray(candidates, np.float32), -1, 1)
        return self.low + (share + 1) / 2 * (self.high - self.low)

    # stable-worldmodel: stable_worldmodel.protocols.Costable

    def get_cost(self, info_dict: dict[str, Any], action_candidates: Tensor) -> Tensor:
        """action_candidates: (B, K, H, A) -> (B, K)."""
        batch, k = action_candidates.shape[:2]
        if batch != 1:
            raise LatentworldError(f"interop: expected one robot at a time, got {batch}")
        self.calls += k
        return torch.from_numpy(np.asarray(self._cost(self.actions(action_candidates[0])), np.float32)).unsqueeze(0)

    criterion = get_cost

    # torch-world: torch_world.models.base.WorldModel

    def rollout(self, z: Tensor, actions: Tensor, **_: Any) -> Tensor:
        """What is imagined is asked for once, in ``cost``: here the actions (B, T, A) only pass."""
        return actions

    def cost(self, rollout: Tensor, goal: Tensor) -> Tensor:
        """(B, T, A) -> (B,)."""
        self.calls += len(rollout)
        return torch.from_numpy(np.asarray(self._cost(self.actions(rollout)), np.float32))


def add_peers() -> None:
    """What tools/peers.sh installed may be imported from now on, after all that is ours."""
    for folder in PEERS.glob(".venv-peers/lib/python*/site-packages"):
        site.addsitedir(str(folder))


def stable_worldmodel() -> ModuleType:
    """The library, also beside a torch without torchvision's operators (its CPU wheels have none).

    Raises LatentworldError where it is not installed.
    """
    if not hasattr(torch.ops.torchvision, "nms"):
        operators = torch.library.Library("torchvision", "DEF")
        operators.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        operators.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept.append(operators)
    add_peers()
    try:
        import stable_worldmodel as library
    except ImportError as error:
        raise LatentworldError(
            f"stable-worldmodel: expected it to be installed (tools/peers.sh makes an environment with it), got {error}"
        ) from None
    return library


_kept: list = []  # an operator library that is collected takes its operators with it
