"""Make the CMake files of the ROS wheels name this interpreter's headers instead of the ones they were built with.

The wheels of ROS 2 on PyPI export CMake targets whose include folders are those of the machine that built the wheel,
``/opt/python/cpXY-cpXY/…``. On any other machine these do not exist and CMake stops at the first generated message.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from pathlib import Path

BUILT_AT = re.compile(r"/opt/python/cp\d+-cp\d+t?/")
NUMPY = re.compile(r"/opt/python/cp\d+-cp\d+t?/lib/python[\d.]+t?/site-packages/numpy/(?:_core|core)/include")
PYTHON = re.compile(r"/opt/python/cp\d+-cp\d+t?/include/python[\d.]+t?")


def relocate(prefix: Path, python_include: str, numpy_include: str) -> int:
    """Rewrite ``prefix/share/*/cmake``; the number of files changed."""
    changed = 0
    for path in sorted(prefix.glob("share/*/cmake/*.cmake")):
        text = path.read_text(encoding="utf-8")
        if not BUILT_AT.search(text):
            continue
        text = NUMPY.sub(lambda _: numpy_include, text)
        text = PYTHON.sub(lambda _: python_include, text)
        path.write_text(text, encoding="utf-8")
        changed += 1
    return changed


if __name__ == "__main__":
    import numpy

    count = relocate(Path(sys.prefix), sysconfig.get_path("include"), numpy.get_include())
    print(f"relocated {count} CMake files of the ROS wheels")
