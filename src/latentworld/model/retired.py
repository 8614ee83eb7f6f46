"""What checkpoints of earlier versions hold and models no longer have, so that such files still open.

Until 0.3 a WorldModel also predicted the motion of one base and its contacts. The motion now comes from the robot's
description, and contacts from clearance; latents, beliefs and surprise are what they were.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from torch import Tensor

FIELDS = ("motor_dim", "imagination_dt", "base_radius", "max_linear", "max_angular")  # of the configuration
PARTS = ("drive_train.", "risk.")
ASPECTS = 4  # of six that free space was described by


def configuration(text: str) -> str:
    """The JSON of a ModelConfig without the fields that it no longer has."""
    return json.dumps({name: value for name, value in json.loads(text).items() if name not in FIELDS}, sort_keys=True)


def weights(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a WorldModel without those that it no longer has."""
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(PARTS)}
    for name, tensor in kept.items():
        if name.startswith("free_space.") and name.rsplit(".", 2)[1] == "4":
            kept[name] = tensor[:ASPECTS]
    return kept
