"""ROS parameters from frozen dataclasses: a faculty's parameters are declared once, with the faculty.

A field's metadata gives ``description``, ``min`` and ``max``; a field that is itself such a dataclass becomes a group
(``selection.samples``). Whatever the YAML gives that does not fit is one line that names it.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator
from dataclasses import Field, fields, is_dataclass, replace
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from latentworld.types import LatentworldError

T = TypeVar("T")
_KNOWN_TO_ROS = ("use_sim_time", "start_type_description_service")


def declare(node: Node, defaults: T, alone: bool = True) -> T:
    """Declare every field of ``defaults`` on ``node`` and return a copy that holds what the parameters say.

    May be called again (a node configured anew): then the parameters' present values count. alone: there are no
    parameters but these and those declared before; what else is given is an error.
    """
    leaves = dict(_leaves(defaults))
    if alone:
        _refuse_unknown(node, leaves)
    values = {}
    for name, (field, default) in leaves.items():
        if node.has_parameter(name):
            value = node.get_parameter(name).value
        else:
            override = node._parameter_overrides.get(name)
            value = default if override is None else override.value
        value = _checked(node, name, field, default, value)
        if not node.has_parameter(name):
            node.declare_parameter(name, _plain(value), _descriptor(field, default), ignore_override=True)
        values[name] = value
    return _rebuilt(defaults, values)


def _leaves(group: Any, prefix: str = "") -> Iterator[tuple[str, tuple[Field, Any]]]:
    for field in fields(group):
        value = getattr(group, field.name)
        if is_dataclass(value):
            yield from _leaves(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, (field, value)


def _rebuilt(group: Any, values: dict[str, Any], prefix: str = "") -> Any:
    changes = {}
    for field in fields(group):
        value, name = getattr(group, field.name), prefix + field.name
        changes[field.name] = _rebuilt(value, values, f"{name}.") if is_dataclass(value) else values[name]
    return replace(group, **changes)


def _refuse_unknown(node: Node, known: dict[str, Any]) -> None:
    for name, override in node._parameter_overrides.items():
        if name in known or name in _KNOWN_TO_ROS or node.has_parameter(name) or name.startswith("qos_overrides."):
            continue
        near = difflib.get_close_matches(name, known, 1)
        hint = f"'{near[0]}'" if near else "one of " + ", ".join(known)
        raise LatentworldError(
            f"parameter '{name}' of {node.get_name()}: unknown; expected {hint}, got {override.value!r}"
        )


def _checked(node: Node, name: str, field: Field, default: Any, value: Any) -> Any:
    """The value in the field's type, or an error that says what was expected."""

    def refuse(expected: str) -> LatentworldError:
        return LatentworldError(f"parameter '{name}' of {node.get_name()}: expected {expected}, got {value!r}")

    kind = type(default)
    if kind is float and type(value) is int:
        value = float(value)
    if kind is tuple:
        if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
            raise refuse(f"a list of {type(default[0]).__name__ if default else 'values'}")
        items = tuple(value)
        of = type(default[0]) if default else None
        if of is float:
            items = tuple(float(i) if type(i) is int else i for i in items)
        if of is not None and any(type(i) is not of for i in items):
            raise refuse(f"a list of {of.__name__}")
        return items
    if type(value) is not kind:
        raise refuse(
            {"float": "a number", "int": "an integer", "bool": "true or false", "str": "a string"}.get(
                kind.__name__, kind.__name__
            )
        )
    low, high = field.metadata.get("min"), field.metadata.get("max")
    if kind in (int, float) and not (
        math.isfinite(value) and (low is None or value >= low) and (high is None or value <= high)
    ):
        raise refuse(f"a number in [{'-inf' if low is None else low}, {'inf' if high is None else high}]")
    choices = field.metadata.get("choices")
    if choices and value not in choices:
        raise refuse("one of " + ", ".join(map(repr, choices)))
    return value


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _descriptor(field: Field, default: Any) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=str(field.metadata.get("description", "")))
    low, high = field.metadata.get("min"), field.metadata.get("max")
    if low is not None and high is not None:
        if isinstance(default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
        elif isinstance(default, int) and not isinstance(default, bool):
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=1)]
    return descriptor
