"""Print the shell lines that set up the prepared environment: .venv/env.sh, which ``./latentworld`` and make source.

Setting everything before Python starts spares the wheels' bootstrapper its second start of the interpreter.
"""

from __future__ import annotations

import sys
from pathlib import Path
from shlex import quote

venv = Path(sys.prefix)
root = venv.parent
install = venv / "ros" / "install"
prefix = install / "latentworld_ros"
packages = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


def put_before(name: str, *places: Path) -> str:
    return f"export {name}={':'.join(quote(str(place)) for place in places)}${{{name}:+:${name}}}"


def on_wheels() -> list[str]:
    """ROS 2 from PyPI: there is no setup file to source, so say what it would."""
    libraries = sorted((venv / packages).glob("ros_*.libs"))
    return [
        f"export AMENT_PREFIX_PATH={quote(str(prefix))}:{quote(str(venv))} "
        f"CMAKE_PREFIX_PATH={quote(str(prefix))}:{quote(str(venv))}",
        put_before("PYTHONPATH", root / "src", prefix / packages),
        put_before("LD_LIBRARY_PATH", prefix / "lib", venv / "lib", *libraries),
        "export _ROS_WHEELS_BOOTSTRAP_COMPLETE=1",
        "unset RMW_IMPLEMENTATION  # only Fast DDS comes as a wheel",
    ]


def on_sourced_ros() -> list[str]:
    return [f". {quote(str(install / 'local_setup.bash'))}", put_before("PYTHONPATH", root / "src")]


if __name__ == "__main__":
    print("# Written by tools/setup.sh. Source it in bash.")
    print(f"export VIRTUAL_ENV={quote(str(venv))}")
    print(put_before("PATH", venv / "bin"))
    print("\n".join(on_sourced_ros() if "--beside-ros" in sys.argv else on_wheels()))
    for name, value in (("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST"), ("MUJOCO_GL", "egl")):
        print(f"export {name}=${{{name}:-{value}}}")
