"""The lines of a requirements file to install beside a sourced ROS 2: not the ROS wheels, and nothing that ROS brings.

A ROS 2 from apt is built against the distribution's own NumPy and OpenCV (cv_bridge is compiled against both): a newer
one in the virtual environment would shadow them and break it. So what is importable outside the environment stays.
"""

from __future__ import annotations

import re
import sys
from importlib import metadata, util
from pathlib import Path

MODULE_OF = {
    "opencv-python-headless": "cv2",
    "pyyaml": "yaml",
    "mcap-ros2-support": "mcap_ros2",
    "colcon-common-extensions": "colcon_core",
}
ALWAYS = {"setuptools"}  # pinned for torch and colcon both
ROS_SECTION = "# ROS 2"


def outside(module: str) -> bool:
    """Whether ``module`` can be imported from somewhere else than this virtual environment."""
    spec = util.find_spec(module)
    return spec is not None and spec.origin is not None and not Path(spec.origin).is_relative_to(sys.prefix)


def wanted(lines: list[str]) -> list[str]:
    kept = []
    for line in lines:
        if line.startswith(ROS_SECTION):
            break
        name = re.match(r"[A-Za-z0-9._-]*", line).group().lower()
        if not name or (name not in ALWAYS and outside(MODULE_OF.get(name, name.replace("-", "_")))):
            continue
        kept.append(line)
    if outside("numpy"):
        kept.append(f"numpy=={metadata.version('numpy')}")  # said outright: nothing may replace it
    return kept


if __name__ == "__main__":
    print("\n".join(wanted(Path(sys.argv[1]).read_text(encoding="utf-8").splitlines())))
