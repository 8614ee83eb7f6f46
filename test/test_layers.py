"""The house stands: a floor imports only from floors below it, ROS stays in ros/, the world knows no model."""

from __future__ import annotations

from pathlib import Path

import pytest
from layers import violations

SOURCE = Path(__file__).resolve().parents[1] / "src" / "latentworld"


def module_name(path: Path) -> str:
    """As it would be imported, but for a package's own name: ``latentworld.model.__init__``."""
    return ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)


def test_every_module_keeps_the_rules():
    paths = [path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py"]
    assert len(paths) > 20
    broken = [line for path in paths for line in violations(module_name(path), path.read_text(encoding="utf-8"))]
    assert not broken, "\n" + "\n".join(broken)


@pytest.mark.parametrize(
    "module, source",
    [
        ("latentworld.model.encoder", "from latentworld.training.driving.recipe import RECIPES"),
        ("latentworld.model.encoder", "from ..training import recipes"),
        ("latentworld.model.encoder", "def f():\n    import latentworld.agent"),
        ("latentworld.tracking.tracker", "from latentworld.perception.encoder import PerceptionEncoder"),
        ("latentworld.tracking.__init__", "from ..perception.encoder import PerceptionEncoder"),
        ("latentworld.agent", "from . import cli"),
        ("latentworld.agent", "if TYPE_CHECKING:\n    from latentworld.ros.node import ManagedNode"),
        ("latentworld.evaluation.navigation", "from latentworld import ros"),
        ("latentworld.sim.world", "from latentworld.model import encoder"),
        ("latentworld.sim.world", "from latentworld import parameters"),
        ("latentworld.demo.film", "from latentworld.cli import app"),
        ("latentworld.agent", "import rclpy.node"),
        ("latentworld.agent", "from latentworld_ros.msg import Plan"),
        ("latentworld.memory.store", "def f():\n    from sensor_msgs.msg import Image"),
        ("latentworld.training.driving.collect", "importlib.import_module('rclpy')"),
        ("latentworld.attic.box", ""),
    ],
)
def test_a_planted_violation_is_found(module, source):
    assert violations(module, source)


@pytest.mark.parametrize(
    "module, source",
    [
        ("latentworld.agent", "from latentworld.model.checkpoint import load"),
        ("latentworld.agent", "from .tracking.tracker import WorldStateTracker\nfrom . import __version__"),
        (
            "latentworld.selection.critics.goal",
            "from ..parameters import SelectionParameters\nfrom ...types import Goal",
        ),
        (
            "latentworld.ros.node",
            "import rclpy\nfrom latentworld_ros.msg import Plan\nfrom latentworld.agent import Agent",
        ),
        ("latentworld.sim.world", "import mujoco\nfrom ..types import Frame"),
        ("latentworld.cli", "from latentworld.ros.up import up"),
    ],
)
def test_what_is_allowed_is_allowed(module, source):
    assert violations(module, source) == []
