"""Message types by name, and their definitions as a bag carries them."""

from __future__ import annotations

import importlib
import re
from functools import cache
from pathlib import Path

from ament_index_python.packages import get_package_share_directory

_RULE = "=" * 80
_FIELD = re.compile(r"^\s*([A-Za-z][\w/]*)(?:<=\d+)?(?:\[[^\]]*\])?\s+\w+")
_PRIMITIVES = frozenset(
    "bool byte char float32 float64 int8 uint8 int16 uint16 int32 uint32 int64 uint64 string wstring".split()
)


def message_type(name: str) -> type:
    """The class of ``package/msg/Name``. ImportError or AttributeError where it is not installed."""
    package, _, message = name.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), message)


@cache
def definition(name: str) -> str:
    """The .msg file of ``package/msg/Name`` and, below it, those of all it is made of (``ros2msg`` of MCAP)."""
    texts: dict[str, str] = {}
    wanted = [_short(name)]
    while wanted:
        part = wanted.pop(0)
        if part not in texts:
            texts[part] = _text(part)
            wanted += _parts(texts[part], part.split("/")[0])
    first, *others = texts.items()
    return first[1] + "".join(f"\n{_RULE}\nMSG: {part}\n{text}" for part, text in others)


def _short(name: str) -> str:
    package, *_, message = name.split("/")
    return f"{package}/{message}"


def _text(part: str) -> str:
    package, message = part.split("/")
    return (Path(get_package_share_directory(package)) / "msg" / f"{message}.msg").read_text()


def _parts(text: str, package: str) -> list[str]:
    """Types of the fields that are messages themselves, as ``package/Name``."""
    found = []
    for line in text.splitlines():
        match = _FIELD.match(line.split("#", 1)[0])
        if match and match[1] not in _PRIMITIVES:
            found.append(_short(match[1]) if "/" in match[1] else f"{package}/{match[1]}")
    return found
