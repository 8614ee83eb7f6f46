"""Every command that measures writes the same form: flat figures, the settings they hold for, the machine they come
from.
"""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

from latentworld import __version__


def machine() -> dict[str, str | int | float]:
    """What the figures were measured on."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "latentworld": __version__,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def write_figures(path: str | Path | None, figures: dict[str, float], settings: dict) -> dict:
    """``{"figures", "settings", "machine"}`` as JSON at ``path`` (nowhere for ``None``). Returns it."""
    document = {"figures": figures, "settings": settings, "machine": machine()}
    if path is not None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2) + "\n")
    return document
